"""Who overtook, and rooms with more inside than may be, are named; all that may happen is whole."""

from datetime import timedelta

import pytest

from apps.core.audit import Actor
from apps.queue import services
from apps.queue.models import QueueEntry, Turn, WaitingRoom
from apps.queue.pruning import list_old_entries, list_old_turns
from apps.queue.steering import remove_from_queue
from tests.factories import NOW, QueueEntryFactory, RoomFactory
from tests.integrity import enter, look, run_sql, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fences")]


def at(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def room(room):
    """The room `main` with two places inside."""
    WaitingRoom.objects.update(capacity=2, idle_seconds=3_600, session_seconds=3_600)
    return room


@pytest.fixture
def line(room):
    """Six people in line, of whom the first four have entered, two by two; the first two have left."""
    entries = [enter() for _person in range(6)]
    for moment, entry in enumerate(entries[:2], start=1):
        services.leave_line(entry_id=entry.pk, now=at(moment))
    assert services.admit_queue(now=at(3)) == 2
    for entry in entries:
        entry.refresh_from_db()
    return entries


def change(entry, **fields):
    QueueEntry.objects.filter(pk=entry.pk).update(**fields)


def name_of(entry):
    return f"queueentry:{entry.pk}"


class TestOrder:
    def test_one_who_was_passed_while_waiting(self, line):
        change(line[4], state="admitted", admitted_at=at(4), session_expires_at=at(99),
               admitted_turn=line[2].admitted_turn)  # fmt: skip
        change(line[3], state="waiting", admitted_at=None, session_expires_at=None,
               admitted_turn=None)  # fmt: skip
        (finding,) = look(5)
        assert finding.subject == name_of(line[4])
        assert finding.detail == (
            f"number {line[4].number} entered at turn {line[2].admitted_turn} "
            f"before number {line[3].number}, who was in line ahead"
        )
        assert finding.concert_id is None

    def test_one_who_entered_later_than_somebody_behind(self, line):
        change(line[2], admitted_turn=line[3].admitted_turn + 1)
        assert subjects(5) == [name_of(line[3])]

    def test_rooms_do_not_matter_to_each_other(self, line):
        RoomFactory(slug="other", capacity=1)
        enter(room="other")
        change(line[4], room=WaitingRoom.objects.get(slug="other"), number=99, place=99)
        assert subjects(5) == []

    def test_who_left_was_not_passed(self, line):
        services.leave_line(entry_id=line[4].pk, now=at(4))
        services.leave_line(entry_id=line[2].pk, now=at(5))
        services.admit_queue(now=at(6))
        line[5].refresh_from_db()
        assert line[5].state == "admitted"
        assert subjects() == []

    @pytest.mark.parametrize(
        "ahead",
        [
            {"state": "admitted", "admitted_at": NOW, "session_expires_at": at(9)},
            {"state": "ended", "ended_at": NOW, "end_reason": "left"},
        ],
    )
    def test_what_is_known_of_no_turn_proves_nothing(self, line, ahead):
        QueueEntryFactory(room=line[0].room, number=0, **ahead)
        assert subjects(5) == []

    def test_pruned_history_is_whole(self, line):
        for rows in (list_old_entries, list_old_turns):
            rows(before=at(60))._raw_delete("default")
        services.admit_queue(now=at(61))
        assert QueueEntry.objects.count() == 4
        assert subjects() == []


class TestCapacity:
    def test_a_turn_that_let_in_too_many(self, line):
        turn = Turn.objects.filter(entered__gt=0).latest("pk")
        run_sql(f"UPDATE queue_turn SET admitted = 3, entered = 2 WHERE id = {turn.pk}")
        (finding,) = look(6)
        assert (finding.subject, finding.concert_id) == (f"turn:{turn.pk}", None)
        assert finding.detail == "let 2 in and left 3 inside, where 2 may be"

    def test_a_room_with_too_many_inside(self, line):
        change(line[4], state="admitted", admitted_at=NOW, session_expires_at=at(9))
        (finding,) = look(6)
        assert finding.subject == f"waitingroom:{line[0].room_id}"
        assert finding.detail == "has 3 people inside, where 2 may be"

    def test_a_limit_that_was_lowered_over_their_heads_is_whole(self, line):
        WaitingRoom.objects.update(capacity=1)
        services.leave_line(entry_id=line[5].pk, now=at(5))
        services.admit_queue(now=at(6))
        assert Turn.objects.filter(admitted=2, capacity=1, entered=0).exists()
        assert subjects() == []

    def test_a_limit_that_was_raised_is_whole(self, line):
        WaitingRoom.objects.update(capacity=4)
        assert services.admit_queue(now=at(5)) == 2
        assert subjects() == []

    def test_those_whom_the_clock_has_put_out_are_whole(self, line):
        services.admit_queue(now=at(5_000))
        assert subjects() == []


class TestStaff:
    @pytest.mark.parametrize("place", [2, 4])
    def test_who_was_removed_without_a_record(self, line, place):
        change(line[place], state="ended", ended_at=at(5), ended_turn=99, end_reason="removed")
        (finding,) = look(9)
        assert finding.subject == name_of(line[place])
        assert finding.detail == "was removed by staff, and nobody recorded who and why"

    def test_who_was_removed_with_one_is_whole(self, line):
        remove_from_queue(
            entry_id=line[4].pk, actor=Actor(name="terminal: op"), reason="resale", now=at(5)
        )
        assert subjects() == []
