"""What the metrics tell of the concerts on sale."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.concerts.models import Concert, Seat
from apps.concerts.services import stop_sales
from apps.payments.services import cancel_reservation
from apps.reservations.services import expire_holds
from config.metrics import sale
from tests.factories import NOW, ConcertFactory, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import make_hold, make_paid, make_reservation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

HOLD_S = 300


@pytest.fixture
def slug(performance):
    return performance.concert.slug


def figures(values, slug):
    """Return the counts of a concert, without the first and last part of their names."""
    return {
        key[0].removeprefix("encore_").removesuffix("_total"): value
        for key, value in values.items()
        if key[1:] == (slug,)
    }


def test_a_concert_that_nobody_has_come_to_counts_from_nothing(read, performance, slug):
    make_seats(performance, 3)
    values = read()
    assert figures(values, slug) == {
        "holds": 0,
        "hold_lapses": 0,
        "reservations": 0,
        "payments": 0,
        "refunds": 0,
        "holds_active": 0,
        "reservations_unpaid": 0,
    }
    assert values["encore_money_paid_total", slug, "KRW"] == 0
    assert values["encore_concert_on_sale", slug, "main"] == 1
    assert values["encore_seats", slug, "free"] == 3


def test_every_way_that_a_hold_may_go(read, performance, slug, clock_at_now):
    seats = make_seats(performance, 10)
    make_hold(UserFactory(), seats[0:1], at=NOW - timedelta(seconds=HOLD_S))
    make_reservation(UserFactory(), seats[1:2], at=NOW - timedelta(seconds=HOLD_S))
    make_hold(UserFactory(), seats[2:4])
    make_reservation(UserFactory(), seats[4:5])
    make_paid(UserFactory(), seats[5:7])
    sold = make_paid(UserFactory(), seats[7:8])
    cancel_reservation(customer_id=sold.customer_id, reservation_id=sold.pk, now=NOW)
    Seat.objects.filter(pk=seats[9].pk).update(blocked=True, blocked_reason="x")
    expected = {
        "holds": 6,
        "hold_lapses": 0,
        "reservations": 4,
        "payments": 2,
        "refunds": 1,
        "holds_active": 1,
        "reservations_unpaid": 1,
    }
    assert figures(read(), slug) == expected
    # What is overdue is free at once, and a lapse when it is written down: a counter never goes back.
    assert expire_holds(now=NOW) == 2
    values = read()
    assert figures(values, slug) == {**expected, "hold_lapses": 2}
    assert values["encore_money_paid_total", slug, "KRW"] == 30_000
    assert values["encore_money_refunded_total", slug, "KRW"] == 10_000
    seats_told = {key[2]: v for key, v in values.items() if key[0] == "encore_seats"}
    assert seats_told == {"sold": 2, "reserved": 1, "held": 2, "free": 4, "blocked": 1}


def test_no_counter_goes_back_when_things_end(read, performance, slug, clock_at_now):
    """By the clock, by a cancellation, by a sweep: every counter of the sale grows or stays."""
    seats = make_seats(performance, 3)
    make_hold(UserFactory(), seats[:1])
    sold = make_paid(UserFactory(), seats[1:2])
    make_reservation(UserFactory(), seats[2:3])
    before = read()
    cancel_reservation(customer_id=sold.customer_id, reservation_id=sold.pk, now=NOW)
    between = read()
    clock_at_now.move(seconds=HOLD_S)
    expire_holds(now=clock_at_now.now)
    after = read()
    counters = [key for key in before if key[0].endswith("_total") and slug in key]
    assert len(counters) == 7
    assert all(before[key] <= between[key] <= after[key] for key in counters)
    assert after["encore_hold_lapses_total", slug] == 2


def test_money_of_each_currency_by_itself(read, performance, slug):
    make_paid(UserFactory(), make_seats(performance, 1))
    Concert.objects.update(currency="USD")
    values = read()
    assert values["encore_money_paid_total", slug, "KRW"] == 10_000
    assert ("encore_money_paid_total", slug, "USD") not in values


@pytest.mark.parametrize("is_not", ["published", "open", "still open"])
def test_only_what_is_on_sale_is_told(read, performance, slug, is_not):
    changes = {
        "published": {"published": False},
        "open": {"sales_open_at": NOW + timedelta(seconds=1)},
        "still open": {"sales_close_at": NOW},
    }
    assert ("encore_holds_total", slug) in read()
    Concert.objects.update(**changes[is_not])
    assert not any(slug in key for key in read())


def test_what_is_over_or_called_off_has_no_seats_to_sell(read, performance, slug):
    make_seats(performance, 2)
    make_seats(PerformanceFactory(concert=performance.concert, starts_at=NOW), 3)
    called_off = PerformanceFactory(
        concert=performance.concert, starts_at=NOW + timedelta(days=1), called_off_at=NOW
    )
    make_seats(called_off, 5)
    assert read()["encore_seats", slug, "free"] == 2


def test_the_number_of_concerts_is_limited_and_the_stopped_ones_stay(read, room, monkeypatch):
    monkeypatch.setattr(sale, "CONCERTS_MAX", 2)
    stopped = PerformanceFactory().concert
    concerts = ConcertFactory.create_batch(2)
    newest = ConcertFactory(sales_open_at=NOW - timedelta(hours=1))
    stop_sales(reasons={stopped.pk: "x"}, now=NOW)
    told = {key[1] for key in read() if key[0] == "encore_holds_total"}
    assert told == {stopped.slug, newest.slug}
    assert not {concert.slug for concert in concerts} & told


def test_as_many_statements_for_many_concerts_as_for_one(read, room):
    PerformanceFactory()

    def count():
        with CaptureQueriesContext(connection) as captured:
            read()
        return len(captured)

    few = count()
    for _ in range(5):
        PerformanceFactory()
    assert count() == few
