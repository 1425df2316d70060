"""Staff steer a room, and take people out of a line: what changes, and what is recorded."""

from datetime import timedelta

import pytest

from apps.core.audit import Actor
from apps.core.errors import InvalidRequest
from apps.core.models import StaffAction
from apps.queue import services
from apps.queue.errors import NotInLine, QueueTokenExpired, RoomChanged, RoomNotFound
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.steering import STEERED, remove_customer, remove_from_queue, steer_room
from tests.factories import NOW, QueueEntryFactory, RoomFactory, UserFactory
from tests.queue.support import at, poll, stand_in_line, states

pytestmark = pytest.mark.django_db

OPERATOR = Actor(name="terminal: op")
OPENING = NOW + timedelta(hours=1)


def steer(room, *, seen=None, reason="too many at once", now=NOW, **changes):
    return steer_room(
        room_id=room.pk, changes=changes, actor=OPERATOR, reason=reason, now=now, seen=seen
    )


def read_all():
    """Return everything that steering may write."""
    return [list(model.objects.values()) for model in (WaitingRoom, QueueEntry, StaffAction)]


class TestSteering:
    @pytest.mark.parametrize(
        "changes",
        [
            {"state": "paused"},
            {"state": "draining"},
            {"state": "closed"},
            {"capacity": 7, "admit_per_minute": 3},
            {"session_seconds": 60, "idle_seconds": 30},
            {"opens_at": OPENING},
        ],
    )
    def test_what_is_changed_is_recorded_with_what_it_was(self, room, changes):
        before = WaitingRoom.objects.values().get()
        steering = steer(room, reason=" too many at once ", **changes)
        after = WaitingRoom.objects.values().get()
        assert {name: after[name] for name in changes} == changes
        assert {**after, **{name: before[name] for name in changes}} == before
        assert steering.after == changes
        action = StaffAction.objects.get()
        assert (action.action, action.subject) == ("steer_room", f"waitingroom:{room.pk}")
        assert (action.actor_name, action.reason, action.at) == (
            "terminal: op",
            "too many at once",
            NOW,
        )
        assert action.before.keys() == action.after.keys() == changes.keys()
        assert steering.before == {name: before[name] for name in changes}
        if "capacity" in changes:
            assert (action.before["capacity"], action.after["capacity"]) == (500, 7)

    def test_only_what_differs_is_a_change(self, room):
        steering = steer(room, state="open", capacity=7)
        assert (steering.before, steering.after) == ({"capacity": 500}, {"capacity": 7})
        assert StaffAction.objects.get().after == {"capacity": 7}

    def test_what_is_so_already_is_no_action(self, room):
        before = read_all()
        steering = steer(room, state="open", capacity=500)
        assert (steering.before, steering.after) == ({}, {})
        assert read_all() == before

    def test_the_next_enter_at_once(self, room, django_capture_on_commit_callbacks):
        people = stand_in_line(room, 3)
        with django_capture_on_commit_callbacks(execute=True):
            steer(room, capacity=2)
        assert states(*people) == ["admitted", "admitted", "waiting"]

    def test_a_pause_stops_the_line_and_opening_moves_it(
        self, room, django_capture_on_commit_callbacks
    ):
        steer(room, state="paused")
        people = stand_in_line(room, 2)
        assert services.admit_queue(now=NOW) == 0
        assert poll(people[0]).estimated_wait_seconds is None
        with django_capture_on_commit_callbacks(execute=True):
            steer(room, state="open")
        assert states(*people) == ["admitted", "admitted"]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"state": "ajar"}, "state"),
            ({"capacity": 0}, "capacity"),
            ({"capacity": 1_000_001}, "capacity"),
            ({"admit_per_minute": -1}, "admit_per_minute"),
            ({"session_seconds": 9}, "session_seconds"),
            ({"idle_seconds": 2}, "idle_seconds"),
            ({"opens_at": NOW}, "opens_at"),
            ({"capacity": 3, "opens_at": NOW - timedelta(days=1)}, "opens_at"),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, room, changes, field):
        before = read_all()
        with pytest.raises(InvalidRequest) as refused:
            steer(room, **changes)
        assert [error["field"] for error in refused.value.fields["errors"]] == [field]
        assert read_all() == before

    @pytest.mark.parametrize("reason", ["", " ", "x" * 501])
    @pytest.mark.parametrize("state", ["open", "paused"])
    def test_a_reason_is_needed(self, room, reason, state):
        before = read_all()
        with pytest.raises(InvalidRequest):
            steer(room, state=state, reason=reason)
        assert read_all() == before

    def test_the_opening_may_be_taken_back(self, room):
        steer(room, opens_at=OPENING)
        steer(room, opens_at=None)
        room.refresh_from_db()
        assert room.opens_at is None
        assert StaffAction.objects.latest("id").after == {"opens_at": None}

    def test_what_was_changed_meanwhile_is_not_overwritten(self, room):
        seen = {name: getattr(room, name) for name in STEERED}
        steer(room, capacity=300)
        before = read_all()
        with pytest.raises(RoomChanged):
            steer(room, seen=seen, admit_per_minute=60)
        assert read_all() == before

    def test_two_who_want_the_same_are_of_one_mind(self, room):
        steer(room, state="paused")
        assert steer(room, seen={"state": "open"}, state="paused").after == {}
        assert StaffAction.objects.count() == 1

    def test_a_room_that_is_not_there(self, room):
        room.pk += 1
        before = read_all()
        with pytest.raises(RoomNotFound):
            steer(room, state="closed")
        assert read_all() == before

    def test_a_long_lobby_is_left_to_beat(
        self, room, monkeypatch, django_capture_on_commit_callbacks
    ):
        """A clerk's click does not wait until a million are drawn."""
        monkeypatch.setattr("apps.queue.limits.DRAW_IN_CALL_MAX", 2)
        stand_in_line(room, 3, seen=at(-10))
        WaitingRoom.objects.update(opens_at=NOW)
        room.turnstile.waiting = 3
        room.turnstile.save()
        with django_capture_on_commit_callbacks(execute=True):
            steer(room, capacity=7, now=at(1))
        assert not room.draws.exists()
        services.admit_queue(now=at(2))
        assert room.draws.get().entries == 3


