"""Seats of one customer, however they ask for them: in the end no more than the concert allows."""

from datetime import timedelta

import pytest

from apps.queue.models import Presence
from apps.reservations.models import ReservationSeat
from tests.factories import PerformanceFactory, make_seats
from tests.reservations.support import (
    assert_refused,
    make_inside,
    nothing_written,
    post_cancel,
    post_hold,
    post_payment,
    post_reservation,
)

pytestmark = pytest.mark.django_db

CHARGES = "/api/v1/wallet/charges"


@pytest.fixture
def house(performance):
    return make_seats(performance, 10)


def assert_full(client, seats):
    with nothing_written():
        assert_refused(post_hold(client, seats), 409, "seat_limit_exceeded", limit=4)


def take(client, seats):
    answer = post_hold(client, seats)
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def test_split_over_requests(buyer, house):
    for seat in house[:4]:
        take(buyer, [seat])
    assert_full(buyer, house[4:5])


def test_a_request_that_would_go_over_gets_none(buyer, house):
    take(buyer, house[:3])
    assert_full(buyer, house[3:5])
    take(buyer, house[3:4])


def test_two_shows_of_one_date_are_two(buyer, performance, house):
    starts_at = performance.starts_at + timedelta(hours=4)
    evening = PerformanceFactory(concert=performance.concert, starts_at=starts_at)
    late = make_seats(evening, 5)
    evening.refresh_from_db()
    assert evening.date == type(performance).objects.get(pk=performance.pk).date
    take(buyer, house[:4])
    take(buyer, late[:4])
    assert_full(buyer, late[4:])
    assert_full(buyer, house[4:5])


def test_what_is_given_back_counts_no_more(buyer, house):
    hold_id = take(buyer, house[:4])
    assert buyer.delete(f"/api/v1/holds/{hold_id}").status_code == 204
    take(buyer, house[2:6])
    assert_full(buyer, house[6:7])


def test_what_has_run_out_counts_no_more_swept_or_not(buyer, house, clock_at_now):
    take(buyer, house[:4])
    clock_at_now.move(seconds=299)
    Presence.objects.update(last_seen_at=clock_at_now.now)
    assert_full(buyer, house[4:5])
    clock_at_now.move(seconds=1)
    take(buyer, house[:4])
    assert_full(buyer, house[4:5])


def test_reserved_paid_and_cancelled(buyer, customer, sign_in, house):
    buyer.post(CHARGES, {"amount": 100_000})
    reservation_id = take(buyer, house[:4])
    assert post_reservation(buyer, reservation_id).status_code == 201
    assert_full(buyer, house[4:5])
    assert post_payment(buyer, reservation_id).status_code == 201
    again = sign_in(customer, make_inside(customer))
    assert_full(again, house[4:5])
    assert post_cancel(again, reservation_id).status_code == 200
    take(again, house[3:7])
    assert_full(again, house[7:8])


def test_a_seat_asked_for_twice_is_no_second_seat(buyer, house):
    answer = buyer.post(
        f"/api/v1/concerts/{house[0].performance.concert_id}/dates/2026-12-11/holds",
        {"seat_ids": [house[0].pk] * 2},
    )
    assert_refused(answer, 400, "invalid_request")
    assert ReservationSeat.objects.count() == 0
