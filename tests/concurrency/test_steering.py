"""Races of staff at the line: steering beside steering and admission, removing beside all who move."""

from itertools import pairwise

import pytest
from django.db import IntegrityError

from apps.core.audit import Actor
from apps.core.models import StaffAction
from apps.queue import admission, steering
from apps.queue.errors import NotInLine, QueueTokenExpired, RoomChanged
from apps.queue.models import WaitingRoom
from tests.concurrency.racing import overlap, race, take_locks_away
from tests.concurrency.support import (
    admit,
    count_inside,
    fill,
    join,
    leave,
    list_overtaken,
    live_of,
    look,
    make_line,
    now_of,
    poll,
    states,
    take,
)
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

OPERATOR = Actor(name="terminal: op")


def steer(room, *, seen=None, **changes):
    return lambda: steering.steer_room(
        room_id=room.pk, changes=changes, actor=OPERATOR, reason="x", now=NOW, seen=seen
    )


def remove(entry):
    return lambda: steering.remove_from_queue(
        entry_id=entry.pk, actor=OPERATOR, reason="x", now=NOW
    )


def list_records(name):
    """Return what the records say of one limit, from what to what, in order."""
    actions = StaffAction.objects.order_by("id")
    return [(action.before[name], action.after[name]) for action in actions]


# Steering and steering


def test_two_changes_are_recorded_as_they_followed_one_another(room):
    result = overlap(steer(room, capacity=300), steer(room, capacity=200))
    assert (result.waited, result.second.before) == (True, {"capacity": 300})
    assert list_records("capacity") == [(500, 300), (300, 200)]


def test_two_changes_without_a_lock_are_recorded_wrongly(room, monkeypatch):
    take_locks_away(monkeypatch, steering)
    overlap(steer(room, capacity=300), steer(room, capacity=200))
    assert list_records("capacity") == [(500, 300), (500, 200)]  # it was 300


def test_changes_of_different_limits_both_stay(room):
    result = overlap(steer(room, capacity=300), steer(room, admit_per_minute=60))
    room.refresh_from_db()
    assert (result.waited, room.capacity, room.admit_per_minute) == (True, 300, 60)


def test_who_saw_the_room_as_it_was_before_is_told(room):
    seen = {"capacity": 500}
    result = overlap(steer(room, seen=seen, capacity=300), steer(room, seen=seen, capacity=900))
    assert isinstance(result.second, RoomChanged)
    assert list_records("capacity") == [(500, 300)]


def test_who_saw_the_room_as_it_was_before_overwrites_it_without_a_lock(room, monkeypatch):
    take_locks_away(monkeypatch, steering)
    seen = {"capacity": 500}
    overlap(steer(room, seen=seen, capacity=300), steer(room, seen=seen, capacity=900))
    assert WaitingRoom.objects.get().capacity == 900


def test_many_changes_at_once_make_one_chain(room):
    results = race(*[steer(room, capacity=capacity) for capacity in range(101, 107)])
    assert not any(isinstance(result, Exception) for result in results)
    chain = [500, *[after for _before, after in list_records("capacity")]]
    assert list_records("capacity") == list(pairwise(chain))
    assert WaitingRoom.objects.get().capacity == chain[-1]


# Steering and those who come and go


@pytest.mark.parametrize("change", [{"state": "paused"}, {"capacity": 1}])
def test_nobody_in_line_waits_for_steering(room, change):
    line = make_line(room, 1)
    for act in (join(UserFactory()), poll(line[0]), look(room)):
        assert not overlap(steer(room, **change), act).waited


def test_nobody_in_line_waits_for_steering_but_where_it_locks_the_turnstile(room, monkeypatch):
    def lock_all(rows):
        admission.lock_turnstile(room.pk, skip_locked=False)
        return rows.get()

    monkeypatch.setattr(steering, "lock_row", lock_all)
    assert overlap(steer(room, state="paused"), join(UserFactory())).waited


