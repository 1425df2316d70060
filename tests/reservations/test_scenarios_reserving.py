"""Scenario 5.1: reserving what one holds."""

from datetime import timedelta

import pytest

from apps.reservations.models import Reservation
from apps.reservations.services import expire_holds
from apps.reservations.transitions import cancel
from tests.factories import NOW, UserFactory
from tests.reservations.support import (
    DEADLINE,
    HOLDS,
    RESERVATIONS,
    assert_refused,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    post_hold,
    post_reservation,
)
from tests.reservations.support import hold as take_over

pytestmark = pytest.mark.django_db


def test_5_1_1_a_hold_becomes_a_reservation(buyer, clock_at_now, performance, seats):
    hold = post_hold(buyer, seats[:2]).json()
    clock_at_now.move(seconds=60)
    answer = post_reservation(buyer, hold["id"])
    assert answer.status_code == 201, answer.content
    concert = performance.concert
    assert answer.json() == {
        "id": hold["id"],
        "status": "pending_payment",
        "concert": {
            "id": concert.pk,
            "title": "첫눈 콘서트",
            "artist": "첫눈",
            "venue": concert.venue.name,
        },
        "performance_id": performance.pk,
        "date": "2026-12-11",
        "starts_at": "2026-12-11T01:00:00Z",
        "seats": hold["seats"],
        "total": 20_000,
        "currency": "KRW",
        "created_at": "2026-11-01T01:01:00Z",
        "expires_at": hold["expires_at"],
        "confirmed_at": None,
        "payment_id": None,
        "end_cause": None,
    }
    assert buyer.get(f"{RESERVATIONS}/{hold['id']}").json() == answer.json()
    assert_refused(buyer.get(f"{HOLDS}/{hold['id']}"), 409, "seat_already_reserved")


def test_5_1_1_the_deadline_does_not_move(buyer, clock_at_now, customer, seats):
    hold = make_hold(customer, seats[:1])
    clock_at_now.now = DEADLINE - timedelta(microseconds=1)
    assert post_reservation(buyer, hold.pk).json()["expires_at"] == "2026-11-01T01:05:00Z"
    assert Reservation.objects.get().expires_at == DEADLINE


def test_5_1_1_a_repeated_request_gets_the_first_answer(buyer, clock_at_now, customer, seats):
    hold = make_hold(customer, seats[:1])
    first = post_reservation(buyer, hold.pk, HTTP_IDEMPOTENCY_KEY="once")
    clock_at_now.now = DEADLINE + timedelta(minutes=1)
    with nothing_written():
        again = post_reservation(buyer, hold.pk, HTTP_IDEMPOTENCY_KEY="once")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotent-Replayed"] == "true"


def test_5_1_2_a_bad_token_is_refused(bad_token, customer, seats):
    hold = make_hold(customer, seats[:1])
    with nothing_written():
        bad_token.assert_refuses(post_reservation(bad_token.client, hold.pk))


@pytest.mark.parametrize("after", [timedelta(0), timedelta(microseconds=1), timedelta(minutes=20)])
@pytest.mark.parametrize("swept", [False, True])
def test_5_1_3_after_the_deadline_nothing_is_reserved(
    buyer, clock_at_now, customer, seats, after, swept
):
    hold = make_hold(customer, seats[:1])
    clock_at_now.now = DEADLINE + after
    if swept:
        assert expire_holds(now=clock_at_now.now) == 1
    with nothing_written():
        answer = post_reservation(buyer, hold.pk)
    assert_refused(answer, 410, "hold_expired", expired_at="2026-11-01T01:05:00Z")


def test_5_1_3_a_hold_taken_over_is_expired_for_who_had_it(buyer, clock_at_now, customer, seats):
    hold = make_hold(customer, seats[:1])
    clock_at_now.now = DEADLINE
    other = make_inside()
    take_over(other, seats[:1], now=DEADLINE)
    with nothing_written():
        assert_refused(post_reservation(buyer, hold.pk), 410, "hold_expired")


@pytest.mark.parametrize("make", [make_reservation, make_paid])
def test_5_1_4_what_is_reserved_already_is_refused(buyer, customer, seats, make):
    reservation = make(customer, seats[:1])
    with nothing_written():
        answer = post_reservation(buyer, reservation.pk)
    assert_refused(answer, 409, "seat_already_reserved", reservation_id=reservation.pk)


def test_5_1_4_a_paid_reservation_is_reserved_even_after_its_deadline(
    buyer, clock_at_now, customer, seats
):
    reservation = make_paid(customer, seats[:1])
    clock_at_now.now = DEADLINE + timedelta(minutes=1)
    assert_refused(post_reservation(buyer, reservation.pk), 409, "seat_already_reserved")


@pytest.mark.parametrize("kind", ["unknown", "somebody else's", "given back", "out of range"])
def test_5_1_1_what_one_does_not_hold_is_not_found(buyer, customer, seats, kind):
    match kind:
        case "unknown":
            hold_id = 999_999_999
        case "somebody else's":
            hold_id = make_hold(UserFactory(), seats[:1]).pk
        case "given back":
            given_back = make_hold(customer, seats[:1])
            cancel(given_back, now=NOW)
            hold_id = given_back.pk
        case "out of range":
            hold_id = 2**63 - 1
    with nothing_written():
        assert_refused(post_reservation(buyer, hold_id), 404, "hold_not_found")


@pytest.mark.parametrize("hold_id", [None, "1", 0, 2**63, 1.5, True, [1]], ids=str)
def test_5_1_1_a_malformed_request_is_refused(buyer, customer, seats, hold_id):
    with nothing_written():
        body = assert_refused(post_reservation(buyer, hold_id), 400, "invalid_request")
    assert body["errors"][0]["field"] == "hold_id"
