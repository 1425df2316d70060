"""Metrics of the concerts that are on sale: what was held, lapsed, paid, given back, and is left.

The only parts that are not cheap. Every flow of a concert comes from one pass over its reservations, with
no join to payments, since a reservation names its payment and its total is what was paid (invariant 3).
Seats are a part of their own, since counting them takes longest.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, Sum
from prometheus_client.core import GaugeMetricFamily, Metric

from apps.backoffice.front_page.sales import STATES, count_seats
from apps.concerts.models import Concert, Performance
from apps.reservations.models import Reservation
from config.metrics.families import Column, make_metrics

# Of so many concerts on sale: those whose sale is stopped, then those that went on sale last.
CONCERTS_MAX = 20

Status = Reservation.Status
PAID = Q(payment_id__isnull=False)
REFUNDED = PAID & Q(status=Status.CANCELLED)

COUNTS = (
    Column("encore_holds_total", "Holds made."),
    Column("encore_hold_lapses_total", "Holds and unpaid reservations that ran out, as written."),
    Column("encore_reservations_total", "Holds that were reserved."),
    Column("encore_payments_total", "Reservations that were paid."),
    Column("encore_refunds_total", "Payments given back."),
    Column("encore_holds_active", "Holds, not yet reserved, whose time is not over."),
    Column("encore_reservations_unpaid", "Reservations, not yet paid, whose time is not over."),
)
MONEY = (
    Column("encore_money_paid_total", "Money paid, in the minor unit of the currency."),
    Column("encore_money_refunded_total", "Money given back, in the minor unit of the currency."),
)


def list_on_sale(now: datetime) -> list[Concert]:
    """Return the concerts that are told of."""
    on_sale = Concert.objects.published().filter(sales_open_at__lte=now, sales_close_at__gt=now)
    first = on_sale.order_by(F("sale_stopped_at").desc(nulls_last=True), "-sales_open_at", "-pk")
    return list(first[:CONCERTS_MAX])


def read_sale(now: datetime) -> Iterator[Metric]:
    """Yield what the reservations of the concerts on sale have come to."""
    concerts = list_on_sale(now)
    about = GaugeMetricFamily(
        "encore_concert_on_sale",
        "1 for each concert on sale, with its room; of these alone the figures below are told, and of "
        f"no more than {CONCERTS_MAX}.",
        labels=["concert", "room"],
    )
    for concert in concerts:
        about.add_metric([concert.slug, concert.room], 1)
    yield about
    yield from read_reservations(concerts, now=now)


def read_reservations(concerts: Sequence[Concert], *, now: datetime) -> Iterator[Metric]:
    """Yield what reservations have come to.

    A million reservations of concerts on sale take 0.26 s of one core of PostgreSQL 18: a sequential scan
    and a hash of the performances, as it would be with any index, since all of them are asked for.
    """
    flows = (
        Reservation.objects.filter(performance__concert__in=concerts)
        .values("performance__concert", "currency")
        .annotate(
            holds=Count("pk"),
            lapses=Count("pk", filter=Q(status=Status.EXPIRED)),
            reserved=Count("reserved_at"),
            payments=Count("payment_id"),
            refunds=Count("pk", filter=REFUNDED),
            held=Count("pk", filter=Q(status=Status.HELD, expires_at__gt=now)),
            unpaid=Count("pk", filter=Q(status=Status.RESERVED, expires_at__gt=now)),
            paid=Sum("total", filter=PAID, default=0),
            refunded=Sum("total", filter=REFUNDED, default=0),
        )
    )
    by_concert: defaultdict[int, list[Any]] = defaultdict(list)
    for flow in flows:
        by_concert[flow["performance__concert"]].append(flow)
    names = ("holds", "lapses", "reserved", "payments", "refunds", "held", "unpaid")
    yield from make_metrics(
        COUNTS,
        ["concert"],
        (
            ([concert.slug], [sum(flow[name] for flow in by_concert[concert.pk]) for name in names])
            for concert in concerts
        ),
    )
    yield from make_metrics(
        MONEY,
        ["concert", "currency"],
        (
            ([concert.slug, flow["currency"]], (flow["paid"], flow["refunded"]))
            for concert in concerts
            # A currency that a concert was sold in before counts by itself.
            for flow in by_concert[concert.pk] or [_nothing_yet(concert)]
        ),
    )


def _nothing_yet(concert: Concert) -> dict[str, Any]:
    return {"currency": concert.currency, "paid": 0, "refunded": 0}


def read_seats(now: datetime) -> Iterator[Metric]:
    """Yield the seats of the concerts on sale by state, by the clock: of performances to come.

    Two million seats, three of four of them claimed, take 1.4 s of one core of PostgreSQL 18, most of it in
    the hash join of their lines with a million reservations.
    """
    concerts = list_on_sale(now)
    performances = dict(
        Performance.objects.filter(
            concert__in=concerts, starts_at__gt=now, called_off_at__isnull=True
        ).values_list("pk", "concert")
    )
    totals: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for performance_id, counts in count_seats(list(performances), now=now).items():
        totals[performances[performance_id]].update(counts)
    seats = GaugeMetricFamily(
        "encore_seats",
        "Seats of the performances to come that are not called off.",
        labels=["concert", "state"],
    )
    for concert in concerts:
        for state in STATES:
            seats.add_metric([concert.slug, state], totals[concert.pk][state])
    yield seats
