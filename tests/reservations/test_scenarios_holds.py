"""Scenario 4.1: holding seats."""

from datetime import timedelta

import pytest

from apps.concerts.models import Concert, Seat
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.transitions import cancel
from tests.factories import NOW, ConcertFactory, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import (
    CLAIMS,
    DEADLINE,
    HOLDS,
    assert_refused,
    block,
    dates_url,
    holds_url,
    list_ids,
    make_hold,
    make_inside,
    nothing_written,
    post_hold,
    seats_url,
)

pytestmark = pytest.mark.django_db


def ids(seats):
    return [seat.pk for seat in seats]


def post_ids(client, performance, seat_ids):
    return client.post(holds_url(performance), {"seat_ids": seat_ids})


def test_4_1_1_a_hold_tells_its_seats_and_its_time(buyer, customer, performance, seats):
    answer = post_hold(buyer, seats[:2])
    assert answer.status_code == 201, answer.content
    hold = Reservation.objects.get()
    seat = {"section": "A", "row": "1", "grade": "VIP", "price": 10_000, "y": 1.0}
    assert answer.json() == {
        "id": hold.pk,
        "performance_id": performance.pk,
        "date": "2026-12-11",
        "seats": [
            {"id": seats[0].pk, "number": "1", "x": 1.0, **seat},
            {"id": seats[1].pk, "number": "2", "x": 2.0, **seat},
        ],
        "total": 20_000,
        "currency": "KRW",
        "held_at": "2026-11-01T01:00:00Z",
        "expires_at": "2026-11-01T01:05:00Z",
        "expires_in_seconds": 300,
    }
    assert (hold.customer, hold.status, hold.expires_at) == (customer, "held", DEADLINE)
    assert buyer.get(f"{HOLDS}/{hold.pk}").json() == answer.json()
    assert list_ids(buyer.get(seats_url(performance))) == ids(seats[2:])


def test_4_1_1_the_answer_is_in_house_order_as_every_later_one(buyer, performance, seats):
    for position, seat in enumerate(reversed(seats)):
        Seat.objects.filter(pk=seat.pk).update(position=position)
    answer = post_hold(buyer, seats)
    assert [seat["id"] for seat in answer.json()["seats"]] == ids(seats)[::-1]
    assert buyer.get(f"{HOLDS}/{answer.json()['id']}").json() == answer.json()


def test_4_1_1_the_time_left_goes_by_the_clock(buyer, clock_at_now, performance, seats):
    hold_id = post_hold(buyer, seats[:1]).json()["id"]
    clock_at_now.move(seconds=60.5)
    assert buyer.get(f"{HOLDS}/{hold_id}").json()["expires_in_seconds"] == 240


def test_4_1_1_an_overdue_hold_is_taken_over_without_a_sweep(
    buyer, clock_at_now, performance, seats
):
    old = make_hold(UserFactory(), seats[:2])
    clock_at_now.now = DEADLINE
    assert post_hold(buyer, seats[:1]).status_code == 201
    old.refresh_from_db()
    assert (old.status, old.ended_at) == ("expired", DEADLINE)


def test_4_1_1_a_seat_given_back_is_free_at_once(buyer, performance, seats):
    hold_id = post_hold(buyer, seats[:1]).json()["id"]
    assert buyer.delete(f"{HOLDS}/{hold_id}").status_code == 204
    assert list_ids(buyer.get(seats_url(performance))) == ids(seats)
    assert_refused(buyer.get(f"{HOLDS}/{hold_id}"), 404, "hold_not_found")
    assert post_hold(buyer, seats[:1]).status_code == 201


