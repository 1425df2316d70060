"""Scenarios 3.1 and 3.2: which dates and seats can be booked."""

from datetime import timedelta

import pytest

from apps.concerts.models import Concert, Seat
from apps.core import prepared
from apps.core.db import transaction
from apps.payments.services import cancel_reservation, pay_reservation
from apps.reservations.models import Reservation
from apps.reservations.services import expire_holds, release_hold, reserve_hold
from apps.reservations.transitions import cancel, expire_reservations
from apps.wallet.services import charge_wallet
from tests.concurrency.racing import held_open
from tests.factories import NOW, ConcertFactory, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import (
    CLAIMS,
    DEADLINE,
    assert_refused,
    block,
    dates_url,
    hold,
    list_ids,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    seats_url,
)

pytestmark = pytest.mark.django_db


def ids(seats):
    return [seat.pk for seat in seats]


def list_dates(client, performance):
    answer = client.get(dates_url(performance))
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def list_statuses(client, performance, /, **params):
    answer = client.get(seats_url(performance), {"include": "all", **params})
    assert answer.status_code == 200, answer.content
    return {row["id"]: row["status"] for row in answer.json()["results"]}


# Dates


def test_3_1_1_dates_with_a_free_seat_in_order(buyer, performance):
    concert, day = performance.concert, timedelta(days=1)
    later = PerformanceFactory(concert=concert, starts_at=performance.starts_at + day)
    evening = PerformanceFactory(
        concert=concert, starts_at=performance.starts_at + timedelta(hours=9)
    )
    make_seats(later, 1, price=5_000)
    make_seats(evening, 3, price=30_000)
    make_seats(performance, 2, price=10_000)
    assert list_dates(buyer, performance) == [
        {
            "date": "2026-12-11",
            "seats_available": 5,
            "price_min": 10_000,
            "price_max": 30_000,
            "performances": [
                {
                    "id": performance.pk,
                    "starts_at": "2026-12-11T01:00:00Z",
                    "seats_available": 2,
                },
                {"id": evening.pk, "starts_at": "2026-12-11T10:00:00Z", "seats_available": 3},
            ],
        },
        {
            "date": "2026-12-12",
            "seats_available": 1,
            "price_min": 5_000,
            "price_max": 5_000,
            "performances": [
                {"id": later.pk, "starts_at": "2026-12-12T01:00:00Z", "seats_available": 1}
            ],
        },
    ]


def test_3_1_1_two_shows_that_share_a_day_in_utc_are_on_the_dates_of_the_venue(buyer, performance):
    evening = performance.starts_at + timedelta(hours=13)  # 23:00 in Seoul
    for starts_at in (evening + timedelta(hours=2), evening):
        make_seats(PerformanceFactory(concert=performance.concert, starts_at=starts_at), 1)
    assert [row["date"] for row in list_dates(buyer, performance)] == ["2026-12-11", "2026-12-12"]


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_3_1_1_claimed_and_blocked_seats_do_not_count(buyer, performance, seats, claim):
    claim(UserFactory(), seats[:1])
    block(seats[1])
    (row,) = list_dates(buyer, performance)
    assert (row["seats_available"], row["performances"][0]["seats_available"]) == (2, 2)


def test_3_1_1_seats_whose_time_is_over_count_again(buyer, clock_at_now, performance, seats):
    make_hold(UserFactory(), seats[:2])
    make_reservation(UserFactory(), seats[2:])
    assert list_dates(buyer, performance) == []
    clock_at_now.now = DEADLINE
    assert list_dates(buyer, performance)[0]["seats_available"] == 4


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_3_1_2_no_free_seat_is_an_empty_list(buyer, performance, seats, claim):
    claim(UserFactory(), seats[:3])
    block(seats[3])
    answer = buyer.get(dates_url(performance))
    assert answer.json() == {"results": [], "next": None, "previous": None}


@pytest.mark.parametrize(
    "window",
    [
        {"sales_open_at": NOW + timedelta(microseconds=1)},
        {"sales_close_at": NOW},
    ],
)
def test_3_1_2_outside_the_sales_window_is_an_empty_list(buyer, performance, seats, window):
    Concert.objects.update(**window)
    assert list_dates(buyer, performance) == []


def test_3_1_2_what_has_begun_is_not_listed(buyer, clock_at_now, performance, seats):
    Concert.objects.update(sales_close_at=performance.starts_at + timedelta(days=1))
    later = PerformanceFactory(concert=performance.concert, starts_at=NOW)
    make_seats(later, 1)
    assert [row["date"] for row in list_dates(buyer, performance)] == ["2026-12-11"]


