"""Scenarios 6.1 and 6.2: paying, and what one has paid."""

from datetime import timedelta

import pytest

from apps.payments.models import Payment
from apps.queue.models import QueueEntry
from apps.reservations.services import expire_holds
from apps.reservations.transitions import cancel
from apps.wallet.services import charge_wallet
from tests.factories import NOW, UserFactory, make_seats
from tests.reservations.support import (
    DEADLINE,
    PAYMENTS,
    RESERVATIONS,
    assert_refused,
    balance_of,
    dates_url,
    ledger_of,
    list_ids,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    post_hold,
    post_payment,
    post_reservation,
    seats_url,
)

pytestmark = pytest.mark.django_db


def test_6_1_1_from_a_free_seat_to_an_owned_one(buyer, clock_at_now, customer, performance, seats):
    charge_wallet(customer_id=customer.pk, amount=50_000, now=NOW)
    hold = post_hold(buyer, seats[:2]).json()
    reserved = post_reservation(buyer, hold["id"]).json()
    paid_at = clock_at_now.move(seconds=120)
    answer = post_payment(buyer, hold["id"])
    assert answer.status_code == 201, answer.content
    payment = Payment.objects.get()
    confirmed = {
        **reserved,
        "status": "confirmed",
        "confirmed_at": "2026-11-01T01:02:00Z",
        "payment_id": payment.pk,
    }
    assert answer.json() == {
        "id": payment.pk,
        "status": "succeeded",
        "reservation": confirmed,
        "amount": 20_000,
        "currency": "KRW",
        "paid_at": "2026-11-01T01:02:00Z",
        "balance": 30_000,
    }
    assert (payment.customer, payment.reservation_id, payment.paid_at) == (
        customer,
        hold["id"],
        paid_at,
    )
    assert ledger_of(customer) == [("charge", 50_000), ("payment", -20_000)]
    assert buyer.get(f"{RESERVATIONS}/{hold['id']}").json() == confirmed


def test_6_1_1_the_seats_stay_the_customers(
    buyer, clock_at_now, performance, seats, reservation, funds, sign_in
):
    assert post_payment(buyer, reservation.pk).status_code == 201
    clock_at_now.now = DEADLINE + timedelta(seconds=1)
    assert expire_holds(now=clock_at_now.now) == 0
    assert buyer.get(f"{RESERVATIONS}/{reservation.pk}").json()["status"] == "confirmed"
    entry = make_inside()
    other = sign_in(entry.customer, entry)
    with nothing_written():
        assert_refused(post_hold(other, seats[:1]), 409, "seat_unavailable")
    assert list_ids(other.get(seats_url(performance))) == [seat.pk for seat in seats[2:]]


def test_6_1_1_the_token_ends_with_the_payment(buyer, admitted, performance, reservation, funds):
    assert post_payment(buyer, reservation.pk).status_code == 201
    entry = QueueEntry.objects.get(pk=admitted.pk)
    assert (entry.state, entry.end_reason, entry.ended_at) == ("ended", "paid", NOW)
    for answer in (buyer.get(dates_url(performance)), buyer.get(seats_url(performance))):
        assert_refused(answer, 403, "queue_token_expired", reason="paid")


def test_6_1_1_a_repeated_request_gets_the_first_answer_although_the_token_has_ended(
    buyer, clock_at_now, customer, reservation, funds
):
    first = post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY="pay-1")
    assert "Idempotent-Replayed" not in first
    for minutes in (0, 10, 23 * 60):
        clock_at_now.now = NOW + timedelta(minutes=minutes)
        with nothing_written():
            again = post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY="pay-1")
        assert (again.status_code, again.json()) == (201, first.json())
        assert again["Idempotent-Replayed"] == "true"
    assert ledger_of(customer) == [("charge", 50_000), ("payment", -20_000)]


def test_6_1_1_a_key_is_not_good_for_another_reservation(
    buyer, customer, seats, reservation, funds
):
    other = make_reservation(customer, seats[2:3])
    assert post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY="k").status_code == 201
    with nothing_written():
        answer = post_payment(buyer, other.pk, HTTP_IDEMPOTENCY_KEY="k")
    assert_refused(answer, 422, "idempotency_key_reused")


def test_6_1_1_keys_are_each_customers_own(buyer, sign_in, seats, reservation, funds):
    assert post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY="k").status_code == 201
    entry = make_inside()
    theirs = make_reservation(entry.customer, seats[2:3])
    charge_wallet(customer_id=entry.customer_id, amount=10_000, now=NOW)
    answer = post_payment(sign_in(entry.customer, entry), theirs.pk, HTTP_IDEMPOTENCY_KEY="k")
    assert (answer.status_code, answer.get("Idempotent-Replayed")) == (201, None)


@pytest.mark.parametrize("key", ["", "two words", "열쇠", "x" * 256])
def test_6_1_1_a_malformed_key_is_refused(buyer, reservation, funds, key):
    with nothing_written():
        answer = post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY=key)
    body = assert_refused(answer, 400, "invalid_request")
    assert body["errors"][0]["field"] == "Idempotency-Key"


