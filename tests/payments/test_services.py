"""Paying: all of it in one commit, or none of it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from apps.concerts.models import Seat
from apps.core import idempotency
from apps.payments import services
from apps.payments.errors import ReservationAlreadyPaid
from apps.payments.models import Payment
from apps.queue.errors import QueueNotAdmitted, QueueTokenExpired, WrongWaitingRoom
from apps.queue.models import QueueEntry
from apps.reservations.errors import HoldExpired, ReservationNotFound
from apps.reservations.models import Reservation
from apps.reservations.services import expire_holds
from apps.reservations.transitions import cancel
from apps.wallet.errors import InsufficientBalance
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.services import charge_wallet
from tests.factories import NOW, QueueEntryFactory, RoomFactory, UserFactory
from tests.reservations.support import (
    DEADLINE,
    assert_refused,
    balance_of,
    ledger_of,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    post_payment,
)

pytestmark = pytest.mark.django_db


def pay(entry, reservation, *, now=NOW):
    return services.pay_reservation(entry_id=entry.pk, reservation_id=reservation.pk, now=now)


def assert_raises(error, entry, reservation, *, now=NOW):
    """Assert that paying raises `error` and writes nothing; return what was raised."""
    with nothing_written(), pytest.raises(error) as raised:
        pay(entry, reservation, now=now)
    return raised.value


def test_one_commit_writes_all_of_it(admitted, customer, reservation, funds):
    paid = pay(admitted, reservation, now=NOW + timedelta(seconds=30))
    payment = Payment.objects.get()
    assert (paid.payment, paid.balance) == (payment, 30_000)
    assert (payment.status, payment.amount, payment.currency) == ("succeeded", 20_000, "KRW")
    reservation.refresh_from_db()
    assert (reservation.status, reservation.payment_id) == ("confirmed", payment.pk)
    assert reservation.confirmed_at == payment.paid_at == NOW + timedelta(seconds=30)
    debit = WalletEntry.objects.get(kind="payment")
    assert (debit.amount, debit.balance_after) == (-20_000, 30_000)
    assert debit.reference == f"payment:{payment.pk}"
    assert balance_of(customer) == 30_000
    entry = QueueEntry.objects.get(pk=admitted.pk)
    assert (entry.state, entry.end_reason) == ("ended", "paid")
    assert reservation.lines.filter(released_at=None).count() == 2


STEPS = ["insert_row", "post_entry", "confirm", "end_entry"]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_undoes_all_others(
    admitted, reservation, funds, monkeypatch, step, before
):
    really = getattr(services, step)

    def fail(*args, **kwargs):
        if not before:
            really(*args, **kwargs)
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(services, step, fail)
        assert_raises(ZeroDivisionError, admitted, reservation)
    assert pay(admitted, reservation).balance == 30_000


def test_the_payment_that_cannot_be_recorded_charges_nothing(
    admitted, reservation, funds, monkeypatch
):
    def fail(_payment):
        raise ZeroDivisionError

    monkeypatch.setattr(services, "insert_row", fail)
    assert_raises(ZeroDivisionError, admitted, reservation)


def test_the_answer_that_cannot_be_kept_undoes_the_payment(
    buyer, reservation, funds, monkeypatch, caplog
):
    def fail(_answer):
        raise ZeroDivisionError

    with monkeypatch.context() as broken, nothing_written():
        broken.setattr(idempotency, "encode_json", fail)
        answer = post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY="k")
    assert_refused(answer, 500, "internal_error")
    assert "ZeroDivisionError" in caplog.text
    assert post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY="k").status_code == 201


def test_a_seat_that_costs_nothing_is_paid_with_nothing(admitted, customer, seats):
    Seat.objects.update(price=0)
    free = make_reservation(customer, Seat.objects.filter(pk=seats[0].pk))
    paid = pay(admitted, free)
    assert (paid.payment.amount, paid.balance) == (0, 0)
    assert ledger_of(customer) == [("payment", 0)]
    free.refresh_from_db()
    assert free.status == "confirmed"


def test_the_price_is_that_of_the_hold(admitted, customer, reservation, funds):
    Seat.objects.update(price=99_000)
    assert pay(admitted, reservation).payment.amount == 20_000


def test_all_of_the_money_may_be_spent(admitted, customer, reservation):
    charge_wallet(customer_id=customer.pk, amount=20_000, now=NOW)
    assert pay(admitted, reservation).balance == 0


@pytest.mark.parametrize("balance", [0, 1, 19_999])
def test_too_little_money(admitted, customer, reservation, balance):
    if balance:
        charge_wallet(customer_id=customer.pk, amount=balance, now=NOW)
    error = assert_raises(InsufficientBalance, admitted, reservation)
    assert error.fields == {"balance": balance, "required": 20_000, "currency": "KRW"}
    assert Wallet.objects.exists() is bool(balance)


def test_a_mere_hold(admitted, customer, seats, funds):
    assert_raises(ReservationNotFound, admitted, make_hold(customer, seats[:1]))


@pytest.mark.parametrize("make", [make_hold, make_reservation, make_paid])
def test_somebody_elses(admitted, seats, funds, make):
    assert_raises(ReservationNotFound, admitted, make(UserFactory(), seats[:1]))


def test_unknown(admitted, funds):
    assert_raises(ReservationNotFound, admitted, Reservation(pk=999_999_999))


def test_cancelled(admitted, reservation, funds):
    cancel(reservation, now=NOW)
    assert_raises(ReservationNotFound, admitted, reservation)


def test_paid(admitted, customer, seats, funds):
    assert_raises(ReservationAlreadyPaid, admitted, make_paid(customer, seats[:1]))


def test_paid_and_refunded(admitted, customer, seats, funds):
    paid = make_paid(customer, seats[:1])
    services.cancel_reservation(customer_id=customer.pk, reservation_id=paid.pk, now=NOW)
    assert_raises(ReservationNotFound, admitted, paid)


@pytest.mark.parametrize("make", [make_hold, make_reservation])
@pytest.mark.parametrize("swept", [False, True])
def test_after_the_deadline_nothing_is_charged(admitted, customer, seats, funds, make, swept):
    late = make(customer, seats[:1])
    if swept:
        assert expire_holds(now=DEADLINE) == 1
    # The same answer, whether or not a sweep was quicker.
    error = assert_raises(HoldExpired, admitted, late, now=DEADLINE)
    assert error.fields == {"expired_at": DEADLINE}
    assert balance_of(customer) == 50_000


def test_up_to_the_deadline_it_is_paid(admitted, reservation, funds):
    assert pay(admitted, reservation, now=DEADLINE - timedelta(microseconds=1))


def test_an_ended_token(room, customer, reservation, funds):
    over = {"state": "ended", "ended_at": NOW, "end_reason": "reissued"}
    entry = QueueEntryFactory(room=room, customer=customer, **over)
    assert assert_raises(QueueTokenExpired, entry, reservation).fields == {"reason": "reissued"}


def test_a_token_that_still_waits(room, customer, reservation, funds):
    entry = QueueEntryFactory(room=room, customer=customer)
    assert assert_raises(QueueNotAdmitted, entry, reservation).fields["position"] == 1


def test_a_token_of_another_room(customer, reservation, funds):
    entry = make_inside(customer, room=RoomFactory(slug="vip"))
    assert assert_raises(WrongWaitingRoom, entry, reservation).fields == {"room": "main"}


def test_a_new_token_pays_what_an_earlier_one_reserved(room, customer, seats, reservation, funds):
    other = make_reservation(customer, seats[2:])
    assert pay(make_inside(customer), reservation)
    with pytest.raises(QueueTokenExpired):
        pay(QueueEntry.objects.get(), other)
    assert pay(make_inside(customer), other).balance == 10_000


def test_each_reservation_is_paid_once_whatever_is_forgotten(customer, seats):
    paid = make_paid(customer, seats[:1])
    again = {"status": "succeeded", "amount": 1, "currency": "KRW", "paid_at": NOW}
    with pytest.raises(IntegrityError, match="reservation_id"):
        Payment.objects.create(reservation=paid, customer=customer, **again)


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"amount": -1}, "payment_amount"),
        ({"refunded_at": NOW}, "payment_refund"),
        ({"status": "refunded"}, "payment_refund"),
    ],
)
def test_the_database_keeps_the_states_apart(customer, seats, fields, constraint):
    paid = make_paid(customer, seats[:1])
    with pytest.raises(IntegrityError, match=constraint):
        Payment.objects.filter(pk=paid.payment_id).update(**fields)
