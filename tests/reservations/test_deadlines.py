"""Whether a deadline has passed: one predicate, and everything that asks it gives the same answer."""

from datetime import timedelta

import pytest

from apps.queue.errors import QueueTokenExpired
from apps.reservations import deadlines, selectors, services
from apps.reservations.availability import list_free_seats, list_seats
from apps.reservations.errors import HoldExpired, SeatUnavailable
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.transitions import expire_reservations
from tests.factories import UserFactory
from tests.reservations.support import (
    DEADLINE,
    hold,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
)

pytestmark = pytest.mark.django_db

GRID = [
    timedelta(seconds=-1),
    timedelta(milliseconds=-1),
    timedelta(microseconds=-1),
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(milliseconds=1),
    timedelta(seconds=1),
]
AROUND = pytest.mark.parametrize("offset", GRID, ids=str)


def make_expired(customer, seats):
    held = make_hold(customer, seats)
    expire_reservations([held.pk])
    return Reservation.objects.get(pk=held.pk)


MAKERS = {
    "held": make_hold,
    "reserved": make_reservation,
    "confirmed": make_paid,
    "expired": make_expired,
}


@AROUND
@pytest.mark.parametrize("status", MAKERS)
def test_python_and_sql_agree(customer, seats, status, offset):
    now = DEADLINE + offset
    row = MAKERS[status](customer, seats[:1])
    unpaid, passed = status in deadlines.UNPAID, offset >= timedelta(0)
    assert row.status == status
    assert deadlines.is_overdue(row.expires_at, now) is passed
    assert row.is_overdue(now) is (unpaid and passed)
    assert Reservation.objects.filter(deadlines.overdue(now)).exists() is (unpaid and passed)
    assert Reservation.objects.overdue(now).exists() is row.is_overdue(now)
    live = status == "confirmed" or (unpaid and not passed)
    assert Reservation.objects.live(now).exists() is live
    assert ReservationSeat.objects.live(now).exists() is live
    assert ReservationSeat.objects.filter(deadlines.live(now, "reservation__")).exists() is live


def test_unpaid_are_the_states_that_a_deadline_ends():
    assert set(deadlines.UNPAID) == {Reservation.Status.HELD, Reservation.Status.RESERVED}


@AROUND
def test_every_reader_agrees(customer, performance, seats, offset):
    now, passed = DEADLINE + offset, offset >= timedelta(0)
    held, reserved = make_hold(customer, seats[:1]), make_reservation(customer, seats[1:2])
    (free,) = list_free_seats([performance], now=now)
    assert free.count == (4 if passed else 2)
    statuses = [row["status"] for row in list_seats([performance], now=now, include_all=True)]
    assert statuses[:2] == (["available"] * 2 if passed else ["held", "reserved"])
    assert selectors.find_claimed([seats[0].pk], now=now) == (set() if passed else {seats[0].pk})
    assert selectors.count_claimed_seats(customer.pk, performance.pk, now=now) == 2 * (not passed)
    assert list(selectors.list_live_holds(customer.pk, now=now)) == ([] if passed else [held])
    status = "expired" if passed else "pending_payment"
    assert selectors.public_status(reserved, now=now) == status
    for name in ("pending_payment", "expired"):
        listed = selectors.list_reservations(customer.pk, now=now, status=name)
        assert list(listed) == [reserved] * (name == status)


@AROUND
def test_reserving_and_giving_back(admitted, customer, seats, offset):
    now = DEADLINE + offset
    for act, seat in ((services.reserve_hold, seats[0]), (services.release_hold, seats[1])):
        held = make_hold(customer, [seat])
        if offset < timedelta(0):
            act(entry_id=admitted.pk, hold_id=held.pk, now=now)
        else:
            with pytest.raises(HoldExpired):
                act(entry_id=admitted.pk, hold_id=held.pk, now=now)


@AROUND
@pytest.mark.parametrize("make", [make_hold, make_reservation])
def test_taking_over_and_sweeping(admitted, seats, make, offset):
    now, passed = DEADLINE + offset, offset >= timedelta(0)
    make(UserFactory(), seats[:1])
    make(UserFactory(), seats[1:2])
    if passed:
        assert hold(admitted, seats[:1], now=now)
    else:
        with pytest.raises(SeatUnavailable):
            hold(admitted, seats[:1], now=now)
    assert services.expire_holds(now=now) == (1 if passed else 0)


def test_a_paid_reservation_has_no_deadline(admitted, customer, seats):
    make_paid(customer, seats[:1])
    long_after = DEADLINE + timedelta(minutes=30)
    assert services.expire_holds(now=long_after) == 0
    with pytest.raises(SeatUnavailable):
        hold(make_inside(), seats[:1], now=long_after)


def test_a_token_that_is_over_says_so_before_the_hold_does(room, customer, seats):
    entry = make_inside(customer)
    held = hold(entry, seats[:1])
    with pytest.raises(QueueTokenExpired):
        services.reserve_hold(entry_id=entry.pk, hold_id=held.pk, now=DEADLINE + timedelta(hours=2))
