"""Cancelling: the seats are free again, and what was paid comes back."""

from datetime import timedelta

import pytest

from apps.concerts.models import Concert, Seat
from apps.payments import services, transitions
from apps.payments.models import Payment
from apps.reservations.services import expire_holds
from apps.wallet.errors import BalanceLimitExceeded
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.models import WalletEntry
from apps.wallet.services import charge_wallet
from tests.factories import NOW, UserFactory
from tests.reservations.support import (
    DEADLINE,
    PAYMENTS,
    RESERVATIONS,
    assert_refused,
    balance_of,
    hold,
    ledger_of,
    list_ids,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    post_cancel,
    post_hold,
    post_payment,
    post_reservation,
    seats_url,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client_of(customer, sign_in, clock_at_now):
    """The customer, signed in without a queue token: none is asked for."""
    return sign_in(customer)


def test_pending(client_of, clock_at_now, customer, seats, reservation):
    at = clock_at_now.move(seconds=10)
    answer = post_cancel(client_of, reservation.pk)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json() == client_of.get(f"{RESERVATIONS}/{reservation.pk}").json()
    reservation.refresh_from_db()
    assert (reservation.status, reservation.ended_at) == ("cancelled", at)
    assert [line.released_at for line in reservation.lines.all()] == [at, at]
    assert not WalletEntry.objects.exists()
    assert hold(make_inside(), seats[:2], now=at)


def test_confirmed(client_of, clock_at_now, customer, seats):
    paid = make_paid(customer, seats[:2])
    at = clock_at_now.move(days=1)
    answer = post_cancel(client_of, paid.pk)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert (answer.json()["payment_id"], answer.json()["confirmed_at"]) == (
        paid.payment_id,
        "2026-11-01T01:00:00Z",
    )
    assert ledger_of(customer) == [("charge", 20_000), ("payment", -20_000), ("refund", 20_000)]
    refund = WalletEntry.objects.get(kind="refund")
    assert (refund.balance_after, refund.created_at) == (20_000, at)
    assert refund.reference == f"payment:{paid.payment_id}"
    assert balance_of(customer) == 20_000
    payment = Payment.objects.get()
    assert (payment.status, payment.refunded_at, payment.amount) == ("refunded", at, 20_000)
    assert client_of.get(f"{PAYMENTS}/{payment.pk}").json()["status"] == "refunded"
    paid.refresh_from_db()
    assert (paid.status, paid.ended_at) == ("cancelled", at)


def test_a_cancelled_seat_is_sold_to_somebody_else(
    client_of, customer, performance, seats, sign_in
):
    paid = make_paid(customer, seats[:2])
    assert post_cancel(client_of, paid.pk).status_code == 200
    entry = make_inside()
    charge_wallet(customer_id=entry.customer_id, amount=20_000, now=NOW)
    other = sign_in(entry.customer, entry)
    assert list_ids(other.get(seats_url(performance))) == [seat.pk for seat in seats]
    number = post_hold(other, seats[:2]).json()["id"]
    assert post_reservation(other, number).status_code == 201
    assert post_payment(other, number).status_code == 201
    assert (balance_of(customer), balance_of(entry.customer)) == (20_000, 0)


def test_the_customers_limit_has_room_again(client_of, customer, seats):
    paid, entry = make_paid(customer, seats), make_inside(customer)
    post_cancel(client_of, paid.pk)
    assert hold(entry, seats)


@pytest.mark.parametrize("cut_off_hours", [24, 0, 72])
@pytest.mark.parametrize(
    ("offset", "cancellable"),
    [
        (timedelta(microseconds=-1), True),
        (timedelta(0), False),
        (timedelta(microseconds=1), False),
        (timedelta(days=30), False),
    ],
)
def test_the_cut_off(
    client_of, clock_at_now, customer, performance, seats, cut_off_hours, offset, cancellable
):
    Concert.objects.update(cancel_until_hours=cut_off_hours)
    paid = make_paid(customer, seats[:1])
    clock_at_now.now = performance.starts_at - timedelta(hours=cut_off_hours) + offset
    if cancellable:
        assert post_cancel(client_of, paid.pk).status_code == 200
        assert balance_of(customer) == 10_000
    else:
        with nothing_written():
            answer = post_cancel(client_of, paid.pk)
        assert_refused(answer, 409, "reservation_not_cancellable")


@pytest.mark.parametrize("make", [make_reservation, make_paid])
def test_twice(client_of, customer, seats, make):
    reservation = make(customer, seats[:1])
    assert post_cancel(client_of, reservation.pk).status_code == 200
    with nothing_written():
        answer = post_cancel(client_of, reservation.pk)
    assert_refused(answer, 409, "reservation_not_cancellable")


def test_a_repeated_request_gets_the_first_answer(client_of, customer, seats):
    paid = make_paid(customer, seats[:1])
    first = post_cancel(client_of, paid.pk, HTTP_IDEMPOTENCY_KEY="once")
    with nothing_written():
        again = post_cancel(client_of, paid.pk, HTTP_IDEMPOTENCY_KEY="once")
    assert (again.status_code, again.json()) == (200, first.json())
    assert again["Idempotent-Replayed"] == "true"
    assert ledger_of(customer) == [("charge", 10_000), ("payment", -10_000), ("refund", 10_000)]


@pytest.mark.parametrize("swept", [False, True])
def test_expired(client_of, clock_at_now, reservation, swept):
    clock_at_now.now = DEADLINE
    if swept:
        assert expire_holds(now=DEADLINE) == 1
    with nothing_written():
        answer = post_cancel(client_of, reservation.pk)
    assert_refused(answer, 409, "reservation_not_cancellable")


@pytest.mark.parametrize("swept", [False, True])
def test_a_mere_hold_is_no_reservation(client_of, clock_at_now, customer, seats, swept):
    held = make_hold(customer, seats[:1])
    if swept:
        clock_at_now.now = DEADLINE
        expire_holds(now=DEADLINE)
    with nothing_written():
        assert_refused(post_cancel(client_of, held.pk), 404, "reservation_not_found")


@pytest.mark.parametrize("make", [make_reservation, make_paid])
def test_somebody_elses(client_of, seats, make):
    theirs = make(UserFactory(), seats[:1])
    with nothing_written():
        assert_refused(post_cancel(client_of, theirs.pk), 404, "reservation_not_found")


@pytest.mark.parametrize("number", [999_999_999, 2**64])
def test_unknown(client_of, number):
    with nothing_written():
        assert_refused(post_cancel(client_of, number), 404, "reservation_not_found")


def test_nobody(client, reservation):
    with nothing_written():
        assert_refused(post_cancel(client, reservation.pk), 401, "not_authenticated")


def test_what_cost_nothing_gives_nothing_back(client_of, customer, seats):
    Seat.objects.update(price=0)
    free = make_paid(customer, Seat.objects.filter(pk=seats[0].pk))
    assert post_cancel(client_of, free.pk).status_code == 200
    assert balance_of(customer) == 0


@pytest.mark.parametrize(
    ("module", "step"),
    [
        (services, "give_money_back"),
        (transitions, "lock_wallet"),
        (transitions, "post_entry"),
        (services, "cancel"),
    ],
)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_step_that_fails_undoes_all_others(customer, seats, monkeypatch, module, step, before):
    paid = make_paid(customer, seats[:1])
    really = getattr(module, step)

    def fail(*args, **kwargs):
        if not before:
            really(*args, **kwargs)
        raise ZeroDivisionError

    monkeypatch.setattr(module, step, fail)
    with nothing_written(), pytest.raises(ZeroDivisionError):
        services.cancel_reservation(customer_id=customer.pk, reservation_id=paid.pk, now=NOW)


def test_a_wallet_that_is_full_takes_no_refund(customer, seats, monkeypatch):
    paid = make_paid(customer, seats[:1])
    charge_wallet(customer_id=customer.pk, amount=BALANCE_MAX, now=NOW)
    with nothing_written(), pytest.raises(BalanceLimitExceeded):
        services.cancel_reservation(customer_id=customer.pk, reservation_id=paid.pk, now=NOW)


def test_what_was_bought_can_be_bought_again_and_again(customer, seats):
    for _round in range(3):
        paid = make_paid(customer, seats[:1])
        services.cancel_reservation(customer_id=customer.pk, reservation_id=paid.pk, now=NOW)
    assert balance_of(customer) == 30_000
    assert [kind for kind, _amount in ledger_of(customer)] == ["charge", "payment", "refund"] * 3
