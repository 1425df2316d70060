"""Reads of who exists."""

from django.db.models import BigIntegerField

from apps.accounts.models import User
from apps.core.prepared import Prepared

KNOWN = Prepared(
    lambda customer_id: User.objects.filter(pk=customer_id, is_active=True).values_list(
        "pk", flat=True
    ),
    customer_id=BigIntegerField(),
)


def is_known_customer(customer_id: int) -> bool:
    """Say whether the customer exists and is not disabled."""
    return bool(KNOWN.fetch(customer_id=customer_id))
