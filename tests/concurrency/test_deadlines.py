"""Races around a deadline: holding, reserving, paying, sweeping and taking over.

The clocks of two callers differ: one sees the deadline as still to come, the other as past. Whoever
has the row first is right, and the other sees what was done.
"""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from apps.payments.models import Payment
from apps.payments.services import pay_reservation
from apps.reservations import services, transitions
from apps.reservations.errors import HoldExpired, SeatUnavailable
from apps.reservations.models import Reservation, ReservationSeat
from tests.concurrency.racing import overlap, race, take_locks_away
from tests.factories import UserFactory, make_seats
from tests.reservations.support import (
    DEADLINE,
    balance_of,
    hold,
    make_hold,
    make_inside,
    make_reservation,
)

pytestmark = pytest.mark.django_db(transaction=True)

JUST_BEFORE = DEADLINE - timedelta(microseconds=1)


def sweep():
    return services.expire_holds(now=DEADLINE)


def take_over(entry, seats):
    return lambda: hold(entry, seats, now=DEADLINE)


def reserve(entry, held):
    return lambda: services.reserve_hold(entry_id=entry.pk, hold_id=held.pk, now=JUST_BEFORE)


def pay(entry, reservation):
    return lambda: pay_reservation(
        entry_id=entry.pk, reservation_id=reservation.pk, now=JUST_BEFORE
    )


def status_of(reservation):
    return Reservation.objects.get(pk=reservation.pk).status


def assert_charged(entry, reservation):
    payment = Payment.objects.get(reservation=reservation)
    assert (payment.status, balance_of(entry.customer)) == ("succeeded", 50_000 - payment.amount)


def assert_not_charged(entry):
    assert not Payment.objects.exists()
    assert balance_of(entry.customer) == 50_000


# Hold and sweep


def test_a_take_over_and_then_the_sweep(entry, seats):
    old = make_hold(UserFactory(), seats[:2])
    result = overlap(take_over(entry, seats[:1]), sweep)
    assert (result.second, result.waited) == (0, False)  # passed over, and counted once
    assert (result.first.status, status_of(old)) == ("held", "expired")
    assert ReservationSeat.objects.filter(released_at=None).count() == 1


def test_a_take_over_and_then_a_sweep_that_does_not_pass_over(entry, seats, monkeypatch):
    make_hold(UserFactory(), seats[:2])
    take_locks_away(monkeypatch, services)
    result = overlap(take_over(entry, seats[:1]), sweep)
    assert (result.second, result.waited) == (1, True)  # counted twice, and waited


def test_the_sweep_and_then_a_take_over(entry, seats):
    old = make_hold(UserFactory(), seats[:2])
    result = overlap(sweep, take_over(entry, seats[:1]))
    assert (result.first, result.waited, result.second.status) == (1, True, "held")
    assert status_of(old) == "expired"


def test_many_take_over_while_sweeps_run(entry, seats):
    old = make_hold(UserFactory(), seats)
    entries = [make_inside() for _customer in range(8)]
    takers = [take_over(taker, seats[1:3]) for taker in entries]
    results = race(*takers, sweep, sweep)
    held = [result for result in results[:8] if isinstance(result, Reservation)]
    lost = [result for result in results[:8] if isinstance(result, SeatUnavailable)]
    assert (len(held), len(lost)) == (1, 7)
    assert sum(results[8:]) in (0, 1)
    assert status_of(old) == "expired"
    assert ReservationSeat.objects.filter(released_at=None).count() == 2


# Reserve and sweep


def test_reserving_and_then_the_sweep(entry, seats):
    held = make_hold(entry.customer, seats[:1])
    result = overlap(reserve(entry, held), sweep)
    assert (result.first.status, result.second, result.waited) == ("reserved", 0, False)
    assert status_of(held) == "reserved"
    assert sweep() == 1


def test_reserving_and_then_a_sweep_that_does_not_pass_over(entry, seats, monkeypatch):
    held = make_hold(entry.customer, seats[:1])
    take_locks_away(monkeypatch, services)
    result = overlap(reserve(entry, held), sweep)
    assert (result.second, result.waited) == (1, True)


def test_the_sweep_and_then_reserving(entry, seats):
    held = make_hold(entry.customer, seats[:1])
    result = overlap(sweep, reserve(entry, held))
    assert (result.first, result.waited) == (1, True)
    assert isinstance(result.second, HoldExpired)
    assert status_of(held) == "expired"


def test_the_sweep_and_then_reserving_without_a_lock(entry, seats, monkeypatch):
    held = make_hold(entry.customer, seats[:1])
    take_locks_away(monkeypatch, transitions)
    result = overlap(sweep, reserve(entry, held))
    assert not isinstance(result.second, HoldExpired)  # it is the database that refuses


# Pay and sweep