def test_3_1_3_a_bad_token_is_refused(bad_token, performance, seats):
    with nothing_written():
        bad_token.assert_refuses(bad_token.client.get(dates_url(performance)))


@pytest.mark.parametrize("kind", ["unknown", "not published", "out of range"])
def test_3_1_4_an_unknown_concert_is_refused(buyer, room, kind):
    concert_id = {
        "unknown": 999_999_999,
        "not published": ConcertFactory(published=False).pk,
        "out of range": 2**63,
    }[kind]
    with nothing_written():
        answer = buyer.get(f"/api/v1/concerts/{concert_id}/dates")
    assert_refused(answer, 404, "concert_not_found")


# Seats


def test_3_2_1_free_seats_in_house_order(buyer, performance):
    second = make_seats(performance, 2, section="B", price=20_000)
    first = make_seats(performance, 2, section="A")
    for position, seat in enumerate(first + second):
        Seat.objects.filter(pk=seat.pk).update(position=position)
    answer = buyer.get(seats_url(performance))
    assert list_ids(answer) == ids(first + second)
    assert answer.json()["results"][2] == {
        "id": second[0].pk,
        "performance_id": performance.pk,
        "section": "B",
        "row": "1",
        "number": "1",
        "grade": "VIP",
        "price": 20_000,
        "x": 1.0,
        "y": 1.0,
    }
    assert (answer.json()["next"], answer.json()["previous"]) == (None, None)


def test_3_2_1_a_date_with_two_shows_can_be_narrowed(buyer, performance, seats):
    evening = PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(hours=4)
    )
    others = make_seats(evening, 2)
    url = seats_url(performance)
    assert list_ids(buyer.get(url)) == ids(seats + others)
    assert list_ids(buyer.get(url, {"performance": performance.pk})) == ids(seats)
    assert list_ids(buyer.get(url, {"performance": evening.pk})) == ids(others)
    narrowed = list_statuses(buyer, performance, performance=evening.pk)
    assert narrowed == dict.fromkeys(ids(others), "available")


def test_3_2_1_include_all_tells_the_status_of_each_seat(buyer, clock_at_now, performance):
    seats = make_seats(performance, 8)
    for claim, seat in zip(CLAIMS.values(), seats, strict=False):
        claim(UserFactory(), [seat])
    block(seats[3])
    cancel(make_hold(UserFactory(), [seats[4]]), now=NOW)
    expire_reservations([make_hold(UserFactory(), [seats[5]]).pk])
    make_hold(UserFactory(), [seats[6]], at=NOW - timedelta(minutes=5))
    statuses = ["held", "reserved", "sold", "blocked", *["available"] * 4]
    assert list_statuses(buyer, performance) == dict(zip(ids(seats), statuses, strict=True))
    assert list_ids(buyer.get(seats_url(performance))) == ids(seats[4:])


@pytest.mark.parametrize("claim", CLAIMS, ids=CLAIMS)
def test_3_2_1_a_blocked_seat_stays_with_who_has_it(buyer, performance, seats, claim):
    CLAIMS[claim](UserFactory(), seats[:1])
    block(seats[0])
    assert list_statuses(buyer, performance)[seats[0].pk] == claim


def test_3_2_1_a_deadline_that_passes_frees_the_seat_without_a_write(
    buyer, clock_at_now, performance, seats
):
    make_reservation(UserFactory(), seats[:1])
    clock_at_now.now = DEADLINE - timedelta(microseconds=1)
    assert seats[0].pk not in list_ids(buyer.get(seats_url(performance)))
    clock_at_now.now = DEADLINE
    assert list_ids(buyer.get(seats_url(performance))) == ids(seats)
    assert Reservation.objects.get().status == "reserved"


@pytest.mark.parametrize("params", [{}, {"include": "all"}])
def test_3_2_1_304_until_a_seat_changes(buyer, clock_at_now, performance, seats, params):
    def ask(etag=""):
        answer = buyer.get(seats_url(performance), params, HTTP_IF_NONE_MATCH=etag)
        assert answer["Cache-Control"] == "private, no-cache"
        return answer.status_code, answer["ETag"]

    status, first = ask()
    assert (status, ask(first)) == (200, (304, first))
    held = make_hold(UserFactory(), seats[:1])
    status, second = ask(first)
    assert (status, second != first) == (200, True)
    # Commits elsewhere change nothing here.
    elsewhere = PerformanceFactory()
    make_hold(UserFactory(), make_seats(elsewhere, 1))
    charge_wallet(customer_id=UserFactory().pk, amount=1_000, now=NOW)
    assert ask(second) == (304, second)
    cancel(held, now=NOW)
    assert ask(second) == (200, first)


