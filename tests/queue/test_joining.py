"""Taking a place at the end of a line, and what it costs."""

import pytest

from apps.core.errors import Busy
from apps.queue import limits, services
from apps.queue.errors import QueueTokenExpired, RoomNotFound, WaitingRoomClosed
from apps.queue.models import (
    Departure,
    Dispenser,
    Presence,
    QueueEntry,
    Turn,
    Turnstile,
    WaitingRoom,
)
from apps.queue.selectors import get_entry
from tests.core.contents import read_contents
from tests.factories import NOW, RoomFactory, UserFactory
from tests.queue.support import (
    at,
    close_doors,
    count_statements,
    keep_calling,
    poll,
    stand_in_line,
    states,
    turnstile_of,
)

pytestmark = pytest.mark.django_db

TOKENS = "/api/v1/queue/tokens"
CURRENT = f"{TOKENS}/current"

# Of a call over the API, the customer's standing included.
STATEMENTS_OF_A_POLL = 1
STATEMENTS_OF_A_NOTED_POLL = 2
STATEMENTS_OF_A_JOIN = 6


def join(customer=None, *, room_slug="main", now=NOW):
    customer = customer or UserFactory()
    return services.issue_token(customer_id=customer.pk, room_slug=room_slug, now=now)


class TestTakingAPlace:
    def test_the_number_is_the_dispensers_next_and_the_place_the_same(self, room):
        close_doors(room)
        Dispenser.objects.update(last_number=41)
        entry = join().status.entry
        assert (entry.number, entry.place, entry.draw_id) == (42, 42, None)
        assert (entry.joined_at, entry.last_seen_at) == (NOW, NOW)
        assert Dispenser.objects.get().last_number == 42

    @pytest.mark.parametrize("state", ["draining", "closed"])
    def test_a_room_that_takes_nobody_writes_nothing(self, room, state):
        WaitingRoom.objects.update(state=state)
        customer = UserFactory()
        before = read_contents()
        with pytest.raises(WaitingRoomClosed):
            join(customer)
        assert read_contents() == before

    @pytest.mark.parametrize("state", ["draining", "closed"])
    def test_who_has_a_place_in_a_room_that_takes_nobody_keeps_it(self, room, state):
        customer = UserFactory()
        join(customer)
        WaitingRoom.objects.update(state=state)
        before = read_contents()
        with pytest.raises(WaitingRoomClosed):
            join(customer)
        assert read_contents() == before

    @pytest.mark.parametrize("slug", ["nowhere", "", "a\0b", "main\0", "하늘", "x" * 5_000])
    def test_an_unknown_room_writes_nothing(self, room, slug):
        customer = UserFactory()
        before = read_contents()
        with pytest.raises(RoomNotFound):
            join(customer, room_slug=slug)
        assert read_contents() == before

    def test_a_place_is_taken_although_the_room_is_busy(self, room, monkeypatch):
        WaitingRoom.objects.update(capacity=2)
        for step in ("fill_free_places", "look_after"):
            monkeypatch.setattr(services, step, refuse)
        join()
        issued = join()
        assert (issued.status.entry.state, issued.status.position) == ("waiting", 2)
        monkeypatch.undo()
        assert poll(issued.status.entry).position == 0

    def test_who_has_joined_again_meanwhile_is_told_so(self, room, monkeypatch):
        customer = UserFactory()

        def join_again(_room, *, now):
            monkeypatch.undo()
            join(customer, now=now)

        monkeypatch.setattr(services, "tend_room", join_again)
        with pytest.raises(QueueTokenExpired) as refusal:
            join(customer)
        assert refusal.value.fields == {"reason": "reissued"}
        assert states(*QueueEntry.objects.order_by("number")) == ["ended", "admitted"]


def refuse(*_args, **_options):
    raise Busy