def test_6_1_2_a_bad_token_is_refused(bad_token, reservation, funds):
    with nothing_written():
        bad_token.assert_refuses(post_payment(bad_token.client, reservation.pk))


@pytest.mark.parametrize("balance", [0, 19_999])
def test_6_1_3_without_enough_money_nothing_is_paid(buyer, customer, reservation, balance):
    if balance:
        charge_wallet(customer_id=customer.pk, amount=balance, now=NOW)
    with nothing_written():
        answer = post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY="k")
    assert_refused(
        answer, 402, "insufficient_balance", balance=balance, required=20_000, currency="KRW"
    )
    # The same request, once there is money.
    charge_wallet(customer_id=customer.pk, amount=20_000 - balance, now=NOW)
    assert post_payment(buyer, reservation.pk, HTTP_IDEMPOTENCY_KEY="k").json()["balance"] == 0


@pytest.mark.parametrize("after", [timedelta(0), timedelta(microseconds=1), timedelta(minutes=20)])
@pytest.mark.parametrize("swept", [False, True])
def test_6_1_4_after_the_deadline_nothing_is_charged(
    buyer, clock_at_now, customer, reservation, funds, after, swept
):
    clock_at_now.now = DEADLINE + after
    if swept:
        assert expire_holds(now=clock_at_now.now) == 1
    with nothing_written():
        answer = post_payment(buyer, reservation.pk)
    assert_refused(answer, 410, "hold_expired", expired_at="2026-11-01T01:05:00Z")
    assert balance_of(customer) == 50_000


def test_6_1_4_up_to_the_deadline_it_is_paid(buyer, clock_at_now, reservation, funds):
    clock_at_now.now = DEADLINE - timedelta(microseconds=1)
    assert post_payment(buyer, reservation.pk).status_code == 201


def test_6_1_1_what_is_paid_is_not_paid_again(buyer, customer, seats, funds):
    paid = make_paid(customer, seats[:1])
    with nothing_written():
        assert_refused(post_payment(buyer, paid.pk), 409, "reservation_already_paid")


@pytest.mark.parametrize("kind", ["a hold", "somebody else's", "cancelled", "unknown"])
def test_6_1_1_what_waits_for_no_payment_is_not_found(buyer, customer, seats, funds, kind):
    match kind:
        case "a hold":
            number = make_hold(customer, seats[:1]).pk
        case "somebody else's":
            number = make_reservation(UserFactory(), seats[:1]).pk
        case "cancelled":
            cancelled = make_reservation(customer, seats[:1])
            cancel(cancelled, now=NOW)
            number = cancelled.pk
        case "unknown":
            number = 2**63 - 1
    with nothing_written():
        assert_refused(post_payment(buyer, number), 404, "reservation_not_found")


@pytest.mark.parametrize("number", [None, "1", 0, 2**63, 1.5, True, [1]], ids=str)
def test_6_1_1_a_malformed_request_is_refused(buyer, reservation, funds, number):
    with nothing_written():
        body = assert_refused(post_payment(buyer, number), 400, "invalid_request")
    assert body["errors"][0]["field"] == "reservation_id"


# What one has paid


def test_6_2_1_ones_own_payments_newest_first(customer, performance, sign_in, clock_at_now):
    seats = make_seats(performance, 4)
    first, second = make_paid(customer, seats[:1]), make_paid(customer, seats[1:3])
    make_paid(UserFactory(), seats[3:])
    client = sign_in(customer)  # no queue token is asked for
    answer = client.get(PAYMENTS)
    assert list_ids(answer) == [second.payment_id, first.payment_id]
    newest = answer.json()["results"][0]
    assert newest == {
        "id": second.payment_id,
        "status": "succeeded",
        "reservation": client.get(f"{RESERVATIONS}/{second.pk}").json(),
        "amount": 20_000,
        "currency": "KRW",
        "paid_at": "2026-11-01T01:00:00Z",
    }
    assert client.get(f"{PAYMENTS}/{second.payment_id}").json() == newest


def test_6_2_1_payments_come_in_pages(buyer, customer, performance, django_assert_max_num_queries):
    numbers = [make_paid(customer, [seat]).payment_id for seat in make_seats(performance, 5)]
    with django_assert_max_num_queries(6):
        first = buyer.get(PAYMENTS, {"limit": 3})
    assert list_ids(first) + list_ids(buyer.get(first.json()["next"])) == numbers[::-1]


def test_6_2_1_the_list_needs_a_sign_in(client, db):
    assert_refused(client.get(PAYMENTS), 401, "not_authenticated")


def test_6_2_2_no_payments_are_an_empty_list(customer, sign_in):
    answer = sign_in(customer).get(PAYMENTS)
    assert answer.json() == {"results": [], "next": None, "previous": None}