def test_3_2_1_304_ends_with_a_deadline(buyer, clock_at_now, performance, seats):
    free = buyer.get(seats_url(performance))["ETag"]
    make_hold(UserFactory(), seats[:1])
    url = seats_url(performance)
    held = buyer.get(url)["ETag"]
    assert buyer.get(url, HTTP_IF_NONE_MATCH=held).status_code == 304
    clock_at_now.now = DEADLINE
    assert buyer.get(url, HTTP_IF_NONE_MATCH=held).status_code == 200
    assert buyer.get(url, HTTP_IF_NONE_MATCH=free).status_code == 304


class Follower:
    """A client that asks for what has changed, each time since its last answer."""

    def __init__(self, client, performance):
        self.client, self.url = client, seats_url(performance)
        self.version = client.get(self.url).json()["version"]

    def ask(self):
        answer = self.client.get(self.url, {"since": self.version})
        assert answer.status_code == 200, answer.content
        self.version = answer.json()["version"]
        return {row["id"]: row["status"] for row in answer.json()["results"]}


@pytest.mark.django_db(transaction=True)
def test_3_2_1_since_gives_exactly_what_has_changed(buyer, clock_at_now, performance, seats):
    one, two, three, four = ids(seats)
    entry = make_inside()
    charge_wallet(customer_id=entry.customer_id, amount=100_000, now=NOW)
    follower = Follower(buyer, performance)
    assert follower.ask() == {}
    held = hold(entry, seats[:2])
    assert follower.ask() == {one: "held", two: "held"}
    assert follower.ask() == {}
    reserve_hold(entry_id=entry.pk, hold_id=held.pk, now=NOW)
    assert follower.ask() == {one: "reserved", two: "reserved"}
    pay_reservation(entry_id=entry.pk, reservation_id=held.pk, now=NOW)
    assert follower.ask() == {one: "sold", two: "sold"}
    cancel_reservation(customer_id=entry.customer_id, reservation_id=held.pk, now=NOW)
    assert follower.ask() == {one: "available", two: "available"}
    block(seats[2])
    assert follower.ask() == {three: "blocked"}
    block(seats[2], reason="")
    assert follower.ask() == {three: "available"}
    entry = make_inside()
    given_back = hold(entry, seats[3:])
    release_hold(entry_id=entry.pk, hold_id=given_back.pk, now=NOW)
    assert follower.ask() == {four: "available"}
    hold(make_inside(), make_seats(PerformanceFactory(), 1))
    assert follower.ask() == {}


@pytest.mark.django_db(transaction=True)
def test_3_2_1_since_tells_of_deadlines_sweeps_and_take_overs(
    buyer, clock_at_now, performance, seats
):
    one, two, three, _four = ids(seats)
    hold(make_inside(), seats[:2])
    hold(make_inside(), seats[2:3], now=NOW + timedelta(seconds=60))
    follower = Follower(buyer, performance)
    clock_at_now.now = DEADLINE - timedelta(seconds=10)
    assert follower.ask() == {}
    clock_at_now.now = DEADLINE
    assert follower.ask() == {one: "available", two: "available"}
    # Told once more: the clocks of two machines may differ by seconds.
    clock_at_now.move(seconds=10)
    assert follower.ask() == {one: "available", two: "available"}
    assert follower.ask() == {}
    hold(make_inside(), seats[:1], now=clock_at_now.now)  # takes over, and frees the neighbour
    assert follower.ask() == {one: "held", two: "available"}
    clock_at_now.now = DEADLINE + timedelta(seconds=70)
    assert follower.ask() == {three: "available"}
    assert expire_holds(now=clock_at_now.now) == 1
    assert follower.ask() == {three: "available"}
    clock_at_now.move(seconds=10)
    follower.ask()
    assert follower.ask() == {}


@pytest.mark.django_db(transaction=True)
def test_3_2_1_since_does_not_miss_what_commits_late(buyer, performance, seats):
    slow, quick = make_inside(), make_inside()
    with held_open(lambda: hold(slow, seats[:1])):
        hold(quick, seats[1:2])
        follower = Follower(buyer, performance)
        assert follower.ask() == {}
    assert follower.ask() == {seats[0].pk: "held"}
    assert follower.ask() == {}


