"""Races of staff for seats: blocking and moving beside holding, paying, moving and releasing."""

from datetime import timedelta

import pytest
from django.db.models import Count

from apps.concerts import blocking
from apps.concerts.blocking import block_seats_for_staff, unblock_seats_for_staff
from apps.concerts.errors import SeatsBlocked, SeatsNotBlocked
from apps.concerts.models import Seat
from apps.core.audit import Actor
from apps.core.errors import Busy
from apps.core.models import StaffAction
from apps.payments.services import pay_reservation
from apps.reservations import moving, services, transitions
from apps.reservations.errors import (
    ReservationNotMovable,
    SeatNotOfReservation,
    SeatUnavailable,
)
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.moving import move_reservation
from apps.reservations.services import expire_holds, release_for_staff
from tests.concurrency.racing import (
    overlap,
    race,
    take_locks_away,
    without_unique_indexes,
)
from tests.factories import NOW, UserFactory
from tests.reservations.support import (
    DEADLINE,
    balance_of,
    hold,
    make_hold,
    make_paid,
    make_reservation,
)

pytestmark = pytest.mark.django_db(transaction=True)

CLERK = Actor(name="terminal: op")
AT = NOW + timedelta(seconds=1)
LINES = "reservations_reservationseat"


def ids(seats):
    return [seat.pk for seat in seats]


def block(seats):
    return lambda: block_seats_for_staff(
        performance_id=seats[0].performance_id,
        seat_ids=ids(seats),
        actor=CLERK,
        reason="x",
        now=AT,
    )


def unblock(seats):
    return lambda: unblock_seats_for_staff(
        performance_id=seats[0].performance_id,
        seat_ids=ids(seats),
        actor=CLERK,
        reason="x",
        now=AT,
    )


def move(claim, leaving, taking, *, now=AT):
    return lambda: move_reservation(
        reservation_id=claim.pk,
        from_seat_ids=ids(leaving),
        to_seat_ids=ids(taking),
        actor=CLERK,
        reason="x",
        now=now,
    )


def release(claim, *, withdraw=False):
    return lambda: release_for_staff(
        reservation_id=claim.pk, actor=CLERK, reason="x", now=AT, withdraw=withdraw
    )


def seats_of(claim):
    lines = ReservationSeat.objects.filter(reservation=claim, released_at=None)
    return sorted(lines.values_list("seat", flat=True))


def count_sold_twice():
    claims = ReservationSeat.objects.filter(released_at=None).values("seat")
    return claims.annotate(times=Count("pk")).filter(times__gt=1).count()


def count_blocked():
    return Seat.objects.filter(blocked=True).count()


# Blocking


def test_a_seat_is_blocked_once_and_recorded_once(seats):
    result = overlap(block(seats[:2]), block(seats[:2]))
    assert (result.waited, len(result.first)) == (True, 2)
    assert isinstance(result.second, SeatsBlocked)
    assert StaffAction.objects.count() == 1


def test_a_seat_is_blocked_once_and_recorded_twice_without_a_lock(seats, monkeypatch):
    take_locks_away(monkeypatch, blocking)
    overlap(block(seats[:2]), block(seats[:2]))
    assert StaffAction.objects.count() == 2


def test_a_seat_is_unblocked_once(seats):
    block(seats[:2])()
    result = overlap(unblock(seats[:2]), unblock(seats[:2]))
    assert isinstance(result.second, SeatsNotBlocked)
    assert (count_blocked(), StaffAction.objects.count()) == (0, 2)


def test_blocking_in_opposite_order_never_deadlocks(seats):
    results = race(*[block(seats if turn % 2 else seats[::-1]) for turn in range(6)])
    assert sorted(type(result).__name__ for result in results) == ["SeatsBlocked"] * 5 + ["list"]
    assert (count_blocked(), StaffAction.objects.count()) == (4, 1)