def test_paying_and_then_the_sweep(entry, seats):
    reservation = make_reservation(entry.customer, seats[:1])
    result = overlap(pay(entry, reservation), sweep)
    assert (result.second, result.waited, result.first.balance) == (0, False, 40_000)
    assert status_of(reservation) == "confirmed"
    assert sweep() == 0
    assert_charged(entry, reservation)


def test_paying_and_then_a_sweep_that_does_not_pass_over(entry, seats, monkeypatch):
    reservation = make_reservation(entry.customer, seats[:1])
    take_locks_away(monkeypatch, services)
    result = overlap(pay(entry, reservation), sweep)
    assert (result.second, status_of(reservation)) == (1, "expired")
    assert_charged(entry, reservation)  # for nothing


def test_the_sweep_and_then_paying(entry, seats):
    reservation = make_reservation(entry.customer, seats[:1])
    result = overlap(sweep, pay(entry, reservation))
    assert (result.first, result.waited) == (1, True)
    assert isinstance(result.second, HoldExpired)
    assert_not_charged(entry)


def test_the_sweep_and_then_paying_without_a_lock(entry, seats, monkeypatch):
    reservation = make_reservation(entry.customer, seats[:1])
    take_locks_away(monkeypatch, transitions)
    result = overlap(sweep, pay(entry, reservation))
    assert isinstance(result.second, IntegrityError)  # it is the database that refuses
    assert_not_charged(entry)


# Pay and take over


def test_paying_and_then_a_take_over(entry, seats):
    reservation, other = make_reservation(entry.customer, seats[:2]), make_inside()
    result = overlap(pay(entry, reservation), take_over(other, seats[:1]))
    assert result.waited
    assert isinstance(result.second, SeatUnavailable)
    assert (status_of(reservation), Reservation.objects.count()) == ("confirmed", 1)
    assert_charged(entry, reservation)


def test_paying_and_then_a_take_over_without_a_lock(entry, seats, monkeypatch):
    reservation, other = make_reservation(entry.customer, seats[:2]), make_inside()
    take_locks_away(monkeypatch, transitions)
    result = overlap(pay(entry, reservation), take_over(other, seats[:1]))
    assert isinstance(result.second, Reservation)
    assert_charged(entry, reservation)  # for a seat that somebody else now has
    assert ReservationSeat.objects.get(seat=seats[0], released_at=None).reservation != reservation


def test_a_take_over_and_then_paying(entry, seats):
    reservation, other = make_reservation(entry.customer, seats[:2]), make_inside()
    result = overlap(take_over(other, seats[:1]), pay(entry, reservation))
    assert (result.waited, result.first.status) == (True, "held")
    assert isinstance(result.second, HoldExpired)
    assert_not_charged(entry)


def test_a_take_over_and_then_paying_without_a_lock(entry, seats, monkeypatch):
    reservation, other = make_reservation(entry.customer, seats[:2]), make_inside()
    take_locks_away(monkeypatch, transitions)
    result = overlap(take_over(other, seats[:1]), pay(entry, reservation))
    assert isinstance(result.second, IntegrityError)  # it is the database that refuses
    assert_not_charged(entry)


def test_giving_back_and_then_a_take_over(entry, seats):
    held, other = make_hold(entry.customer, seats[:1]), make_inside()
    result = overlap(
        lambda: services.release_hold(entry_id=entry.pk, hold_id=held.pk, now=JUST_BEFORE),
        take_over(other, seats[:1]),
    )
    assert (result.waited, result.second.status) == (True, "held")
    assert status_of(held) == "cancelled"


# Hold and pay, by clocks that differ


def test_what_was_not_counted_against_the_limit_is_not_paid(entry, performance):
    """The clock of the hold has passed the deadline of the customer's first seats, that of the payment,
    which waits for it, has not."""
    seats = make_seats(performance, 8)
    reservation = make_reservation(entry.customer, seats[:4])
    result = overlap(take_over(entry, seats[4:]), pay(entry, reservation))
    assert (result.waited, result.first.status) == (True, "held")
    assert isinstance(result.second, HoldExpired)
    assert status_of(reservation) == "expired"
    assert ReservationSeat.objects.filter(released_at=None).count() == 4  # the limit
    assert_not_charged(entry)


def test_what_was_not_counted_is_paid_where_nobody_writes_it_down(entry, performance, monkeypatch):
    seats = make_seats(performance, 8)
    reservation = make_reservation(entry.customer, seats[:4])
    monkeypatch.setattr(services, "release_overdue_claims", lambda *_seats, **_whose: None)
    result = overlap(take_over(entry, seats[4:]), pay(entry, reservation))
    assert result.second.payment.amount == reservation.total
    assert ReservationSeat.objects.filter(released_at=None).count() == 8  # the limit is 4
