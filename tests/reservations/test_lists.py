"""What customers see of their own holds and reservations, and nothing of anybody else's."""

from datetime import timedelta

import pytest

from apps.reservations.models import Reservation
from apps.reservations.services import expire_holds
from apps.reservations.transitions import cancel
from tests.factories import NOW, RoomFactory, UserFactory, make_seats
from tests.reservations.support import (
    DEADLINE,
    HOLDS,
    PAYMENTS,
    RESERVATIONS,
    assert_refused,
    list_ids,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
)

pytestmark = pytest.mark.django_db


def test_holds_are_ones_own_live_ones_newest_first(buyer, clock_at_now, customer, performance):
    seats = make_seats(performance, 7)
    make_hold(customer, seats[:1], at=NOW - timedelta(minutes=5))
    first, second = make_hold(customer, seats[1:2]), make_hold(customer, seats[2:3])
    make_reservation(customer, seats[3:4])
    make_paid(customer, seats[4:5])
    cancel(make_hold(customer, seats[5:6]), now=NOW)
    make_hold(UserFactory(), seats[6:])
    assert list_ids(buyer.get(HOLDS)) == [second.pk, first.pk]
    clock_at_now.now = DEADLINE
    assert list_ids(buyer.get(HOLDS)) == []
    assert_refused(buyer.get(f"{HOLDS}/{first.pk}"), 410, "hold_expired")


def test_holds_need_a_token_that_lets_in(bad_token, room, customer, seats):
    held = make_hold(customer, seats[:1])
    with nothing_written():
        if bad_token.code != "wrong_waiting_room":  # a list is of no one concert
            bad_token.assert_refuses(bad_token.client.get(HOLDS))
        bad_token.assert_refuses(bad_token.client.get(f"{HOLDS}/{held.pk}"))
        bad_token.assert_refuses(bad_token.client.delete(f"{HOLDS}/{held.pk}"))


def test_reservations_are_ones_own_newest_first(buyer, clock_at_now, customer, performance):
    seats = make_seats(performance, 6)
    pending, paid = make_reservation(customer, seats[:1]), make_paid(customer, seats[1:2])
    cancelled = make_reservation(customer, seats[2:3])
    cancel(cancelled, now=NOW)
    make_hold(customer, seats[3:4])
    make_paid(UserFactory(), seats[4:5])
    cancel(make_hold(customer, seats[5:6]), now=NOW)
    assert list_ids(buyer.get(RESERVATIONS)) == [cancelled.pk, paid.pk, pending.pk]


def test_reservations_need_no_queue_token(customer, seats, sign_in, clock_at_now):
    paid = make_paid(customer, seats[:1])
    client = sign_in(customer)
    assert list_ids(client.get(RESERVATIONS)) == [paid.pk]
    assert client.get(f"{RESERVATIONS}/{paid.pk}").json()["status"] == "confirmed"


def test_reservations_need_a_sign_in(client, db):
    assert_refused(client.get(RESERVATIONS), 401, "not_authenticated")
    assert_refused(client.get(f"{RESERVATIONS}/1"), 401, "not_authenticated")


@pytest.mark.parametrize("swept", [False, True])
def test_the_status_goes_by_the_clock(buyer, clock_at_now, customer, performance, swept):
    seats = make_seats(performance, 3)
    pending, paid = make_reservation(customer, seats[:1]), make_paid(customer, seats[1:2])
    cancelled = make_reservation(customer, seats[2:3])
    cancel(cancelled, now=NOW)

    def list_by_status():
        return {
            status: list_ids(buyer.get(RESERVATIONS, {"status": status}))
            for status in ("pending_payment", "confirmed", "expired", "cancelled")
        }

    expected = {"confirmed": [paid.pk], "cancelled": [cancelled.pk]}
    clock_at_now.now = DEADLINE - timedelta(microseconds=1)
    assert list_by_status() == {**expected, "pending_payment": [pending.pk], "expired": []}
    clock_at_now.now = DEADLINE
    if swept:
        expire_holds(now=DEADLINE)
    assert list_by_status() == {**expected, "pending_payment": [], "expired": [pending.pk]}
    assert buyer.get(f"{RESERVATIONS}/{pending.pk}").json()["status"] == "expired"
    shown = {row["id"]: row["status"] for row in buyer.get(RESERVATIONS).json()["results"]}
    assert shown == {pending.pk: "expired", paid.pk: "confirmed", cancelled.pk: "cancelled"}


