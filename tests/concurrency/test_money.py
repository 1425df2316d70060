"""Races for money: each reservation is paid once, given back once, and every won is in the ledger."""

import threading

import pytest
from django.db import IntegrityError
from django.db.models import Sum

from apps.concerts.models import Concert
from apps.payments import services as payments
from apps.payments import transitions as refunds
from apps.payments.errors import ReservationNotCancellable
from apps.payments.models import Payment
from apps.queue import transitions as line
from apps.queue.errors import QueueTokenExpired
from apps.reservations import transitions
from apps.reservations.errors import ReservationNotFound
from apps.reservations.models import Reservation, ReservationSeat
from apps.wallet import transitions as wallet
from apps.wallet.errors import InsufficientBalance
from apps.wallet.models import WalletEntry
from apps.wallet.services import charge_wallet
from tests.concurrency.racing import (
    overlap,
    race,
    take_key_lock_away,
    take_locks_away,
    without_unique_indexes,
)
from tests.factories import NOW, PerformanceFactory, RoomFactory, make_seats
from tests.reservations.support import (
    balance_of,
    ledger_of,
    make_inside,
    make_paid,
    make_reservation,
    post_cancel,
    post_payment,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reservation(entry, seats):
    """Two seats at 10,000 each, reserved."""
    return make_reservation(entry.customer, seats[:2])


@pytest.fixture
def client(sign_in, entry, clock_at_now):
    return sign_in(entry.customer, entry)


def pay(entry, reservation):
    return lambda: payments.pay_reservation(
        entry_id=entry.pk, reservation_id=reservation.pk, now=NOW
    )


def cancel(reservation):
    return lambda: payments.cancel_reservation(
        customer_id=reservation.customer_id, reservation_id=reservation.pk, now=NOW
    )


def charge(customer_id, amount):
    return lambda: charge_wallet(customer_id=customer_id, amount=amount, now=NOW)


def assert_ledger(customer, *amounts):
    """Assert the ledger's amounts, and that the balance is their sum."""
    entries = [amount for _kind, amount in ledger_of(customer)]
    assert sorted(entries) == sorted(amounts)
    assert balance_of(customer) == sum(amounts)


def status_of(reservation):
    return Reservation.objects.get(pk=reservation.pk).status


def codes(answers):
    return sorted(
        (answer.status_code, answer.json().get("code", answer.get("Idempotent-Replayed", "first")))
        for answer in answers
    )


# Pay and pay


def test_one_key_while_the_first_is_in_flight(client, entry, reservation):
    def post():
        return post_payment(client, reservation.pk, HTTP_IDEMPOTENCY_KEY="k")

    result = overlap(post, post)
    assert (result.first.status_code, result.waited) == (201, False)
    assert codes([result.second]) == [(409, "idempotency_key_in_use")]
    again = post()
    assert (codes([again]), again.json()) == ([(201, "true")], result.first.json())
    assert_ledger(entry.customer, 50_000, -20_000)


def test_one_key_while_the_first_is_in_flight_without_the_lock_on_the_key(
    client, entry, reservation, monkeypatch
):
    take_key_lock_away(monkeypatch)

    def post():
        return post_payment(client, reservation.pk, HTTP_IDEMPOTENCY_KEY="k")

    result = overlap(post, post)
    assert codes([result.first, result.second]) == [(201, "first"), (403, "queue_token_expired")]
    assert result.waited


def test_one_key_sent_many_times_at_once(client, entry, reservation):
    def post():
        return post_payment(client, reservation.pk, HTTP_IDEMPOTENCY_KEY="k")

    answers = race(*[post] * 12)
    seen = codes(answers)
    assert seen.count((201, "first")) == 1
    assert set(seen) <= {(201, "first"), (201, "true"), (409, "idempotency_key_in_use")}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert_ledger(entry.customer, 50_000, -20_000)


def test_two_keys(client, entry, reservation):
    keys = iter(("one", "two"))
    lock = threading.Lock()

    def post():
        with lock:
            key = next(keys)
        return post_payment(client, reservation.pk, HTTP_IDEMPOTENCY_KEY=key)

    result = overlap(post, post)
    assert codes([result.first, result.second]) == [(201, "first"), (403, "queue_token_expired")]
    assert (result.waited, result.second.json()["reason"]) == (True, "paid")
    assert Payment.objects.count() == 1
    assert_ledger(entry.customer, 50_000, -20_000)


def test_the_second_payment_waits_and_is_refused(entry, reservation):
    result = overlap(pay(entry, reservation), pay(entry, reservation))
    assert (result.waited, result.first.balance) == (True, 30_000)
    assert isinstance(result.second, QueueTokenExpired)
    assert_ledger(entry.customer, 50_000, -20_000)


def test_the_second_payment_without_fences_is_made(entry, reservation, monkeypatch):
    take_locks_away(monkeypatch, line, transitions)
    with without_unique_indexes("payments_payment"):
        result = overlap(pay(entry, reservation), pay(entry, reservation))
        assert (result.first.balance, result.second.balance) == (30_000, 10_000)
        assert Payment.objects.filter(reservation=reservation).count() == 2
        assert_ledger(entry.customer, 50_000, -20_000, -20_000)


def test_the_unique_payment_alone_is_fence_enough(entry, reservation, monkeypatch):
    take_locks_away(monkeypatch, line, transitions)
    result = overlap(pay(entry, reservation), pay(entry, reservation))
    assert isinstance(result.second, IntegrityError)
    assert_ledger(entry.customer, 50_000, -20_000)


def test_many_payments_at_once(entry, reservation):
    results = race(*[pay(entry, reservation)] * 10)
    refused = [result for result in results if isinstance(result, QueueTokenExpired)]
    assert (len(refused), Payment.objects.count()) == (9, 1)
    assert_ledger(entry.customer, 50_000, -20_000)


@pytest.fixture
def two_payments(room, customer, performance, seats):
    """What pays two reservations at 20,000 from one wallet with 30,000, each in a room of its own."""
    vip = RoomFactory(slug="vip")
    elsewhere = make_seats(PerformanceFactory(), 2)
    Concert.objects.filter(pk=elsewhere[0].performance.concert_id).update(room="vip")
    first = make_reservation(customer, seats[:2])
    second = make_reservation(customer, elsewhere)
    charge_wallet(customer_id=customer.pk, amount=30_000, now=NOW)
    here, there = make_inside(customer), make_inside(customer, room=vip)
    return pay(here, first), pay(there, second)


def test_two_reservations_from_one_wallet_never_overdraw_it(customer, two_payments):
    """Two entries of one customer: only the wallet is shared."""
    result = overlap(*two_payments)
    assert (result.waited, result.first.balance) == (True, 10_000)
    assert isinstance(result.second, InsufficientBalance)
    assert result.second.fields["balance"] == 10_000
    assert_ledger(customer, 30_000, -20_000)


def test_two_reservations_from_one_wallet_without_a_lock(customer, two_payments, monkeypatch):
    take_locks_away(monkeypatch, wallet, payments)
    result = overlap(*two_payments)
    assert isinstance(result.second, IntegrityError)  # the ledger's own trigger refuses
    assert_ledger(customer, 30_000, -20_000)


# Pay and cancel


def test_paying_and_then_cancelling(entry, reservation):
    result = overlap(pay(entry, reservation), cancel(reservation))
    assert (result.waited, result.second.status) == (True, "cancelled")
    assert Payment.objects.get().status == "refunded"
    assert_ledger(entry.customer, 50_000, -20_000, 20_000)


def test_paying_and_then_cancelling_without_a_lock(entry, reservation, monkeypatch):
    take_locks_away(monkeypatch, transitions)
    result = overlap(pay(entry, reservation), cancel(reservation))
    assert (result.second.status, status_of(reservation)) == ("cancelled", "cancelled")
    assert Payment.objects.get().status == "succeeded"  # for seats that are free again
    assert not ReservationSeat.objects.filter(released_at=None).exists()


def test_cancelling_and_then_paying(entry, reservation):
    result = overlap(cancel(reservation), pay(entry, reservation))
    assert (result.waited, result.first.status) == (True, "cancelled")
    assert isinstance(result.second, ReservationNotFound)
    assert_ledger(entry.customer, 50_000)


def test_cancelling_and_then_paying_without_a_lock(entry, reservation, monkeypatch):
    take_locks_away(monkeypatch, transitions)
    result = overlap(cancel(reservation), pay(entry, reservation))
    assert isinstance(result.second, IntegrityError)  # it is the database that refuses
    assert_ledger(entry.customer, 50_000)


# Cancel and cancel


def test_the_second_cancellation_waits_and_is_refused(entry, seats):
    paid = make_paid(entry.customer, seats[:2])
    result = overlap(cancel(paid), cancel(paid))
    assert (result.waited, result.first.status) == (True, "cancelled")
    assert isinstance(result.second, ReservationNotCancellable)
    assert_ledger(entry.customer, 50_000, 20_000, -20_000, 20_000)


def test_the_second_cancellation_without_fences_pays_twice(entry, seats, monkeypatch):
    paid = make_paid(entry.customer, seats[:2])
    take_locks_away(monkeypatch, transitions, refunds)
    with without_unique_indexes("wallet_walletentry"):
        result = overlap(cancel(paid), cancel(paid))
        assert result.second.status == "cancelled"
        assert_ledger(entry.customer, 50_000, 20_000, -20_000, 20_000, 20_000)


def test_the_ledgers_index_alone_is_fence_enough(entry, seats, monkeypatch):
    paid = make_paid(entry.customer, seats[:2])
    take_locks_away(monkeypatch, transitions, refunds)
    assert isinstance(overlap(cancel(paid), cancel(paid)).second, IntegrityError)
    assert_ledger(entry.customer, 50_000, 20_000, -20_000, 20_000)


def test_one_key_of_a_cancellation_in_flight(client, entry, seats):
    paid = make_paid(entry.customer, seats[:1])

    def post():
        return post_cancel(client, paid.pk, HTTP_IDEMPOTENCY_KEY="k")

    result = overlap(post, post)
    assert codes([result.second]) == [(409, "idempotency_key_in_use")]
    assert codes([post()]) == [(200, "true")]
    assert WalletEntry.objects.filter(kind="refund").count() == 1


# Charge


def test_charging_and_then_paying(room, seats):
    entry = make_inside()
    reservation = make_reservation(entry.customer, seats[:2])
    result = overlap(charge(entry.customer_id, 20_000), pay(entry, reservation))
    assert (result.waited, result.second.balance) == (True, 0)
    assert_ledger(entry.customer, 20_000, -20_000)


def test_charging_and_then_paying_without_a_lock(entry, reservation, monkeypatch):
    take_locks_away(monkeypatch, wallet, payments)
    result = overlap(charge(entry.customer_id, 20_000), pay(entry, reservation))
    assert isinstance(result.second, IntegrityError)  # the ledger's own trigger refuses
    assert_ledger(entry.customer, 50_000, 20_000)


def test_paying_and_then_charging(entry, reservation):
    result = overlap(pay(entry, reservation), charge(entry.customer_id, 1))
    assert result.waited
    assert result.second[0].balance == 30_001
    assert_ledger(entry.customer, 50_000, -20_000, 1)


def test_paying_and_then_charging_without_a_lock(entry, reservation, monkeypatch):
    take_locks_away(monkeypatch, wallet, payments)
    result = overlap(pay(entry, reservation), charge(entry.customer_id, 1))
    assert isinstance(result.second, IntegrityError)  # the ledger's own trigger refuses
    assert_ledger(entry.customer, 50_000, -20_000)


def test_many_first_charges_at_once(customer):
    results = race(*[charge(customer.pk, amount) for amount in range(1, 13)])
    assert [entry.amount for _wallet, entry in results] == list(range(1, 13))
    assert_ledger(customer, *range(1, 13))
    entries = WalletEntry.objects.filter(wallet=customer.pk).order_by("pk")
    sums = [
        entries.filter(pk__lte=entry.pk).aggregate(sum=Sum("amount"))["sum"] for entry in entries
    ]
    assert [entry.balance_after for entry in entries] == sums


def test_one_key_of_a_charge_in_flight(client, customer, entry):
    def post():
        return client.post("/api/v1/wallet/charges", {"amount": 500}, HTTP_IDEMPOTENCY_KEY="k")

    result = overlap(post, post)
    assert codes([result.first, result.second]) == [
        (201, "first"),
        (409, "idempotency_key_in_use"),
    ]
    assert codes([post()]) == [(201, "true")]
    assert_ledger(entry.customer, 50_000, 500)


def test_one_key_of_a_charge_without_the_lock_on_the_key_charges_twice(client, entry, monkeypatch):
    take_key_lock_away(monkeypatch)

    def post():
        return client.post("/api/v1/wallet/charges", {"amount": 500}, HTTP_IDEMPOTENCY_KEY="k")

    result = overlap(post, post)
    assert (result.first.status_code, result.second.status_code) == (201, 201)
    assert_ledger(entry.customer, 50_000, 500, 500)
