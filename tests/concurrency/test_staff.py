"""Races of staff with customers: releasing, refunding and calling off beside paying and cancelling."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from apps.concerts.models import Performance
from apps.core.audit import Actor
from apps.core.models import StaffAction
from apps.payments import calling_off
from apps.payments import transitions as payments
from apps.payments.errors import ReservationNotCancellable
from apps.payments.models import Payment
from apps.payments.services import cancel_reservation, pay_reservation, refund_payment
from apps.reservations import transitions
from apps.reservations.errors import (
    HoldNotFound,
    ReservationNotFound,
    ReservationNotReleasable,
)
from apps.reservations.models import Reservation
from apps.reservations.services import release_for_staff, reserve_hold
from tests.concurrency.racing import overlap, race, take_locks_away, without_unique_indexes
from tests.factories import NOW
from tests.reservations.support import (
    balance_of,
    hold,
    ledger_of,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
)

pytestmark = pytest.mark.django_db(transaction=True)

OPERATOR = Actor(name="terminal: op")
AT = NOW + timedelta(seconds=1)


def pay(entry, reservation):
    return lambda: pay_reservation(entry_id=entry.pk, reservation_id=reservation.pk, now=AT)


def reserve(entry, held):
    return lambda: reserve_hold(entry_id=entry.pk, hold_id=held.pk, now=AT)


def release(claim, *, withdraw=False):
    return lambda: release_for_staff(
        reservation_id=claim.pk, actor=OPERATOR, reason="x", now=AT, withdraw=withdraw
    )


def refund(paid):
    return lambda: refund_payment(payment_id=paid.payment_id, actor=OPERATOR, reason="x", now=AT)


def cancel(paid):
    return lambda: cancel_reservation(customer_id=paid.customer_id, reservation_id=paid.pk, now=AT)


def call_off(performance):
    return calling_off.call_off_performance(
        performance_id=performance.pk, actor=OPERATOR, reason="x", now=AT
    )


def refund_all():
    return calling_off.refund_called_off(now=AT)


def status_of(reservation):
    return Reservation.objects.get(pk=reservation.pk).status


# Release and pay


def test_releasing_and_then_paying(entry, seats):
    reservation = make_reservation(entry.customer, seats[:2])
    result = overlap(release(reservation), pay(entry, reservation))
    assert (result.waited, status_of(reservation)) == (True, "cancelled")
    assert isinstance(result.second, ReservationNotFound)
    assert (balance_of(entry.customer), Payment.objects.count()) == (50_000, 0)


def test_releasing_and_then_paying_without_a_lock(entry, seats, monkeypatch):
    reservation = make_reservation(entry.customer, seats[:2])
    take_locks_away(monkeypatch, transitions)
    result = overlap(release(reservation), pay(entry, reservation))
    assert isinstance(result.second, IntegrityError)  # it is the database that refuses
    assert balance_of(entry.customer) == 50_000


def test_paying_and_then_releasing(entry, seats):
    reservation = make_reservation(entry.customer, seats[:2])
    result = overlap(pay(entry, reservation), release(reservation))
    assert (result.waited, status_of(reservation)) == (True, "confirmed")
    assert isinstance(result.second, ReservationNotReleasable)
    assert (balance_of(entry.customer), StaffAction.objects.count()) == (30_000, 0)


def test_paying_and_then_releasing_without_a_lock(entry, seats, monkeypatch):
    reservation = make_reservation(entry.customer, seats[:2])
    take_locks_away(monkeypatch, transitions)
    overlap(pay(entry, reservation), release(reservation))
    assert status_of(reservation) == "cancelled"
    assert Payment.objects.get().status == "succeeded"  # for seats that are free


# Release and reserve, release and hold


def test_releasing_and_then_reserving(entry, seats):
    held = make_hold(entry.customer, seats[:1])
    result = overlap(release(held), reserve(entry, held))
    assert (result.waited, status_of(held)) == (True, "cancelled")
    assert isinstance(result.second, HoldNotFound)


def test_reserving_and_then_releasing(entry, seats):
    held = make_hold(entry.customer, seats[:1])
    result = overlap(reserve(entry, held), release(held))
    assert (result.waited, status_of(held)) == (True, "cancelled")
    assert StaffAction.objects.get().before["status"] == "reserved"


def test_withdrawing_and_then_holding(entry, seats):
    """Seats before reservations, as whoever holds them locks them."""
    claim, other = make_hold(entry.customer, seats[:2]), make_inside()
    result = overlap(release(claim, withdraw=True), lambda: hold(other, seats[:2], now=AT))
    assert result.waited
    assert result.second.fields["seat_ids"] == [seats[0].pk, seats[1].pk]
    assert status_of(claim) == "cancelled"


# Refund and cancel


@pytest.mark.parametrize("first", ["refund", "cancel"])
def test_a_refund_and_a_cancellation_give_the_money_once(entry, seats, first):
    paid = make_paid(entry.customer, seats[:2])
    acts = [refund(paid), cancel(paid)]
    result = overlap(*(acts if first == "refund" else reversed(acts)))
    assert result.waited
    assert isinstance(result.second, ReservationNotCancellable)
    assert ledger_of(entry.customer)[-1] == ("refund", 20_000)
    assert balance_of(entry.customer) == 70_000
    assert StaffAction.objects.count() == (1 if first == "refund" else 0)


def test_a_refund_and_a_cancellation_without_fences_give_it_twice(entry, seats, monkeypatch):
    paid = make_paid(entry.customer, seats[:2])
    take_locks_away(monkeypatch, transitions, payments)
    with without_unique_indexes("wallet_walletentry"):
        overlap(refund(paid), cancel(paid))
        assert balance_of(entry.customer) == 90_000


# Calling off


def test_paying_and_then_calling_off(entry, performance, seats):
    """Whoever pays at that moment pays, and gets it back."""
    reservation = make_reservation(entry.customer, seats[:2])
    result = overlap(pay(entry, reservation), lambda: call_off(performance))
    assert (result.waited, result.first.balance) == (False, 30_000)
    assert refund_all() == 1
    assert (status_of(reservation), balance_of(entry.customer)) == ("cancelled", 50_000)


def test_refunding_all_passes_over_who_is_paying(entry, performance, seats):
    reservation = make_reservation(entry.customer, seats[:2])
    call_off_before = overlap(
        pay(entry, reservation), lambda: (call_off(performance), refund_all())[1]
    )
    assert (call_off_before.waited, call_off_before.second) == (False, 0)
    assert status_of(reservation) == "confirmed"
    assert refund_all() == 1
    assert balance_of(entry.customer) == 50_000


def test_refunding_all_without_locks_takes_the_seats_of_who_is_paying(
    entry, performance, seats, monkeypatch
):
    reservation = make_reservation(entry.customer, seats[:2])
    take_locks_away(monkeypatch, calling_off)
    result = overlap(pay(entry, reservation), lambda: (call_off(performance), refund_all())[1])
    assert result.second == 1
    assert status_of(reservation) == "cancelled"
    assert Payment.objects.get().status == "succeeded"  # and nobody gives it back


def test_refunding_all_and_then_paying(entry, performance, seats):
    reservation = make_reservation(entry.customer, seats[:2])
    call_off(performance)
    result = overlap(refund_all, pay(entry, reservation))
    assert result.waited
    assert isinstance(result.second, ReservationNotFound)
    assert (status_of(reservation), balance_of(entry.customer)) == ("cancelled", 50_000)


def test_calling_off_and_then_holding(entry, performance, seats):
    """A hold that had read the performance before ends by the next sweep, and is never paid."""
    result = overlap(lambda: call_off(performance), lambda: hold(entry, seats[:1], now=AT))
    assert (result.waited, result.second.status) == (False, "held")
    assert refund_all() == 1
    assert status_of(result.second) == "cancelled"


def test_two_sweeps_give_the_money_once(room, customer, performance, seats):
    paid = [make_paid(customer, [seat]) for seat in seats]
    call_off(performance)
    results = race(refund_all, refund_all, refund_all)
    assert sum(results) <= len(paid)
    refund_all()
    assert {status_of(claim) for claim in paid} == {"cancelled"}
    assert balance_of(customer) == 40_000
    assert Performance.objects.get().called_off_at == AT