@pytest.mark.django_db(transaction=True)
def test_3_2_1_since_forgets_what_was_rolled_back(buyer, performance, seats):
    def hold_and_fail():
        with transaction():
            make_hold(entry.customer, seats[:1])
            raise ZeroDivisionError

    entry = make_inside()
    follower = Follower(buyer, performance)
    with pytest.raises(ZeroDivisionError):
        hold_and_fail()
    assert follower.ask() == {}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_3_2_2_no_free_seat_is_an_empty_list(buyer, performance, seats, claim):
    claim(UserFactory(), seats[:3])
    block(seats[3])
    assert list_ids(buyer.get(seats_url(performance))) == []


def test_3_2_3_a_bad_token_is_refused(bad_token, performance, seats):
    with nothing_written():
        bad_token.assert_refuses(bad_token.client.get(seats_url(performance)))


@pytest.mark.parametrize("kind", ["unknown", "not published"])
def test_3_2_4_an_unknown_concert_is_refused(buyer, room, kind):
    hidden = ConcertFactory(published=False)
    concert_id = hidden.pk if kind == "not published" else 999_999_999
    with nothing_written():
        answer = buyer.get(f"/api/v1/concerts/{concert_id}/dates/2026-12-11/seats")
    assert_refused(answer, 404, "concert_not_found")


@pytest.mark.parametrize(
    ("day", "window"),
    [
        ("2026-12-10", {}),
        ("2026-12-11", {"sales_close_at": NOW}),
        ("2026-12-11", {"sales_open_at": NOW + timedelta(seconds=1)}),
    ],
)
def test_3_2_5_a_date_that_cannot_be_booked_is_refused(buyer, performance, seats, day, window):
    Concert.objects.update(**window)
    with nothing_written():
        answer = buyer.get(f"{dates_url(performance)}/{day}/seats")
    assert_refused(answer, 409, "date_not_bookable")


def test_3_2_5_a_show_of_another_date_is_refused(buyer, performance, seats):
    other = PerformanceFactory()
    for asked in (other.pk, 0, 10**30):
        answer = buyer.get(seats_url(performance), {"performance": asked})
        assert_refused(answer, 409, "date_not_bookable")


@pytest.mark.parametrize(
    "day", ["2026-13-01", "2026-02-30", "tomorrow", "20261211", "2026-W50-5", "2026-12-11T00"]
)
def test_3_2_5_what_is_no_date_is_refused(buyer, performance, seats, day):
    answer = buyer.get(f"{dates_url(performance)}/{day}/seats")
    body = assert_refused(answer, 400, "invalid_request")
    assert body["errors"][0]["field"] == "date"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("performance", "first"),
        ("performance", ""),
        ("performance", "-1"),
        ("include", "some"),
        ("since", ""),
        ("since", "yesterday"),
        ("since", "1:2:3"),
        ("since", f"1:{2**63}:~0"),
    ],
)
def test_3_2_5_wrong_parameters_are_refused(buyer, performance, seats, name, value):
    answer = buyer.get(seats_url(performance), {name: value})
    body = assert_refused(answer, 400, "invalid_request")
    assert body["errors"][0]["field"] == name


def test_any_version_of_the_right_form_is_answered(buyer, performance, seats):
    for version in ("0:0:~0", f"1:{2**63 - 1}:{2**63},5~{10**17 - 1}"):
        assert buyer.get(seats_url(performance), {"since": version}).status_code == 200
    assert len(list_ids(buyer.get(seats_url(performance), {"since": "0:0:~0"}))) == 4


def test_dates_cost_one_round_trip_and_seats_the_same_number_of_queries_however_many(
    buyer, performance, django_assert_max_num_queries, monkeypatch
):
    for days in range(1, 6):
        starts_at = performance.starts_at + timedelta(days=days)
        make_seats(PerformanceFactory(concert=performance.concert, starts_at=starts_at), 3)
    make_paid(UserFactory(), make_seats(performance, 3))
    trips = []
    really = prepared.exchange_together
    monkeypatch.setattr(
        prepared, "exchange_together", lambda *asked: trips.append(asked) or really(*asked)
    )
    with django_assert_max_num_queries(3 + 2 * 6):  # two for each of the six performances
        assert len(list_dates(buyer, performance)) == 5
    assert len(trips) == 1
    with django_assert_max_num_queries(7):
        assert len(list_statuses(buyer, performance)) == 3
