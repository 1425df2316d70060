"""Races of staff who adjust a balance: with a customer who pays, and with their own second click."""

import pytest
from django.db import IntegrityError

from apps.core.audit import Actor
from apps.core.models import StaffAction
from apps.payments import services as payments
from apps.payments.services import pay_reservation
from apps.wallet import transitions as wallet
from apps.wallet.errors import InsufficientBalance
from apps.wallet.services import adjust_wallet
from tests.concurrency.racing import overlap, race, take_locks_away
from tests.factories import NOW
from tests.reservations.support import balance_of, ledger_of, make_reservation

pytestmark = pytest.mark.django_db(transaction=True)

OPERATOR = Actor(name="terminal: op")
CHARGED = ("charge", 50_000)
PAID = ("payment", -20_000)


@pytest.fixture
def reservation(entry, seats):
    """Two seats at 10,000 each, reserved."""
    return make_reservation(entry.customer, seats[:2])


def pay(entry, reservation):
    return lambda: pay_reservation(entry_id=entry.pk, reservation_id=reservation.pk, now=NOW)


def adjust(entry, amount, reference="adjustment:1"):
    return lambda: adjust_wallet(
        customer_id=entry.customer_id,
        amount=amount,
        reference=reference,
        actor=OPERATOR,
        reason="x",
        now=NOW,
    )


def assert_ledger(entry, *entries):
    """Assert the ledger, that the balance is its sum, and that each adjustment is recorded."""
    assert ledger_of(entry.customer) == list(entries)
    assert balance_of(entry.customer) == sum(amount for _kind, amount in entries)
    adjustments = [amount for kind, amount in entries if kind == "adjustment"]
    assert StaffAction.objects.count() == len(adjustments)


# Adjust and pay


def test_adjusting_and_then_paying(entry, reservation):
    """What staff have taken out cannot be paid with."""
    result = overlap(adjust(entry, -40_000), pay(entry, reservation))
    assert (result.waited, result.first.balance_after) == (True, 10_000)
    assert isinstance(result.second, InsufficientBalance)
    assert_ledger(entry, CHARGED, ("adjustment", -40_000))


def test_adjusting_and_then_paying_without_a_lock(entry, reservation, monkeypatch):
    take_locks_away(monkeypatch, wallet, payments)
    result = overlap(adjust(entry, -40_000), pay(entry, reservation))
    assert isinstance(result.second, IntegrityError)  # the ledger's own trigger refuses
    assert_ledger(entry, CHARGED, ("adjustment", -40_000))


def test_paying_and_then_adjusting(entry, reservation):
    """What has been paid cannot be taken out."""
    result = overlap(pay(entry, reservation), adjust(entry, -40_000))
    assert result.waited
    assert isinstance(result.second, InsufficientBalance)
    assert_ledger(entry, CHARGED, PAID)


def test_paying_and_then_adjusting_without_a_lock(entry, reservation, monkeypatch):
    take_locks_away(monkeypatch, wallet, payments)
    result = overlap(pay(entry, reservation), adjust(entry, -40_000))
    assert isinstance(result.second, IntegrityError)  # the ledger's own trigger refuses
    assert_ledger(entry, CHARGED, PAID)


# One form sent twice


def test_the_second_click_waits_and_books_nothing(entry):
    result = overlap(adjust(entry, -5_000), adjust(entry, -5_000))
    assert (result.waited, result.second) == (True, result.first)
    assert_ledger(entry, CHARGED, ("adjustment", -5_000))


def test_the_second_click_without_looking_back_is_refused(entry, monkeypatch):
    """The index of references is the last fence."""
    monkeypatch.setattr("apps.wallet.services.find_adjustment", lambda _reference: None)
    result = overlap(adjust(entry, -5_000), adjust(entry, -5_000))
    assert isinstance(result.second, IntegrityError)
    assert_ledger(entry, CHARGED, ("adjustment", -5_000))


def test_many_clicks_at_once_book_once(entry):
    results = race(*[adjust(entry, 700)] * 8)
    assert len({booked.pk for booked in results}) == 1
    assert_ledger(entry, CHARGED, ("adjustment", 700))


def test_two_members_of_staff_book_both(entry):
    result = overlap(adjust(entry, 700, "adjustment:1"), adjust(entry, 700, "adjustment:2"))
    assert (result.waited, result.second.balance_after) == (True, 51_400)
    assert_ledger(entry, CHARGED, ("adjustment", 700), ("adjustment", 700))
