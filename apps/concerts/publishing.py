"""What a concert still lacks before customers may see it, in plain words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Exists, OuterRef
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from apps.concerts.models import Concert, Performance, Seat

# Performances without seats that are told one by one; more are told as a number.
BARE_SHOWN_MAX = 5


class Place(StrEnum):
    """Where a gap is mended."""

    CONCERT = "concert"
    PRICES = "prices"
    PERFORMANCES = "performances"
    SEATS = "seats"
    PLANS = "plans"
    ROOM = "room"


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that is missing or looks wrong; only what `blocks` keeps the concert from customers.

    `place` says where it is mended, `row_id` which row there, where it is not the concert itself.
    """

    text: str
    place: Place
    row_id: int | None = None
    blocks: bool = True


def find_gaps(concert: Concert, *, now: datetime) -> list[Gap]:
    """Return what the concert lacks; what its waiting room lacks is known to the app that has rooms."""
    has_seats = Exists(Seat.objects.filter(performance=OuterRef("pk")))
    to_come = list(
        Performance.objects.filter(concert=concert, starts_at__gt=now, called_off_at=None)
        .annotate(has_seats=has_seats)
        .order_by("starts_at")
    )
    return [
        *_check_performances(concert, to_come),
        *_check_seats(concert, to_come),
        *_check_window(concert, to_come, now=now),
    ]


def _check_performances(concert: Concert, to_come: Sequence[Performance]) -> Iterator[Gap]:
    if to_come:
        return
    if concert.performances.exists():
        text = _("No performance is still to come: all are past or called off.")
    else:
        text = _("It has no performance yet.")
    yield Gap(text=text, place=Place.PERFORMANCES)


def _check_seats(concert: Concert, to_come: Sequence[Performance]) -> Iterator[Gap]:
    bare = [performance for performance in to_come if not performance.has_seats]  # type: ignore[attr-defined]
    if bare or not to_come:
        if not concert.venue.plans.exists():
            text = _("The venue “%(venue)s” has no seating plan yet.") % {"venue": concert.venue}
            yield Gap(text=text, place=Place.PLANS, row_id=concert.venue_id, blocks=bool(bare))
        if not concert.prices.exists():
            text = _(
                "It has no prices yet: seats are made from a plan at the prices of their grades."
            )
            yield Gap(text=text, place=Place.PRICES, blocks=bool(bare))
    for performance in bare[:BARE_SHOWN_MAX]:
        text = _("The performance of %(start)s has no seats.") % {
            "start": _show_time(performance.starts_at)
        }
        yield Gap(text=text, place=Place.SEATS, row_id=performance.pk)
    if len(bare) > BARE_SHOWN_MAX:
        count = len(bare) - BARE_SHOWN_MAX
        text = _("%(count)s more performances have no seats.") % {"count": count}
        yield Gap(text=text, place=Place.PERFORMANCES)
    for price in concert.prices.filter(price=0):
        text = _("Seats of the grade “%(grade)s” cost nothing.") % {"grade": price.grade}
        yield Gap(text=text, place=Place.PRICES, blocks=False)


def _check_window(
    concert: Concert, to_come: Sequence[Performance], *, now: datetime
) -> Iterator[Gap]:
    opens, closes = concert.sales_open_at, concert.sales_close_at
    if closes <= now:
        text = _("Its sales closed on %(time)s: nobody could buy.") % {"time": _show_time(closes)}
        yield Gap(text=text, place=Place.CONCERT)
    elif to_come and opens >= to_come[-1].starts_at:
        text = _("Its sales open only when the last performance has begun.")
        yield Gap(text=text, place=Place.CONCERT)
    elif to_come and closes > to_come[-1].starts_at:
        text = _(
            "Its sales close after the last performance has begun; what has begun is not sold."
        )
        yield Gap(text=text, place=Place.CONCERT, blocks=False)


def _show_time(at: datetime) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")
