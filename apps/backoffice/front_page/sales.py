"""What is on sale: seats by state, money by hour, holds that lapsed. Bounded queries, whatever the number
of concerts."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Count, Exists, F, Model, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, TruncHour
from django.urls import reverse

from apps.backoffice.front_page.limits import (
    CONCERTS_MAX,
    LAPSE_HOURS,
    MONEY_HOURS,
    PERFORMANCES_MAX,
)
from apps.concerts.models import Concert, Performance, Seat
from apps.payments.models import Payment
from apps.reservations.availability import STATUS_BY_RESERVATION
from apps.reservations.deadlines import overdue
from apps.reservations.models import Reservation, ReservationSeat

ModelT = TypeVar("ModelT", bound=Model)

# Ids follow time but for clocks that differ: by far less than this.
OUT_OF_ORDER_MAX = timedelta(hours=1)
# The longest that `HOLD_SECONDS` may say.
HOLD_MAX = timedelta(days=1)
STATES = ("sold", "reserved", "held", "free", "blocked")


def read_concerts(now: datetime) -> dict[str, Any]:
    """Return the concerts on sale with their seats by state: those whose sale is stopped first, then
    those that went on sale last."""
    on_sale = Concert.objects.published().filter(sales_open_at__lte=now, sales_close_at__gt=now)
    concerts = list(
        on_sale.select_related("venue").order_by(
            F("sale_stopped_at").desc(nulls_last=True), "-sales_open_at", "-pk"
        )[:CONCERTS_MAX]
    )
    by_concert: defaultdict[int, list[Performance]] = defaultdict(list)
    # What is over or called off has no seats to sell.
    for performance in Performance.objects.filter(
        concert__in=concerts, starts_at__gt=now, called_off_at__isnull=True
    ).order_by("starts_at"):
        by_concert[performance.concert_id].append(performance)
    seats = count_seats([show.pk for shows in by_concert.values() for show in shows], now=now)
    return {
        "rows": [_describe(concert, by_concert[concert.pk], seats) for concert in concerts],
        "more": on_sale.count() - len(concerts),
        "url": reverse("admin:concerts_concert_changelist") + "?published__exact=1",
    }


def _describe(
    concert: Concert, performances: Sequence[Performance], seats: dict[int, Counter[str]]
) -> dict[str, Any]:
    return {
        "id": concert.pk,
        "title": concert.title,
        "url": reverse("admin:concerts_concert_change", args=[concert.pk]),
        "closes_at": concert.sales_close_at.isoformat(),
        "stopped": concert.sale_stopped_at is not None,
        "time_zone": concert.venue.time_zone,
        "seats": _add_up(seats[show.pk] for show in performances),
        "performances": [
            {
                "id": show.pk,
                "starts_at": show.starts_at.isoformat(),
                "url": reverse("admin:concerts_performance_change", args=[show.pk]),
                "seats": _add_up([seats[show.pk]]),
            }
            for show in performances[:PERFORMANCES_MAX]
        ],
        "performances_more": max(len(performances) - PERFORMANCES_MAX, 0),
    }


def _add_up(counts: Iterable[Counter[str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return {state: total[state] for state in (*STATES, "total")}


def count_seats(performance_ids: Sequence[int], *, now: datetime) -> dict[int, Counter[str]]:
    """Return the seats of each performance by state, and in `total`, by the clock.

    A seat that is claimed counts as that, blocked or not.
    """
    claims = ReservationSeat.objects.live(now)
    of_these = Seat.objects.filter(performance__in=performance_ids).values_list("performance_id")
    blocked = of_these.filter(blocked=True).exclude(Exists(claims.filter(seat=OuterRef("pk"))))
    claimed = claims.filter(reservation__performance__in=performance_ids).values_list(
        "reservation__performance_id", "reservation__status"
    )
    counts: dict[int, Counter[str]] = {key: Counter() for key in performance_ids}
    for performance_id, count in of_these.annotate(Count("pk")):
        counts[performance_id]["total"] = count
    for performance_id, count in blocked.annotate(Count("pk")):
        counts[performance_id]["blocked"] = count
    for performance_id, status, count in claimed.annotate(Count("pk")):
        counts[performance_id][STATUS_BY_RESERVATION[Reservation.Status(status)]] = count
    for seats in counts.values():
        seats["free"] = seats["total"] - sum(seats[state] for state in STATES if state != "free")
    return counts


def read_money(now: datetime) -> dict[str, Any]:
    """Return for each currency what came in and went back by hour, in the minor unit."""
    hours = _last_hours(MONEY_HOURS, now)
    paid = _sum_by_hour(_lately(Payment.objects.all(), "paid_at", since=hours[0]), "paid_at")
    refunds = Payment.objects.filter(status=Payment.Status.REFUNDED, refunded_at__gte=hours[0])
    refunded = _sum_by_hour(refunds, "refunded_at")
    return {
        "currencies": [
            {
                "currency": currency,
                "hours": [
                    {
                        "from": hour.isoformat(),
                        "paid": paid[currency, hour],
                        "refunded": refunded[currency, hour],
                    }
                    for hour in hours
                ],
            }
            for currency in sorted({currency for currency, _hour in (*paid, *refunded)})
        ],
        "url": reverse("admin:payments_payment_changelist"),
    }


def _sum_by_hour(payments: QuerySet[Payment], moment: str) -> Counter[tuple[str, datetime]]:
    summed = (
        payments.annotate(hour=TruncHour(moment, tzinfo=UTC))
        .values_list("currency", "hour")
        .annotate(Sum("amount"))
    )
    return Counter({(currency, hour): amount for currency, hour, amount in summed})


def read_lapses(now: datetime) -> dict[str, Any]:
    """Return by hour how many holds and unpaid reservations ran out: the same before a sweep and after."""
    hours = _last_hours(LAPSE_HOURS, now)
    lapsed = (
        _lately(Reservation.objects.all(), "held_at", since=hours[0] - HOLD_MAX)
        .filter(expires_at__gte=hours[0])
        .filter(overdue(now) | Q(status=Reservation.Status.EXPIRED))
        .annotate(hour=TruncHour("expires_at", tzinfo=UTC))
        .values_list("hour")
        .annotate(Count("pk"))
    )
    counts = dict(lapsed)
    return {"hours": [{"from": hour.isoformat(), "count": counts.get(hour, 0)} for hour in hours]}


def _lately(rows: QuerySet[ModelT], moment: str, *, since: datetime) -> QuerySet[ModelT]:
    """Return the rows whose `moment` is not before `since`, found by their ids, which follow time: an
    index by time would be written by every hold and payment, for this page alone."""
    before = rows.filter(**{f"{moment}__lt": since - OUT_OF_ORDER_MAX}).order_by("-pk")
    newest_before = Coalesce(Subquery(before.values("pk")[:1]), 0)
    return rows.filter(**{f"{moment}__gte": since, "pk__gt": newest_before})


def _last_hours(count: int, now: datetime) -> list[datetime]:
    """Return the beginnings of the last hours in UTC, that of the hour that runs last."""
    this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [this - timedelta(hours=ago) for ago in reversed(range(count))]