def test_blocking_and_then_holding(entry, seats):
    result = overlap(block(seats[:1]), lambda: hold(entry, seats[:2], now=AT))
    assert result.waited
    assert result.second.fields == {"seat_ids": [seats[0].pk]}
    assert not Reservation.objects.exists()


def test_holding_and_then_blocking(entry, seats):
    """The hold stays with its customer, and the seat is blocked for when it is free."""
    result = overlap(lambda: hold(entry, seats[:2], now=AT), block(seats[:1]))
    assert (result.waited, result.first.status, count_blocked()) == (True, "held", 1)


def test_blocking_and_then_holding_without_a_lock(entry, seats, monkeypatch):
    take_locks_away(monkeypatch, blocking, services)
    result = overlap(block(seats[:1]), lambda: hold(entry, seats[:2], now=AT))
    assert (result.second.status, count_blocked()) == ("held", 1)


# Moving and holding


def test_moving_and_then_holding_the_new_seat(entry, seats):
    claim = make_paid(UserFactory(), seats[:1])
    result = overlap(move(claim, seats[:1], seats[1:2]), lambda: hold(entry, seats[1:3], now=AT))
    assert result.waited
    assert result.second.fields == {"seat_ids": [seats[1].pk]}
    assert seats_of(claim) == [seats[1].pk]


def test_holding_and_then_moving_to_it(entry, seats):
    claim = make_paid(UserFactory(), seats[:1])
    result = overlap(lambda: hold(entry, seats[1:3], now=AT), move(claim, seats[:1], seats[1:2]))
    assert result.waited
    assert isinstance(result.second, SeatUnavailable)
    assert (seats_of(claim), StaffAction.objects.count()) == ([seats[0].pk], 0)


def test_holding_and_then_moving_to_it_without_fences(entry, seats, monkeypatch):
    claim = make_paid(UserFactory(), seats[:1])
    take_locks_away(monkeypatch, moving, services, transitions)
    with without_unique_indexes(LINES):
        overlap(lambda: hold(entry, seats[1:3], now=AT), move(claim, seats[:1], seats[1:2]))
        assert count_sold_twice() == 1


def test_the_index_alone_keeps_a_move_from_a_seat_that_is_held(entry, seats, monkeypatch):
    claim = make_paid(UserFactory(), seats[:1])
    take_locks_away(monkeypatch, moving, services, transitions)
    result = overlap(lambda: hold(entry, seats[1:3], now=AT), move(claim, seats[:1], seats[1:2]))
    assert isinstance(result.second, SeatUnavailable)
    assert (seats_of(claim), StaffAction.objects.count()) == ([seats[0].pk], 0)


def test_moving_and_then_holding_the_old_seat(entry, seats):
    claim = make_paid(UserFactory(), seats[:1])
    result = overlap(move(claim, seats[:1], seats[1:2]), lambda: hold(entry, seats[:1], now=AT))
    assert (result.waited, result.second.status) == (True, "held")
    assert seats_of(result.second) == [seats[0].pk]


# Moving and moving


def test_two_moves_to_one_seat(seats):
    claims = [make_paid(UserFactory(), [seat]) for seat in seats[:2]]
    result = overlap(
        move(claims[0], seats[:1], seats[2:3]), move(claims[1], seats[1:2], seats[2:3])
    )
    assert result.waited
    assert isinstance(result.second, SeatUnavailable)
    assert [seats_of(claim) for claim in claims] == [[seats[2].pk], [seats[1].pk]]


def test_two_moves_of_one_reservation(seats):
    claim = make_paid(UserFactory(), seats[:1])
    result = overlap(move(claim, seats[:1], seats[1:2]), move(claim, seats[:1], seats[2:3]))
    assert result.waited
    assert isinstance(result.second, SeatNotOfReservation)
    assert (seats_of(claim), StaffAction.objects.count()) == ([seats[1].pk], 1)


