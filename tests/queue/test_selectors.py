"""What anybody may see of a room, and whose tokens open what."""

import pytest

from apps.queue import services
from apps.queue.errors import RoomNotFound
from apps.queue.models import QueueEntry, Segment, Turnstile, WaitingRoom
from apps.queue.selectors import find_entry, get_entry, get_line_status
from tests.factories import NOW, ConcertFactory, QueueEntryFactory, RoomFactory
from tests.queue.support import (
    at,
    close_doors,
    count_statements,
    stand_in_line,
    states,
    turnstile_of,
)

ROOMS = "/api/v1/queue/rooms"
# Of the call that looks after a room: the sweep in its two batches, the admission and the count.
STATEMENTS_OF_A_REFRESH = 30


@pytest.mark.django_db
class TestLineStatus:
    def test_estimates_are_null_while_the_room_is_paused(self, room):
        close_doors(room)
        (entry,) = stand_in_line(room, 1)
        status = get_line_status(get_entry(entry.pk), now=NOW)
        assert (status.position, status.estimated_wait_seconds) == (1, None)
        assert 16 <= status.poll_after_seconds <= 20

    def test_who_is_inside_waits_for_nothing(self, room):
        entry = QueueEntryFactory(room=room, admitted=True)
        status = get_line_status(get_entry(entry.pk), now=NOW)
        assert (status.position, status.estimated_wait_seconds) == (0, 0)
        assert 16 <= status.poll_after_seconds <= 20

    def test_an_entry_is_found_by_its_token_alone(self, room):
        entry = QueueEntryFactory(room=room)
        assert find_entry(f"token-{entry.number}") == entry
        assert find_entry(entry.token_hash.hex()) is None

    def test_an_entry_is_found_as_the_orm_would_find_it(self, room):
        close_doors(room)
        entry = stand_in_line(room, 3)[-1]
        found = get_entry(entry.pk)
        same = QueueEntry.objects.select_related("room__turnstile", "presence").get(pk=entry.pk)
        for ours, orms in (
            (found, same),
            (found.room, same.room),
            (found.room.turnstile, same.room.turnstile),
            (found.presence, same.presence),
        ):
            names = [field.attname for field in type(orms)._meta.concrete_fields]
            assert [getattr(ours, name) for name in names] == [
                getattr(orms, name) for name in names
            ]
        assert (found.ahead, found.customer_is_active) == (2, True)

    def test_one_statement_finds_an_entry_and_where_it_stands(self, room):
        close_doors(room)
        entry = stand_in_line(room, 3)[-1]
        with count_statements() as statements:
            status = get_line_status(find_entry(f"token-{entry.number}"), now=NOW)
        assert (status.position, len(statements)) == (3, 1)

    def test_an_entry_that_has_ended_has_neither_presence_nor_position(self, room):
        entry = QueueEntryFactory(room=room, state="ended", ended_at=NOW, end_reason="left")
        found = find_entry(f"token-{entry.number}")
        assert (found.end_reason, found.ahead) == ("left", None)


@pytest.mark.django_db
class TestRoomStatus:
    def test_the_silent_and_the_over_long_are_not_counted(self, room):
        WaitingRoom.objects.update(capacity=1, session_seconds=90)
        Turnstile.objects.update(now_serving=7)
        QueueEntryFactory(room=room, admitted=True, at=at(-60))
        stand_in_line(room, 1, seen=at(-60))
        QueueEntryFactory(room=room, admitted=True)
        stand_in_line(room, 1)
        turnstile = services.see_room(slug="main", now=NOW).room.turnstile
        assert (turnstile.waiting, turnstile.admitted, turnstile.now_serving) == (1, 1, 7)

    def test_the_wait_is_that_of_somebody_who_joined_now(self, room):
        WaitingRoom.objects.update(capacity=1, session_seconds=90)
        stand_in_line(room, 2)
        status = services.see_room(slug="main", now=NOW)
        assert states(*QueueEntry.objects.order_by("place")) == ["admitted", "waiting"]
        assert status.estimated_wait_seconds == 2 * 90

    def test_it_is_that_of_the_turnstile_until_the_count_is_overdue(self, room):
        close_doors(room)
        stand_in_line(room, 1)
        services.see_room(slug="main", now=NOW)
        stand_in_line(room, 1)
        for seconds, waiting in ((0, 1), (0.999, 1), (1, 2)):
            status = services.see_room(slug="main", now=at(seconds))
            assert status.room.turnstile.waiting == waiting

    @pytest.mark.parametrize("seconds", [-3_600, -1, 1, 3_600])
    def test_it_is_counted_again_after_a_clock_went_wrong(self, room, seconds):
        Turnstile.objects.update(counted_at=at(seconds), admitted=400)
        status = services.see_room(slug="main", now=NOW)
        assert (status.room.turnstile.admitted, status.room.turnstile.counted_at) == (0, NOW)

    def test_asking_lets_the_next_in_while_beat_is_stopped(self, room):
        (entry,) = stand_in_line(room, 1)
        services.see_room(slug="main", now=NOW)
        assert states(entry) == ["admitted"]

    @pytest.mark.parametrize("people", [1, 600])
    def test_it_asks_the_database_once_however_long_the_line(self, room, people):
        close_doors(room)
        stand_in_line(room, people)
        services.see_room(slug="main", now=NOW)
        with count_statements() as statements:
            status = services.see_room(slug="main", now=at(0.5))
        assert (status.room.turnstile.waiting, len(statements)) == (people, 1)

    def test_a_refresh_asks_no_oftener_however_long_the_line(self, room):
        close_doors(room)
        for second, people in enumerate((1, 300, 2_500, 0, 0)):
            stand_in_line(room, people, seen=at(second))
            with count_statements() as statements:
                services.see_room(slug="main", now=at(second))
            assert len(statements) <= STATEMENTS_OF_A_REFRESH, statements
        assert turnstile_of(room).waiting == 2_801

    def test_an_unknown_room(self, db):
        with pytest.raises(RoomNotFound):
            services.see_room(slug="nowhere", now=NOW)
        assert not Segment.objects.exists()

    @pytest.mark.usefixtures("clock_at_now")
    def test_anybody_may_ask_and_a_cache_may_answer(self, client, room):
        Turnstile.objects.update(now_serving=7)
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
            "opens_at": None,
            "draws": [],
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
        before = turnstile_of(room)
        answer = client.get(f"{ROOMS}/{slug}")
        assert (answer.status_code, answer.json()["code"]) == (404, "room_not_found")
        assert turnstile_of(room).counted_at == before.counted_at is None


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