def remove(entry, *, reason="bought for resale", now=NOW):
    return remove_from_queue(entry_id=entry.pk, actor=OPERATOR, reason=reason, now=now)


class TestRemoving:
    @pytest.mark.parametrize("admitted", [False, True])
    def test_who_is_removed_is_out_and_recorded(self, room, admitted):
        entry = QueueEntryFactory(room=room, admitted=admitted)
        remove(entry)
        entry.refresh_from_db()
        assert (entry.state, entry.end_reason, entry.ended_at) == ("ended", "removed", NOW)
        with pytest.raises(QueueTokenExpired) as refused:
            poll(entry)
        assert refused.value.fields == {"reason": "removed"}
        action = StaffAction.objects.get()
        assert (action.action, action.subject) == ("remove_from_queue", f"queueentry:{entry.pk}")
        assert (action.actor_name, action.reason) == ("terminal: op", "bought for resale")
        assert action.before == {
            "state": "admitted" if admitted else "waiting",
            "room": "main",
            "place": entry.place,
            "customer": entry.customer_id,
        }
        assert action.after == {"state": "ended", "end_reason": "removed"}

    def test_the_next_has_the_place_at_once(self, room, django_capture_on_commit_callbacks):
        WaitingRoom.objects.update(capacity=1)
        people = stand_in_line(room, 3)
        services.admit_queue(now=NOW)
        with django_capture_on_commit_callbacks(execute=True):
            remove(people[0])
        assert states(*people) == ["ended", "admitted", "waiting"]

    def test_those_behind_move_up(self, room):
        WaitingRoom.objects.update(capacity=1)
        people = stand_in_line(room, 4)
        services.admit_queue(now=NOW)
        assert poll(people[3]).position == 3
        remove(people[2])
        services.admit_queue(now=at(1))
        assert poll(people[3], at(1)).position == 2

    def test_who_is_removed_may_join_again_at_the_end(self, room):
        entry = QueueEntryFactory(room=room)
        remove(entry)
        again = services.issue_token(customer_id=entry.customer_id, room_slug="main", now=at(1))
        assert again.status.entry.pk != entry.pk

    @pytest.mark.parametrize("end", ["leave", "clock", "remove"])
    def test_whose_place_has_ended_is_not_removed(self, room, end):
        entry = QueueEntryFactory(room=room)
        now = NOW
        if end == "leave":
            services.leave_line(entry_id=entry.pk, now=NOW)
        elif end == "remove":
            remove(entry)
        else:
            now = at(60)
        before = read_all()
        with pytest.raises(NotInLine):
            remove(entry, now=now)
        assert read_all() == before

    @pytest.mark.parametrize("reason", ["", " ", "x" * 501])
    def test_a_reason_is_needed(self, room, reason):
        entry = QueueEntryFactory(room=room)
        before = read_all()
        with pytest.raises(InvalidRequest):
            remove(entry, reason=reason)
        assert read_all() == before


class TestRemovingACustomer:
    def remove(self, customer, **options):
        return remove_customer(
            customer_id=customer.pk, actor=OPERATOR, reason="x", now=NOW, **options
        )

    @pytest.fixture
    def entries(self, room, customer):
        """Places of one customer in two rooms."""
        other = RoomFactory(slug="iu", name="아이유")
        return [QueueEntryFactory(room=each, customer=customer) for each in (room, other)]

    def test_out_of_every_line(self, customer, entries):
        stays = QueueEntryFactory()
        assert [entry.pk for entry in self.remove(customer)] == [entry.pk for entry in entries]
        assert states(*entries, stays) == ["ended", "ended", "waiting"]
        assert StaffAction.objects.count() == 2

    def test_out_of_one(self, customer, entries):
        self.remove(customer, room_slug="iu")
        assert states(*entries) == ["waiting", "ended"]
        assert StaffAction.objects.get().before["room"] == "iu"

    @pytest.mark.parametrize("room_slug", [None, "iu"])
    def test_who_is_in_no_line(self, room, room_slug):
        before = read_all()
        with pytest.raises(NotInLine):
            self.remove(UserFactory(), room_slug=room_slug)
        assert read_all() == before
