"""Reads of concerts and performances."""

from datetime import date as Date
from datetime import datetime
from typing import Any

from django.db.models import (
    BigIntegerField,
    DateField,
    DateTimeField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)

from apps.concerts.errors import ConcertNotFound, DateNotBookable
from apps.concerts.models import Concert, Performance, Seat
from apps.core.limits import ID_MAX
from apps.core.models import StaffAction
from apps.core.prepared import Prepared

CONCERT = Prepared(
    lambda concert_id: Concert.objects.published().filter(pk=concert_id),
    concert_id=BigIntegerField(),
)


def takes_place(now: Any, prefix: str = "") -> Q:
    """Return which performances take place and have not begun; `prefix` leads to them from another
    table."""
    return Q(**{f"{prefix}starts_at__gt": now, f"{prefix}called_off_at__isnull": True})


def filter_bookable(concert_id: Any, now: Any) -> QuerySet[Performance]:
    """Return the performances of a concert that take place and have not begun, by start."""
    return Performance.objects.filter(takes_place(now), concert_id=concert_id).order_by("starts_at")


BOOKABLE = Prepared(filter_bookable, concert_id=BigIntegerField(), now=DateTimeField())
BOOKABLE_ON = Prepared(
    lambda concert_id, now, date: filter_bookable(concert_id, now).filter(date=date),
    concert_id=BigIntegerField(),
    now=DateTimeField(),
    date=DateField(),
)


def get_concert(concert_id: int) -> Concert:
    """Return a published concert. Raise `ConcertNotFound`."""
    found = CONCERT.fetch(concert_id=concert_id) if concert_id <= ID_MAX else []
    if not found:
        raise ConcertNotFound
    return found[0]


def list_concerts() -> QuerySet[Concert]:
    """Return the published concerts with `first_date`, `last_date`, `price_min` and `price_max`.

    That of a rehearsal is sold like any other, and shown to nobody.
    """
    performances = Performance.objects.filter(concert=OuterRef("pk")).values("concert")
    seats = Seat.objects.filter(performance__concert=OuterRef("pk")).values("performance__concert")
    # Subqueries and not joins: a page asks only for its own concerts, not for every seat there is.
    return (
        Concert.objects.published()
        .filter(rehearsal__isnull=True)
        .select_related("venue")
        .annotate(
            first_date=Subquery(performances.annotate(value=Min("date")).values("value")),
            last_date=Subquery(performances.annotate(value=Max("date")).values("value")),
            price_min=Subquery(seats.annotate(value=Min("price")).values("value")),
            price_max=Subquery(seats.annotate(value=Max("price")).values("value")),
        )
    )


def list_bookable_performances(
    concert: Concert, *, now: datetime, date: Date | None = None
) -> list[Performance]:
    """Return the performances that can be booked at `now`, by start; none outside the sales window.

    A performance that has begun, or was called off, is not bookable.
    """
    if not concert.is_on_sale(now):
        return []
    if date is None:
        return BOOKABLE.fetch(concert_id=concert.pk, now=now)
    return BOOKABLE_ON.fetch(concert_id=concert.pk, now=now, date=date)


def get_bookable_performances(concert: Concert, *, date: Date, now: datetime) -> list[Performance]:
    """Return the bookable performances of one date. Raise `DateNotBookable` where there is none."""
    performances = list_bookable_performances(concert, now=now, date=date)
    if not performances:
        raise DateNotBookable
    return performances


def filter_by_sale_state(
    concerts: QuerySet[Concert], state: Concert.SaleState, *, now: datetime
) -> QuerySet[Concert]:
    """Return those of the concerts whose sale stands so at `now`, as `get_sale_state` says of one."""
    going = Q(published=True, sale_stopped_at=None)
    wanted = {
        Concert.SaleState.DRAFT: Q(published=False),
        Concert.SaleState.STOPPED: Q(published=True, sale_stopped_at__isnull=False),
        Concert.SaleState.SOON: going & Q(sales_open_at__gt=now),
        Concert.SaleState.ON_SALE: going & Q(sales_open_at__lte=now, sales_close_at__gt=now),
        Concert.SaleState.OVER: going & Q(sales_close_at__lte=now),
    }
    return concerts.filter(wanted[state])


def was_ever_published(concert: Concert) -> bool:
    """Say whether customers see the concert, or saw it before staff took it out of their sight."""
    if concert.published:
        return True
    subject = f"{concert._meta.model_name}:{concert.pk}"
    return StaffAction.objects.filter(
        subject=subject, action__in=("publish_concert", "unpublish_concert")
    ).exists()