def test_two_moves_of_one_reservation_without_a_lock(seats, monkeypatch):
    claim = make_paid(UserFactory(), seats[:1])
    take_locks_away(monkeypatch, moving)
    overlap(move(claim, seats[:1], seats[1:2]), move(claim, seats[:1], seats[2:3]))
    assert StaffAction.objects.count() == 2  # and one of them tells of a seat that nobody has


def test_two_that_want_each_others_seats_never_deadlock(seats):
    """Seats are locked in one order, whichever are left and whichever are taken."""
    claims = [make_paid(UserFactory(), [seat]) for seat in seats[:2]]
    acts = [move(claims[0], seats[:1], seats[1:2]), move(claims[1], seats[1:2], seats[:1])]
    results = race(*acts)
    assert {type(result) for result in results} == {SeatUnavailable}
    assert [seats_of(claim) for claim in claims] == [[seats[0].pk], [seats[1].pk]]


# Moving and paying, releasing, sweeping


def test_paying_and_then_moving(entry, seats):
    claim = make_reservation(entry.customer, seats[:1])
    result = overlap(
        lambda: pay_reservation(entry_id=entry.pk, reservation_id=claim.pk, now=AT),
        move(claim, seats[:1], seats[1:2]),
    )
    assert (result.waited, result.second.status) == (True, "confirmed")
    assert (seats_of(claim), balance_of(entry.customer)) == ([seats[1].pk], 40_000)


def test_moving_and_then_releasing(entry, seats):
    claim = make_hold(entry.customer, seats[:1])
    result = overlap(move(claim, seats[:1], seats[1:2]), release(claim))
    assert (result.waited, result.second.status, seats_of(claim)) == (True, "cancelled", [])


def test_releasing_and_then_moving(entry, seats):
    claim = make_hold(entry.customer, seats[:1])
    result = overlap(release(claim), move(claim, seats[:1], seats[1:2]))
    assert result.waited
    assert isinstance(result.second, ReservationNotMovable)
    assert StaffAction.objects.count() == 1


def test_releasing_and_then_moving_without_a_lock(entry, seats, monkeypatch):
    claim = make_hold(entry.customer, seats[:1])
    take_locks_away(monkeypatch, moving)
    overlap(release(claim), move(claim, seats[:1], seats[1:2]))
    assert StaffAction.objects.count() == 2  # a reservation is moved that has ended


def test_the_sweep_and_then_moving(entry, seats):
    claim = make_hold(entry.customer, seats[:1])
    result = overlap(lambda: expire_holds(now=DEADLINE), move(claim, seats[:1], seats[1:2]))
    assert (result.waited, result.first) == (True, 1)
    assert isinstance(result.second, ReservationNotMovable)


def test_moving_and_then_the_sweep(entry, seats):
    """The sweep waits for nobody, and ends it the next time."""
    claim = make_hold(entry.customer, seats[:1])
    result = overlap(move(claim, seats[:1], seats[1:2]), lambda: expire_holds(now=DEADLINE))
    assert (result.waited, result.second) == (False, 0)
    assert (expire_holds(now=DEADLINE), seats_of(claim)) == (1, [])


# Moving and withdrawing


def test_moving_and_then_withdrawing(entry, seats):
    """Who has locked the seats that were left is told to try again, and takes the new ones off sale."""
    claim = make_hold(entry.customer, seats[:1])
    result = overlap(move(claim, seats[:1], seats[1:2]), release(claim, withdraw=True))
    assert result.waited
    assert isinstance(result.second, Busy)
    assert (seats_of(claim), count_blocked()) == ([seats[1].pk], 0)
    assert release(claim, withdraw=True)().status == "cancelled"
    assert Seat.objects.get(blocked=True) == seats[1]


def test_withdrawing_and_then_moving(entry, seats):
    claim = make_hold(entry.customer, seats[:1])
    result = overlap(release(claim, withdraw=True), move(claim, seats[:1], seats[1:2]))
    assert result.waited
    assert isinstance(result.second, ReservationNotMovable)
    assert Seat.objects.get(blocked=True) == seats[0]
