"""What the database keeps of concerts, performances and seats."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from apps.concerts.errors import DateNotBookable
from apps.concerts.models import Concert, Performance, Seat, Venue
from apps.concerts.selectors import get_bookable_performances, list_bookable_performances
from tests.factories import (
    NOW,
    ConcertFactory,
    PerformanceFactory,
    VenueFactory,
    make_seats,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("time_zone", "starts_at", "expected"),
    [
        ("Asia/Seoul", datetime(2026, 12, 10, 14, 59, 59, tzinfo=UTC), date(2026, 12, 10)),
        ("Asia/Seoul", datetime(2026, 12, 10, 15, 0, tzinfo=UTC), date(2026, 12, 11)),
        ("America/New_York", datetime(2026, 12, 11, 4, 59, tzinfo=UTC), date(2026, 12, 10)),
        ("America/New_York", datetime(2026, 12, 11, 5, 0, tzinfo=UTC), date(2026, 12, 11)),
        # An hour earlier in summer.
        ("America/New_York", datetime(2026, 7, 1, 4, 0, tzinfo=UTC), date(2026, 7, 1)),
        ("UTC", datetime(2026, 12, 10, 23, 59, 59, 999_999, tzinfo=UTC), date(2026, 12, 10)),
    ],
)
def test_the_date_is_that_of_the_venue(room, time_zone, starts_at, expected):
    concert = ConcertFactory(venue__time_zone=time_zone)
    performance = PerformanceFactory(concert=concert, starts_at=starts_at)
    performance.refresh_from_db()
    assert performance.date == expected
    assert [show.date for show in _bookable(concert, expected)] == [expected]


def _bookable(concert: Concert, day: date) -> list[Performance]:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    concert.sales_open_at = now
    return get_bookable_performances(concert, date=day, now=now)


def test_the_date_moves_with_the_start(performance):
    performance.starts_at += timedelta(hours=14)
    performance.save()
    performance.refresh_from_db()
    assert performance.date == date(2026, 12, 12)


def test_two_shows_on_one_date_are_allowed_but_not_at_one_time(performance):
    PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(hours=4)
    )
    with pytest.raises(IntegrityError, match="performance_once_at_a_time"), transaction.atomic():
        PerformanceFactory(concert=performance.concert, starts_at=performance.starts_at)
    assert Performance.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"sales_close_at": NOW - timedelta(days=1)}, "concert_sales_window"),
        ({"seats_per_customer": 0}, "concert_seats_per_customer"),
    ],
)
def test_a_concert_must_make_sense(room, fields, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ConcertFactory(sales_open_at=NOW - timedelta(days=1), **fields)
    assert not Concert.objects.exists()


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"price": -1}, "seat_price"),
        ({"price": 1_000_000_001}, "seat_price"),
        ({"blocked": True}, "seat_blocked_with_reason"),
    ],
)
def test_a_seat_must_make_sense(seats, fields, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Seat.objects.filter(pk=seats[0].pk).update(**fields)
    assert not Seat.objects.filter(pk=seats[0].pk, **fields).exists()


def test_a_seat_is_there_once(performance, seats):
    with pytest.raises(IntegrityError, match="seat_once"), transaction.atomic():
        make_seats(performance, 1)
    assert Seat.objects.count() == 4


def test_a_concert_needs_a_room_that_exists(room):
    ConcertFactory(room="nowhere")
    with pytest.raises(IntegrityError, match="concert_room_exists"), transaction.atomic():
        connection.check_constraints()
    Concert.objects.all().delete()


def test_a_venue_needs_a_time_zone_that_exists():
    with pytest.raises(ValidationError, match="Asia/Atlantis"):
        Venue(name="바다", time_zone="Asia/Atlantis").full_clean()
    Venue(name="바다").full_clean()


@pytest.mark.parametrize(
    ("offset", "on_sale"),
    [
        (timedelta(days=-1, microseconds=-1), False),
        (timedelta(days=-1), True),
        (timedelta(days=30, microseconds=-1), True),
        (timedelta(days=30), False),
    ],
)
def test_the_sales_window_is_closed_at_its_end(performance, offset, on_sale):
    concert, now = performance.concert, NOW + offset
    assert concert.is_on_sale(now) is on_sale
    assert list_bookable_performances(concert, now=now) == [performance] * on_sale


def test_what_has_begun_is_not_bookable(performance):
    concert = performance.concert
    concert.sales_close_at = performance.starts_at + timedelta(days=1)
    just_before = performance.starts_at - timedelta(microseconds=1)
    assert get_bookable_performances(concert, date=performance.date, now=just_before)
    with pytest.raises(DateNotBookable):
        get_bookable_performances(concert, date=performance.date, now=performance.starts_at)


def test_defaults_come_from_the_settings(room, settings):
    settings.CURRENCY, settings.SEATS_PER_CUSTOMER, settings.TIME_ZONE = "JPY", 2, "Asia/Tokyo"
    concert = Concert(
        slug="tokyo", title="東京", artist="雪", venue=Venue.objects.create(name="武道館")
    )
    assert (concert.currency, concert.seats_per_customer) == ("JPY", 2)
    assert (concert.venue.time_zone, concert.room, concert.published) == (
        "Asia/Tokyo",
        "main",
        False,
    )


def test_they_say_what_they_are(performance, seats):
    assert str(performance.concert.venue).startswith("올림픽홀")
    assert str(performance) == "첫눈 콘서트 2026-12-11"
    assert str(seats[0]) == "A 1-1"


def test_a_venue_has_its_name_once(room):
    VenueFactory(name="예술의전당")
    with pytest.raises(IntegrityError), transaction.atomic():
        VenueFactory(name="예술의전당")
    assert Venue.objects.filter(name="예술의전당").count() == 1