def test_4_1_1_a_repeated_request_gets_the_first_answer(buyer, clock_at_now, performance, seats):
    first = post_hold(buyer, seats[:1], HTTP_IDEMPOTENCY_KEY="once")
    clock_at_now.move(seconds=30)
    with nothing_written():
        again = post_hold(buyer, seats[:1], HTTP_IDEMPOTENCY_KEY="once")
        other = post_hold(buyer, seats[1:2], HTTP_IDEMPOTENCY_KEY="once")
    assert (again.status_code, again.json()) == (201, first.json())
    assert (first.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert_refused(other, 422, "idempotency_key_reused")


def test_4_1_1_a_refused_request_may_be_tried_again_with_its_key(buyer, performance, seats):
    lost = make_hold(UserFactory(), seats[:1])
    refused = post_hold(buyer, seats[:1], HTTP_IDEMPOTENCY_KEY="once")
    assert_refused(refused, 409, "seat_unavailable")
    cancel(lost, now=NOW)
    assert post_hold(buyer, seats[:1], HTTP_IDEMPOTENCY_KEY="once").status_code == 201


def test_4_1_2_a_bad_token_is_refused(bad_token, performance, seats):
    with nothing_written():
        bad_token.assert_refuses(post_hold(bad_token.client, seats[:1]))


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_4_1_3_a_seat_that_somebody_has_is_refused(buyer, performance, seats, claim):
    claim(UserFactory(), seats[1:2])
    with nothing_written():
        answer = post_hold(buyer, seats[:2])
    body = assert_refused(answer, 409, "seat_unavailable", seat_ids=[seats[1].pk])
    assert body["alternatives"] == [ids(seats[2:])]


def test_4_1_3_a_blocked_seat_is_refused(buyer, performance, seats):
    block(seats[0])
    with nothing_written():
        answer = post_hold(buyer, seats[:1])
    assert_refused(
        answer,
        409,
        "seat_unavailable",
        seat_ids=[seats[0].pk],
        alternatives=[[seat.pk] for seat in seats[1:]],
    )


def test_4_1_3_an_own_seat_is_refused_and_its_deadline_stays(
    buyer, clock_at_now, customer, performance, seats
):
    held = make_hold(customer, seats[:1])
    clock_at_now.move(seconds=60)
    with nothing_written():
        answer = post_hold(buyer, seats[:1])
    assert_refused(answer, 409, "seat_unavailable", seat_ids=[seats[0].pk])
    held.refresh_from_db()
    assert held.expires_at == DEADLINE


def test_4_1_3_where_nothing_is_left_there_are_no_alternatives(buyer, performance, seats):
    make_hold(UserFactory(), seats)
    answer = post_hold(buyer, seats[:2])
    assert_refused(answer, 409, "seat_unavailable", seat_ids=ids(seats[:2]), alternatives=[])


@pytest.mark.parametrize("kind", ["unknown", "not published", "out of range"])
def test_4_1_4_an_unknown_concert_is_refused(buyer, performance, seats, kind):
    concert_id = {
        "unknown": 999_999_999,
        "not published": ConcertFactory(published=False).pk,
        "out of range": 2**63,
    }[kind]
    with nothing_written():
        answer = buyer.post(
            f"/api/v1/concerts/{concert_id}/dates/2026-12-11/holds", {"seat_ids": [seats[0].pk]}
        )
    assert_refused(answer, 404, "concert_not_found")


@pytest.mark.parametrize(
    ("day", "window"),
    [
        ("2026-12-10", {}),
        ("2026-12-11", {"sales_close_at": NOW}),
        ("2026-12-11", {"sales_open_at": NOW + timedelta(seconds=1)}),
    ],
)
def test_4_1_5_a_date_that_cannot_be_booked_is_refused(buyer, performance, seats, day, window):
    Concert.objects.update(**window)
    with nothing_written():
        answer = buyer.post(f"{dates_url(performance)}/{day}/holds", {"seat_ids": [seats[0].pk]})
    assert_refused(answer, 409, "date_not_bookable")


@pytest.mark.parametrize("day", ["2026-13-01", "soon", "2026-W50-5"])
def test_4_1_5_what_is_no_date_is_refused(buyer, performance, seats, day):
    with nothing_written():
        answer = buyer.post(f"{dates_url(performance)}/{day}/holds", {"seat_ids": [seats[0].pk]})
    assert_refused(answer, 400, "invalid_request")


def test_4_1_5_seats_of_another_date_are_not_found(buyer, performance, seats):
    other = PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(days=1)
    )
    (elsewhere,) = make_seats(other, 1)
    with nothing_written():
        answer = post_ids(buyer, performance, [seats[0].pk, elsewhere.pk])
    assert_refused(answer, 404, "seat_not_found")


def test_4_1_1_all_seats_are_of_one_performance(buyer, performance, seats):
    evening = PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(hours=4)
    )
    (elsewhere,) = make_seats(evening, 1)
    with nothing_written():
        answer = post_ids(buyer, performance, [seats[0].pk, elsewhere.pk])
    body = assert_refused(answer, 400, "invalid_request")
    assert [(e["field"], e["code"]) for e in body["errors"]] == [
        ("seat_ids", "several_performances")
    ]
    assert post_ids(buyer, performance, [elsewhere.pk]).status_code == 201


def test_4_1_1_no_more_seats_than_the_limit(buyer, customer, performance):
    seats = make_seats(performance, 5)
    with nothing_written():
        assert_refused(post_hold(buyer, seats), 409, "seat_limit_exceeded", limit=4)
    assert post_hold(buyer, seats[:4]).status_code == 201
    with nothing_written():
        assert_refused(post_hold(buyer, seats[4:]), 409, "seat_limit_exceeded", limit=4)


@pytest.mark.parametrize(
    "seat_ids",
    [None, [], "1", 1, [0], [-1], [2**63], ["1"], [1.5], [True], [None], [1, 1], [*range(1, 102)]],
    ids=str,
)
def test_4_1_1_a_malformed_request_is_refused(buyer, performance, seats, seat_ids):
    with nothing_written():
        answer = post_ids(buyer, performance, seat_ids)
    body = assert_refused(answer, 400, "invalid_request")
    assert body["errors"][0]["field"].startswith("seat_ids")


def test_4_1_1_an_unknown_seat_is_not_found(buyer, performance, seats):
    with nothing_written():
        answer = post_ids(buyer, performance, [seats[0].pk, 2**63 - 1])
    assert_refused(answer, 404, "seat_not_found")


def test_4_1_1_the_price_is_that_of_the_moment(buyer, performance, seats):
    hold_id = post_hold(buyer, seats[:1]).json()["id"]
    Seat.objects.update(price=99_000)
    hold = buyer.get(f"{HOLDS}/{hold_id}").json()
    assert (hold["total"], hold["seats"][0]["price"]) == (10_000, 10_000)


def test_4_1_3_only_one_of_two_customers_gets_the_seat(
    buyer, clock_at_now, performance, seats, sign_in
):
    entry = make_inside()
    other = sign_in(entry.customer, entry)
    assert post_hold(other, seats[:2]).status_code == 201
    with nothing_written():
        assert_refused(post_hold(buyer, seats[1:]), 409, "seat_unavailable")
    assert ReservationSeat.objects.filter(seat=seats[1], released_at=None).count() == 1