@pytest.mark.parametrize("swept", [False, True])
def test_a_hold_that_never_became_a_reservation_is_no_expired_one(
    buyer, clock_at_now, customer, seats, swept
):
    held = make_hold(customer, seats[:1])
    clock_at_now.now = DEADLINE
    if swept:
        expire_holds(now=DEADLINE)
    assert list_ids(buyer.get(RESERVATIONS)) == []
    assert list_ids(buyer.get(RESERVATIONS, {"status": "expired"})) == []
    assert_refused(buyer.get(f"{RESERVATIONS}/{held.pk}"), 404, "reservation_not_found")


@pytest.mark.parametrize("status", ["held", "reserved", "", "CONFIRMED"])
def test_an_unknown_status_is_refused(buyer, status):
    body = assert_refused(buyer.get(RESERVATIONS, {"status": status}), 400, "invalid_request")
    assert body["errors"][0]["field"] == "status"


@pytest.mark.parametrize(("path", "make"), [(HOLDS, make_hold), (RESERVATIONS, make_reservation)])
def test_pages(buyer, customer, performance, path, make):
    newest_first = [make(customer, [seat]).pk for seat in make_seats(performance, 5)][::-1]
    first = buyer.get(path, {"limit": 2})
    second = buyer.get(first.json()["next"])
    assert list_ids(first) + list_ids(second) == newest_first[:4]
    assert list_ids(buyer.get(second.json()["previous"])) == newest_first[:2]
    assert_refused(buyer.get(path, {"limit": 201}), 400, "invalid_request")


def test_a_page_keeps_its_filter(buyer, customer, performance):
    seats = make_seats(performance, 4)
    paid = [make_paid(customer, [seat]).pk for seat in seats[:3]][::-1]
    make_reservation(customer, seats[3:])
    first = buyer.get(RESERVATIONS, {"status": "confirmed", "limit": 2})
    assert list_ids(first) + list_ids(buyer.get(first.json()["next"])) == paid


@pytest.mark.parametrize(("path", "make"), [(HOLDS, make_hold), (RESERVATIONS, make_paid)])
def test_a_page_costs_the_same_number_of_queries_however_long(
    buyer, customer, performance, django_assert_max_num_queries, path, make
):
    for pair in zip(*[iter(make_seats(performance, 8))] * 2, strict=True):
        make(customer, list(pair))
    with django_assert_max_num_queries(4):
        assert len(list_ids(buyer.get(path))) == 4


def test_the_page_of_a_hold_tells_that_it_became_a_reservation(buyer, customer, seats):
    paid = make_paid(customer, seats[:1])
    for answer in (buyer.get(f"{HOLDS}/{paid.pk}"), buyer.delete(f"{HOLDS}/{paid.pk}")):
        assert_refused(answer, 409, "seat_already_reserved", reservation_id=paid.pk)


@pytest.mark.parametrize("number", ["theirs", "unknown", "out of range"])
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("get", HOLDS + "/{id}", "hold_not_found"),
        ("delete", HOLDS + "/{id}", "hold_not_found"),
        ("get", RESERVATIONS + "/{id}", "reservation_not_found"),
        ("post", RESERVATIONS + "/{id}/cancel", "reservation_not_found"),
        ("get", PAYMENTS + "/{id}", "payment_not_found"),
    ],
)
@pytest.mark.parametrize("make", [make_hold, make_reservation, make_paid])
def test_what_is_somebody_elses_is_not_there(buyer, seats, number, method, path, code, make):
    theirs = make(UserFactory(), seats[:1])
    theirs_id = (theirs.payment_id or theirs.pk) if "payment" in path else theirs.pk
    asked = {"theirs": theirs_id, "unknown": 999_999_999, "out of range": 2**64}[number]
    with nothing_written():
        answer = getattr(buyer, method)(path.format(id=asked))
    body = assert_refused(answer, 404, code)
    assert not {"seats", "total", "reservation_id"} & set(body)


@pytest.mark.parametrize("make", [make_hold, make_reservation, make_paid])
def test_what_is_somebody_elses_cannot_be_reserved_or_paid(buyer, seats, make):
    theirs = make(UserFactory(), seats[:1])
    with nothing_written():
        reserve = buyer.post(RESERVATIONS, {"hold_id": theirs.pk})
        pay = buyer.post(PAYMENTS, {"reservation_id": theirs.pk})
    assert_refused(reserve, 404, "hold_not_found")
    assert_refused(pay, 404, "reservation_not_found")


def test_a_hold_is_seen_in_the_room_of_its_concert_alone(room, customer, seats, sign_in):
    held = make_hold(customer, seats[:1])
    client = sign_in(customer, make_inside(customer, room=RoomFactory(slug="vip")))
    with nothing_written():
        for answer in (client.get(f"{HOLDS}/{held.pk}"), client.delete(f"{HOLDS}/{held.pk}")):
            assert answer.status_code == 403
    assert Reservation.objects.get().status == "held"