@pytest.mark.parametrize("admitter", [look, fill])
def test_steering_does_not_wait_for_an_admission(room, admitter):
    line = make_line(room, 1, 2)
    result = overlap(admitter(room), steer(room, state="paused"))
    assert (result.first, result.waited) == (2, False)
    assert states(line) == ["admitted", "admitted"]  # by what was so when they had their turn
    late = join(UserFactory())()
    assert (late.status.entry.state, admit()) == ("waiting", 0)


# Removing and admission


def test_removing_and_then_admission(small_room):
    line = make_line(small_room, 1, 2)
    result = overlap(remove(line[0]), admit)
    assert result.waited
    assert (result.second + admit(), states(line)) == (1, ["ended", "admitted"])
    assert now_of(line[0]).end_reason == "removed"
    assert list_overtaken(small_room) == []


def test_removing_and_then_admission_without_a_lock(small_room, monkeypatch):
    line = make_line(small_room, 1, 2)
    take_locks_away(monkeypatch, admission)
    result = overlap(remove(line[0]), admit)
    assert isinstance(result.second, IntegrityError)  # it would let in who was removed
    assert states(line) == ["ended", "waiting"]


def test_admission_and_then_removing(small_room):
    line = make_line(small_room, 1, 2)
    result = overlap(admit, remove(line[0]))
    assert (result.first, result.waited) == (1, True)
    assert StaffAction.objects.get().before["state"] == "admitted"
    assert states(line) == ["ended", "admitted"]  # without another look
    assert count_inside() == 1


def test_admission_and_then_removing_without_a_lock(small_room, monkeypatch):
    line = make_line(small_room, 1, 2)
    take_locks_away(monkeypatch, steering)
    overlap(admit, remove(line[0]))
    assert StaffAction.objects.get().before["state"] == "waiting"  # they were inside
    assert states(line) == ["ended", "waiting"]  # and nobody takes the place


# Removing and leaving


def test_removing_and_then_leaving(room):
    (entry,) = make_line(room, 1)
    result = overlap(remove(entry), leave(entry))
    assert result.waited
    assert isinstance(result.second, QueueTokenExpired)
    assert (now_of(entry).end_reason, StaffAction.objects.count()) == ("removed", 1)


def test_leaving_and_then_removing(room):
    (entry,) = make_line(room, 1)
    result = overlap(leave(entry), remove(entry))
    assert result.waited
    assert isinstance(result.second, NotInLine)
    assert (now_of(entry).end_reason, StaffAction.objects.count()) == ("left", 0)


def test_leaving_and_then_removing_without_a_lock(room, monkeypatch):
    (entry,) = make_line(room, 1)
    take_locks_away(monkeypatch, steering)
    overlap(leave(entry), remove(entry))
    assert now_of(entry).end_reason == "removed"  # they had left


def test_two_removals_are_one(room):
    (entry,) = make_line(room, 1)
    result = overlap(remove(entry), remove(entry))
    assert result.waited
    assert isinstance(result.second, NotInLine)
    assert StaffAction.objects.count() == 1


def test_two_removals_without_a_lock_are_two(room, monkeypatch):
    (entry,) = make_line(room, 1)
    take_locks_away(monkeypatch, steering)
    overlap(remove(entry), remove(entry))
    assert StaffAction.objects.count() == 2


# Removing and joining again


def test_joining_again_and_then_removing_the_earlier_place(paused_room):
    (entry,) = make_line(paused_room, 1)
    result = overlap(take(entry.customer), remove(entry))
    assert result.waited
    assert isinstance(result.second, NotInLine)
    assert live_of(entry.customer).get().number == 2


def test_removing_and_then_joining_again(paused_room):
    (entry,) = make_line(paused_room, 1)
    result = overlap(remove(entry), take(entry.customer))
    assert result.waited
    assert now_of(entry).end_reason == "removed"
    assert live_of(entry.customer).get().number == 2
