"""Estimates, how often to ask, and what anybody may see of a room."""

from datetime import timedelta

import pytest

from apps.queue import services
from apps.queue.errors import RoomNotFound
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.selectors import (
    estimate_wait_s,
    find_entry,
    get_line_status,
    get_room_status,
    poll_interval_s,
)
from apps.queue.transitions import measure_admissions_per_second
from tests.factories import NOW, ConcertFactory, QueueEntryFactory, RoomFactory

ROOMS = "/api/v1/queue/rooms"


def make_room(**fields):
    return WaitingRoom(**{"capacity": 10, "session_seconds": 100, "idle_seconds": 60, **fields})


@pytest.mark.parametrize(
    ("fields", "position", "estimate_s"),
    [
        ({}, 1, 10),  # ten places, each used for 100 s: one enters every 10 s
        ({}, 25, 250),
        ({"admissions_per_second": 2}, 25, 13),  # the rate seen lately goes before
        ({"admissions_per_second": 2, "admit_per_minute": 60}, 25, 25),  # but not above the limit
        ({"admissions_per_second": 0.5, "admit_per_minute": 60}, 25, 50),
        ({"admissions_per_second": 1e-9}, 25, 86_400),  # never more than a day
        ({"state": "draining"}, 1, 10),
        ({"state": "paused"}, 1, None),
        ({"state": "closed"}, 1, None),
    ],
)
def test_estimates(fields, position, estimate_s):
    assert estimate_wait_s(make_room(**fields), position) == estimate_s


@pytest.mark.parametrize(
    ("wait_s", "idle_seconds", "poll_s"),
    [
        (None, 60, 20),  # a third of the idle limit, so that two polls may be lost
        (3_600, 60, 20),
        (90, 60, 9),  # oftener the nearer the turn
        (5, 60, 1),
        (0, 60, 1),
        (3_600, 3, 1),
    ],
)
def test_the_time_to_ask_again(wait_s, idle_seconds, poll_s):
    assert poll_interval_s(make_room(idle_seconds=idle_seconds), wait_s=wait_s) == poll_s


@pytest.mark.django_db
class TestLineStatus:
    def test_estimates_are_null_while_the_room_is_paused(self, room):
        WaitingRoom.objects.update(state="paused")
        entry = QueueEntryFactory(room=WaitingRoom.objects.get())
        status = get_line_status(entry, now=NOW)
        assert (status.position, status.estimated_wait_seconds) == (1, None)
        assert status.poll_after_seconds == 20

    def test_who_is_inside_waits_for_nothing(self, room):
        status = get_line_status(QueueEntryFactory(room=room, admitted=True), now=NOW)
        assert (status.position, status.estimated_wait_seconds) == (0, 0)
        assert status.poll_after_seconds == 20

    def test_an_entry_is_found_by_its_token_alone(self, room):
        entry = QueueEntryFactory(room=room)
        assert find_entry(f"token-{entry.number}") == entry
        assert find_entry(entry.token_hash.hex()) is None


@pytest.mark.django_db
class TestMeasuredRate:
    def enter(self, room, *seconds_ago):
        for seconds in seconds_ago:
            QueueEntryFactory(room=room, admitted=True, at=NOW - timedelta(seconds=seconds))

    def test_nobody_entered(self, room):
        assert measure_admissions_per_second(room, now=NOW) == 0

    def test_a_burst_is_spread_over_a_minute(self, room):
        self.enter(room, 1, 1, 1)
        assert measure_admissions_per_second(room, now=NOW) == pytest.approx(3 / 60)

    def test_it_is_measured_since_the_first_of_the_last_five_minutes(self, room):
        self.enter(room, 400, 200, 100)
        assert measure_admissions_per_second(room, now=NOW) == pytest.approx(2 / 200)

    def test_it_is_written_down_by_admission(self, room):
        self.enter(room, 1)
        services.admit_queue(now=NOW)
        room.refresh_from_db()
        assert room.admissions_per_second == pytest.approx(1 / 60)
        assert room.admission_checked_at == NOW


