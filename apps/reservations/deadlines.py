"""The one predicate that says whether a deadline has passed, in Python and in SQL.

Taking over, reserving, paying, listing and sweeping all ask here, so they never disagree.
"""

from datetime import datetime

from django.db.models import Q

UNPAID = ("held", "reserved")


def is_overdue(expires_at: datetime, now: datetime) -> bool:
    """Say whether a deadline has passed: at the very moment it has."""
    return expires_at <= now


def overdue(now: datetime, prefix: str = "") -> Q:
    """Return the same of reservations in SQL; `prefix` leads to them from another table."""
    return Q(**{f"{prefix}status__in": UNPAID, f"{prefix}expires_at__lte": now})


def is_live(status: str, expires_at: datetime, now: datetime) -> bool:
    """Say whether a reservation of this state claims its seats at `now`."""
    return status == "confirmed" or (status in UNPAID and not is_overdue(expires_at, now))


def live(now: datetime, prefix: str = "") -> Q:
    """Return the same of reservations in SQL: the paid, and the unpaid not overdue."""
    return Q(**{f"{prefix}status": "confirmed"}) | Q(
        **{f"{prefix}status__in": UNPAID, f"{prefix}expires_at__gt": now}
    )
