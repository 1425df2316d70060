"""Races for seats: one of many gets each, and nobody waits for a seat that they do not want."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Count

from apps.concerts.models import Seat
from apps.core.db import lock_row, lock_rows
from apps.core.errors import Busy
from apps.core.prepared import fetch_together
from apps.queue import transitions as line
from apps.reservations import services, transitions
from apps.reservations.errors import SeatLimitExceeded, SeatUnavailable
from apps.reservations.models import Reservation, ReservationSeat
from tests.concurrency.racing import (
    PATIENCE_S,
    Racer,
    held_open,
    overlap,
    race,
    take_locks_away,
    waits_for,
    without_unique_indexes,
)
from tests.factories import NOW, UserFactory, make_seats
from tests.reservations.support import block, hold, make_hold, make_inside

pytestmark = pytest.mark.django_db(transaction=True)

LINES = "reservations_reservationseat"


def kinds(results):
    return sorted(type(result).__name__ for result in results)


def lock_seats_by(monkeypatch, lock):
    """Let holds lock their seats, `lock(seat_ids)`, in another way than they do."""

    def ask_one_by_one(entry, seats, *claims):
        if not claims:
            return fetch_together(entry)
        (seat_ids,) = (value for value in seats.parameters if isinstance(value, list))
        return [*fetch_together(entry), lock(seat_ids), *fetch_together(*claims)]

    monkeypatch.setattr(services, "fetch_together", ask_one_by_one)


def count_sold_twice():
    claims = ReservationSeat.objects.filter(released_at=None).values("seat")
    return claims.annotate(times=Count("pk")).filter(times__gt=1).count()


# Many for one seat


def test_one_of_twenty_gets_the_seat(room, seats):
    entries = [make_inside() for _customer in range(20)]
    results = race(*[lambda entry=entry: hold(entry, seats[:1]) for entry in entries])
    assert kinds(results) == ["Reservation"] + ["SeatUnavailable"] * 19
    assert (Reservation.objects.count(), ReservationSeat.objects.count()) == (1, 1)


def test_one_of_twenty_gets_the_seat_without_fences_all_do(room, seats, monkeypatch):
    entries = [make_inside() for _customer in range(20)]
    all_have_looked = threading.Barrier(20)

    def write_when_all_have_looked(really=services.create_hold, **fields):
        all_have_looked.wait(PATIENCE_S)
        return really(**fields)

    take_locks_away(monkeypatch, services, transitions)
    monkeypatch.setattr(services, "create_hold", write_when_all_have_looked)
    with without_unique_indexes(LINES):
        results = race(*[lambda entry=entry: hold(entry, seats[:1]) for entry in entries])
        assert kinds(results) == ["Reservation"] * 20
        assert count_sold_twice() == 1


def test_the_index_alone_is_fence_enough(room, seats, monkeypatch):
    take_locks_away(monkeypatch, services, transitions)
    first, second = make_inside(), make_inside()
    result = overlap(lambda: hold(first, seats[:2]), lambda: hold(second, seats[1:3]))
    assert (result.waited, kinds(result[:2])) == (True, ["Reservation", "SeatUnavailable"])
    assert (Reservation.objects.count(), ReservationSeat.objects.count()) == (1, 2)


def test_the_second_waits_and_is_told_which_seat_is_lost(room, seats):
    first, second = make_inside(), make_inside()
    result = overlap(lambda: hold(first, seats[:2]), lambda: hold(second, seats[1:3]))
    assert (result.first.customer_id, result.waited) == (first.customer_id, True)
    assert isinstance(result.second, SeatUnavailable)
    assert result.second.fields == {"seat_ids": [seats[1].pk]}
    assert ReservationSeat.objects.count() == 2


def test_the_second_waits_without_fences_both_get_the_seat(room, seats, monkeypatch):
    take_locks_away(monkeypatch, services, transitions)
    first, second = make_inside(), make_inside()
    with without_unique_indexes(LINES):
        result = overlap(lambda: hold(first, seats[:2]), lambda: hold(second, seats[1:3]))
        assert (result.waited, kinds(result[:2])) == (False, ["Reservation"] * 2)
        assert count_sold_twice() == 1


def test_a_seat_that_was_not_committed_goes_to_who_waited(room, seats):
    first, second = make_inside(), make_inside()

    with held_open(lambda: hold(first, seats[:1]), commit=False) as leader:
        follower = Racer(lambda: hold(second, seats[:1]))
        follower.start()
        assert waits_for(follower, leader)
    assert kinds([leader.result, follower.finish()]) == ["Reservation", "RolledBack"]
    assert Reservation.objects.get().customer_id == second.customer_id


# Overlapping sets in opposite order


def test_sets_in_opposite_order_never_deadlock(room, performance):
    seats = make_seats(performance, 4)
    entries = [make_inside() for _customer in range(10)]
    asked = [seats if index % 2 else seats[::-1] for index in range(10)]
    acts = [lambda e=e, s=s: hold(e, s) for e, s in zip(entries, asked, strict=True)]
    assert kinds(race(*acts)) == ["Reservation"] + ["SeatUnavailable"] * 9
    assert ReservationSeat.objects.count() == 4


def test_sets_in_opposite_order_locked_as_asked_for_deadlock(room, seats, monkeypatch):
    """The fence here is the order: without it one of the two is told that we are busy."""
    first, second = make_inside(), make_inside()
    each_has_one = threading.Barrier(2)

    def lock_one(seat_id):
        return lock_row(Seat.objects.filter(pk=seat_id).select_related("performance__concert"))

    def lock_as_asked(seat_ids):
        locked = [lock_one(seat_ids[0])]
        each_has_one.wait(PATIENCE_S)
        return locked + [lock_one(seat_id) for seat_id in seat_ids[1:]]

    lock_seats_by(monkeypatch, lock_as_asked)
    results = race(lambda: hold(first, seats[:2]), lambda: hold(second, seats[1::-1]))
    assert kinds(results) == ["Busy", "Reservation"]
    assert next(r for r in results if isinstance(r, Busy)).code == "busy"


# Different seats


def test_who_wants_different_seats_never_waits(room, seats):
    first, second = make_inside(), make_inside()
    result = overlap(lambda: hold(first, seats[:2]), lambda: hold(second, seats[2:]))
    assert (result.waited, kinds(result[:2])) == (False, ["Reservation"] * 2)


def test_who_wants_different_seats_waits_where_a_lock_is_too_wide(room, seats, monkeypatch):
    def lock_house(seat_ids):
        house = lock_rows(Seat.objects.select_related("performance__concert"))
        return [seat for seat in house if seat.pk in seat_ids]

    lock_seats_by(monkeypatch, lock_house)
    first, second = make_inside(), make_inside()
    result = overlap(lambda: hold(first, seats[:2]), lambda: hold(second, seats[2:]))
    assert (result.waited, kinds(result[:2])) == (True, ["Reservation"] * 2)


def test_who_takes_over_different_seats_of_one_hold_each_get_theirs(room, seats):
    """Both must see the old hold written down as over, so here the second waits."""
    old = make_hold(UserFactory(), seats[:2], at=NOW - timedelta(minutes=5))
    first, second = make_inside(), make_inside()
    result = overlap(lambda: hold(first, seats[:1]), lambda: hold(second, seats[1:2]))
    assert (result.waited, kinds(result[:2])) == (True, ["Reservation"] * 2)
    old.refresh_from_db()
    assert (old.status, ReservationSeat.objects.filter(released_at=None).count()) == ("expired", 2)


# Staff


def test_a_seat_that_staff_block_meanwhile_is_not_held(room, seats):
    entry = make_inside()
    result = overlap(lambda: block(seats[0]), lambda: hold(entry, seats[:1]))
    assert result.waited
    assert isinstance(result.second, SeatUnavailable)
    assert not Reservation.objects.exists()


def test_a_seat_that_staff_block_meanwhile_is_held_without_a_lock(room, seats, monkeypatch):
    take_locks_away(monkeypatch, services)
    entry = make_inside()
    result = overlap(lambda: block(seats[0]), lambda: hold(entry, seats[:1]))
    assert isinstance(result.second, Reservation)


# One customer


def test_two_requests_of_one_customer_keep_the_limit(entry, performance):
    seats = make_seats(performance, 6)
    result = overlap(lambda: hold(entry, seats[:3]), lambda: hold(entry, seats[3:]))
    assert (result.waited, kinds(result[:2])) == (True, ["Reservation", "SeatLimitExceeded"])
    assert isinstance(result.second, SeatLimitExceeded)
    assert ReservationSeat.objects.count() == 3


def test_two_requests_of_one_customer_exceed_the_limit_without_the_lock_on_the_entry(
    entry, performance, monkeypatch
):
    take_locks_away(monkeypatch, line)
    seats = make_seats(performance, 6)
    result = overlap(lambda: hold(entry, seats[:3]), lambda: hold(entry, seats[3:]))
    assert (result.waited, kinds(result[:2])) == (False, ["Reservation"] * 2)
    assert ReservationSeat.objects.count() == 6  # the limit is 4


def test_many_requests_of_one_customer_keep_the_limit(entry, performance):
    seats = make_seats(performance, 10)
    results = race(*[lambda seat=seat: hold(entry, [seat]) for seat in seats])
    assert kinds(results) == ["Reservation"] * 4 + ["SeatLimitExceeded"] * 6
    assert ReservationSeat.objects.count() == 4


def test_a_lock_that_does_not_come_in_time_is_busy(room, seats, settings):
    """What is not let go within `LOCK_TIMEOUT_MS` is answered, not waited for."""
    first, second = make_inside(), make_inside()

    def hold_impatiently():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        try:
            return hold(second, seats[:1])
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{settings.LOCK_TIMEOUT_MS}ms'")

    with held_open(lambda: hold(first, seats[:1])):
        impatient = Racer(hold_impatiently)
        impatient.start()
        assert isinstance(impatient.finish(), Busy)
    assert Reservation.objects.count() == 1