@pytest.mark.django_db
class TestRoomStatus:
    def test_the_silent_and_the_over_long_are_not_counted(self, room):
        WaitingRoom.objects.update(capacity=1, session_seconds=90, now_serving=7)
        QueueEntryFactory(room=room)
        QueueEntryFactory(room=room, admitted=True)
        long_ago = NOW - timedelta(seconds=60)
        QueueEntryFactory(room=room, at=long_ago)
        QueueEntryFactory(room=room, admitted=True, at=long_ago)
        status = get_room_status("main", now=NOW)
        assert (status.waiting, status.admitted) == (1, 1)
        assert status.estimated_wait_seconds == 2 * 90

    def test_an_unknown_room(self, db):
        with pytest.raises(RoomNotFound):
            get_room_status("nowhere", now=NOW)

    @pytest.mark.usefixtures("clock_at_now")
    def test_anybody_may_ask_and_a_cache_may_answer(self, client, room):
        WaitingRoom.objects.update(now_serving=7)
        QueueEntryFactory(room=room, admitted=True)
        answer = client.get(f"{ROOMS}/main")
        assert answer.json() == {
            "slug": "main",
            "name": "Encore",
            "state": "open",
            "waiting": 0,
            "admitted": 1,
            "now_serving": 7,
            "estimated_wait_seconds": 0,
        }
        assert answer["Cache-Control"] == "public, max-age=1"
        assert "Cookie" not in answer.get("Vary", "")
        assert not answer.cookies

    @pytest.mark.parametrize("state", ["paused", "closed"])
    def test_nobody_can_tell_the_wait_while_nobody_enters(self, client, room, state):
        WaitingRoom.objects.update(state=state)
        body = client.get(f"{ROOMS}/main").json()
        assert (body["state"], body["estimated_wait_seconds"]) == (state, None)

    @pytest.mark.parametrize("slug", ["nowhere", "%00", "%F0%9F%8E%B8", "%ED%A0%80", "a" * 5_000])
    def test_an_unknown_room_is_not_found(self, client, room, slug):
        answer = client.get(f"{ROOMS}/{slug}")
        assert (answer.status_code, answer.json()["code"]) == (404, "room_not_found")


@pytest.mark.django_db
class TestRoomsOfConcerts:
    """A token is good for the concerts of its room alone."""

    @pytest.fixture
    def snow(self, room):
        RoomFactory(slug="first-snow")
        return ConcertFactory(room="first-snow")

    def assert_wrong_room(self, answer):
        body = answer.json()
        assert (answer.status_code, body["code"]) == (403, "wrong_waiting_room")
        assert body["room"] == "first-snow"

    def test_another_rooms_token_opens_no_concert(self, buyer, snow):
        url = f"/api/v1/concerts/{snow.pk}/dates"
        self.assert_wrong_room(buyer.get(url))
        self.assert_wrong_room(buyer.get(f"{url}/2026-12-11/seats"))
        self.assert_wrong_room(buyer.post(f"{url}/2026-12-11/holds", {"seat_ids": [1]}))

    @pytest.mark.usefixtures("clock_at_now")
    def test_the_rooms_own_token_does(self, sign_in, customer, snow):
        token = (
            sign_in(customer).post("/api/v1/queue/tokens", {"concert_id": snow.pk}).json()["token"]
        )
        client = sign_in(customer, HTTP_X_QUEUE_TOKEN=token)
        assert client.get(f"/api/v1/concerts/{snow.pk}/dates").json()["results"] == []

    def test_who_waits_sees_no_dates(self, sign_in, customer, snow, clock_at_now):
        entry = QueueEntryFactory(
            room=WaitingRoom.objects.get(slug="first-snow"), customer=customer
        )
        answer = sign_in(customer, entry).get(f"/api/v1/concerts/{snow.pk}/dates")
        body = answer.json()
        assert (answer.status_code, body["code"]) == (403, "queue_not_admitted")
        assert body["position"] == 1
        assert set(body) >= {"estimated_wait_seconds", "poll_after_seconds"}
        entry.refresh_from_db()
        assert entry.state == QueueEntry.State.WAITING
