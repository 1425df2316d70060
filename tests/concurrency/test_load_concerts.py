"""A concert file against somebody who is buying: whoever locks the seat first is right."""

import json

import pytest

from apps.concerts.concert_file import ConcertFileError
from apps.concerts.errors import SeatNotFound
from apps.concerts.models import Seat
from apps.reservations import seating, services
from apps.reservations.catalogue import load_concerts, parse_concerts
from apps.reservations.models import Reservation, ReservationSeat
from tests.concurrency.racing import overlap, race, take_locks_away
from tests.factories import NOW, RoomFactory
from tests.reservations.support import hold, make_inside

pytestmark = pytest.mark.django_db(transaction=True)

SECTION = {"name": "A", "grade": "VIP", "price": 100, "rows": 2, "seats_per_row": 3}


def load(**section):
    concert = {
        "slug": "first-snow",
        "title": "첫눈",
        "artist": "서하린",
        "venue": {"name": "한빛홀", "time_zone": "Asia/Seoul"},
        "sales_open_at": "2026-10-01T10:00:00+09:00",
        "sales_close_at": "2026-12-24T18:00:00+09:00",
        "published": True,
        "performances": [
            {"starts_at": "2026-12-24T19:00:00+09:00", "sections": [SECTION | section]}
        ],
    }
    content = json.dumps({"concerts": [concert]}).encode()
    return load_concerts(parse_concerts(content), now=NOW)


@pytest.fixture
def last_row():
    """The seats of the second row of a concert that was loaded from a file."""
    RoomFactory()
    load()
    return list(Seat.objects.select_related("performance__concert").filter(row="2"))


@pytest.fixture
def entry(last_row):
    return make_inside()


def test_a_hold_first_and_the_file_is_refused(last_row, entry):
    came = overlap(lambda: hold(entry, last_row), lambda: load(rows=1))
    assert came.waited
    assert isinstance(came.first, Reservation)
    assert isinstance(came.second, ConcertFileError)
    assert len(came.second.problems) == 3
    assert Seat.objects.count() == 6


def test_the_file_first_and_the_seats_are_gone(last_row, entry):
    came = overlap(lambda: load(rows=1), lambda: hold(entry, last_row))
    assert came.waited
    assert isinstance(came.second, SeatNotFound)
    assert Seat.objects.count() == 3
    assert not ReservationSeat.objects.exists()


def test_the_file_first_and_the_new_price_is_held(last_row, entry):
    came = overlap(lambda: load(price=200), lambda: hold(entry, last_row))
    assert came.waited
    assert came.second.total == 600


def test_without_the_lock_the_old_price_is_held(last_row, entry, monkeypatch):
    take_locks_away(monkeypatch, services)
    came = overlap(lambda: load(price=200), lambda: hold(entry, last_row))
    assert came.second.total == 300


def test_without_the_lock_a_taken_seat_would_be_changed(last_row, entry, monkeypatch):
    take_locks_away(monkeypatch, seating)
    came = overlap(lambda: hold(entry, last_row), lambda: load(price=200))
    assert came.second.concerts[0].seats_changed == 6
    assert set(ReservationSeat.objects.values_list("price", flat=True)) == {100}
    assert set(Seat.objects.values_list("price", flat=True)) == {200}


def test_a_file_that_changes_nothing_waits_for_nobody(last_row, entry):
    came = overlap(lambda: hold(entry, last_row), load)
    assert not came.waited
    assert came.second.concerts[0].outcome == "unchanged"


def test_two_loads_follow_one_another(last_row):
    came = overlap(lambda: load(rows=1), lambda: load(rows=3))
    assert came.waited
    assert came.second.concerts[0].seats_made == 6
    assert Seat.objects.count() == 9


def test_a_file_and_holds_at_once(last_row):
    entries = [make_inside() for _seat in last_row]
    *holds, loaded = race(
        *(
            lambda entry=entry, seat=seat: hold(entry, [seat])
            for entry, seat in zip(entries, last_row, strict=True)
        ),
        lambda: load(rows=1),
    )
    held = ReservationSeat.objects.count()
    assert sum(isinstance(outcome, Reservation) for outcome in holds) == held
    if isinstance(loaded, ConcertFileError):
        assert Seat.objects.count() == 6
        assert held
    else:
        assert (Seat.objects.count(), held) == (3, 0)