class TestJoiningAgain:
    def test_who_waits_goes_to_the_back_and_marks_the_segment(self, room):
        close_doors(room)
        earlier, ahead = stand_in_line(room, 2)
        status = join(earlier.customer, now=at(0.5)).status
        assert states(earlier, ahead) == ["ended", "waiting"]
        assert (status.entry.number, status.position) == (3, 2)
        assert not Presence.objects.filter(entry=earlier).exists()
        ended = QueueEntry.objects.get(pk=earlier.pk)
        assert (ended.end_reason, ended.ended_at) == ("reissued", at(0.5))

    def test_who_waits_is_counted_out_of_the_earlier_place_with_the_next_look(self, room):
        close_doors(room)
        earlier, *_others = stand_in_line(room, 2 * limits.SEGMENT_PLACES)
        services.admit_queue(now=NOW)
        status = join(earlier.customer, now=at(0.5)).status
        assert Departure.objects.get().segment == 0
        services.admit_queue(now=at(1))
        assert poll(status.entry, at(1)).position == 2 * limits.SEGMENT_PLACES

    @pytest.mark.django_db(transaction=True)
    def test_who_is_inside_gives_the_place_to_the_next_in_line(self):
        room = RoomFactory(slug="first-snow", capacity=1)
        inside, ahead = stand_in_line(room, 2)
        services.admit_queue(now=NOW)
        status = join(inside.customer, room_slug=room.slug, now=at(0.5)).status
        assert states(inside, ahead) == ["ended", "admitted"]
        assert (status.entry.state, status.position) == ("waiting", 1)

    @pytest.mark.django_db(transaction=True)
    def test_who_is_inside_with_nobody_waiting_is_inside_again(self):
        room = RoomFactory(slug="first-snow", capacity=2)
        inside, _other = stand_in_line(room, 2)
        services.admit_queue(now=NOW)
        status = join(inside.customer, room_slug=room.slug, now=at(0.5)).status
        assert (status.entry.state, status.position) == ("admitted", 0)


class TestFreePlaces:
    def test_those_who_find_one_are_let_in_at_once(self, room):
        WaitingRoom.objects.update(capacity=3)
        assert [join().status.entry.state for _person in range(5)] == [
            *["admitted"] * 3,
            *["waiting"] * 2,
        ]
        assert turnstile_of(room).admitted == 3

    def test_a_limit_a_minute_lets_as_many_in_at_once(self, room):
        WaitingRoom.objects.update(admit_per_minute=3)
        entered = [join(now=at(0.01 * person)).status.entry.state for person in range(5)]
        assert entered == ["admitted"] * 3 + ["waiting"] * 2
        assert turnstile_of(room).free_places == 0

    def test_a_limit_a_minute_lets_the_next_in_when_the_minute_is_over(self, room):
        WaitingRoom.objects.update(admit_per_minute=1)
        join()
        waiting = join(now=at(1)).status.entry
        keep_calling(waiting, now=at(59.9))
        assert poll(waiting, at(59.9)).position == 1
        assert poll(waiting, at(60.9)).position == 0

    def test_a_place_that_the_clock_has_freed_is_found(self, room):
        WaitingRoom.objects.update(capacity=1)
        silent = join().status.entry
        newcomer = join(now=at(60)).status.entry
        assert states(silent, newcomer) == ["ended", "admitted"]

    def test_a_paused_room_has_none(self, room):
        close_doors(room)
        assert join().status.position == 1
        assert not Turn.objects.filter(entered__gt=0).exists()

    def test_a_full_room_is_not_looked_at_by_every_join(self, room):
        WaitingRoom.objects.update(capacity=1)
        stand_in_line(room, 1)
        services.admit_queue(now=NOW)
        before = Turnstile.objects.values().get()
        assert join(now=at(0.9)).status.position == 1
        assert Turnstile.objects.values().get() == before


@pytest.mark.usefixtures("clock_at_now")
class TestStatements:
    @pytest.mark.parametrize("people", [1, 600])
    def test_a_poll_asks_once_however_long_the_line(self, room, sign_in, clock_at_now, people):
        close_doors(room)
        *_ahead, entry = stand_in_line(room, people)
        services.admit_queue(now=NOW)
        clock_at_now.move(seconds=0.9)
        client = sign_in(entry.customer, entry)
        with count_statements() as statements:
            answer = client.get(CURRENT)
        assert answer.json()["position"] == people
        assert len(statements) == STATEMENTS_OF_A_POLL, statements

    def test_a_poll_that_is_noted_asks_twice(self, room, sign_in, clock_at_now):
        close_doors(room)
        (entry,) = stand_in_line(room, 1)
        services.admit_queue(now=clock_at_now.move(seconds=15))
        client = sign_in(entry.customer, entry)
        with count_statements() as statements:
            answer = client.get(CURRENT)
        assert answer.status_code == 200
        assert get_entry(entry.pk).last_seen_at == at(15)
        assert len(statements) == STATEMENTS_OF_A_NOTED_POLL, statements

    @pytest.mark.parametrize("people", [1, 600])
    def test_a_join_asks_as_often_however_long_the_line(self, room, customer, sign_in, people):
        close_doors(room)
        stand_in_line(room, people)
        services.admit_queue(now=NOW)
        client = sign_in(customer)
        with count_statements() as statements:
            answer = client.post(TOKENS)
        assert answer.json()["position"] == people + 1
        assert len(statements) == STATEMENTS_OF_A_JOIN, statements
