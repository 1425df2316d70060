"""How a case tells of times, spans and rows."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from apps.concerts.models import Performance, Seat
from apps.core.audit_log import tell_time

_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60
# Up to so many seconds are told in seconds: limits are set in them.
_SECONDS_TOLD_MAX = 120


def list_units() -> list[tuple[int, str]]:
    """Return the units that spans are told in, in seconds, each with how the reader's language writes it;
    the page's script tells spans by the same."""
    return [
        (_DAY, _("%(count)s d")),
        (_HOUR, _("%(count)s h")),
        (_MINUTE, _("%(count)s min")),
        (1, _("%(count)s s")),
    ]


def tell_span(span: timedelta) -> str:
    """Return how long a span is, in its two greatest units: “5 min”, “1 h 30 min”, “60 s”."""
    left = max(round(span.total_seconds()), 0)
    units = list_units()
    if left <= _SECONDS_TOLD_MAX and left % _MINUTE == 0 and left:
        return units[-1][1] % {"count": left}
    told: list[str] = []
    for seconds, unit in units:
        count, left = divmod(left, seconds)
        if count:
            told.append(unit % {"count": count})
    return " ".join(told[:2]) or units[-1][1] % {"count": 0}


def tell_seconds(seconds: int) -> str:
    """Return a limit of so many seconds."""
    return tell_span(timedelta(seconds=seconds))


def tell_moment(at: datetime, *, beside: datetime | None = None) -> str:
    """Return a moment to the second; beside another of the same day without its date."""
    if beside and localtime(at).date() == localtime(beside).date():
        return f"{localtime(at):%H:%M:%S}"
    return tell_time(at)


def tell_seats(seats: Iterable[Seat]) -> str:
    """Return seats in house order: “A 1-3, A 1-4”."""
    return ", ".join(str(seat) for seat in sorted(seats, key=lambda seat: seat.position))


def tell_performance(performance: Performance) -> str:
    """Return a performance with its start, in the staff's time zone."""
    return f"{performance.concert} · {tell_time(performance.starts_at)[:-3]}"
