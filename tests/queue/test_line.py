"""Where people stand: counted by segments of the line, and exact for everybody."""

from datetime import timedelta
from random import Random

import pytest
from django.db import connection
from django.db.models import F

from apps.queue import limits, services
from apps.queue.admission import count_room
from apps.queue.errors import QueueTokenExpired
from apps.queue.line import find_quiet_segments, segment_of
from apps.queue.models import Departure, QueueEntry, Segment, WaitingRoom
from apps.queue.selectors import get_entry
from tests.factories import NOW, RoomFactory
from tests.queue.support import (
    at,
    close_doors,
    keep_calling,
    poll,
    stand_in_line,
    states,
    turnstile_of,
)

pytestmark = pytest.mark.django_db

PLACES = limits.SEGMENT_PLACES


@pytest.fixture
def line(room):
    """A line over four segments, counted, before closed doors."""
    close_doors(room)
    people = stand_in_line(room, 3 * PLACES + 10)
    services.admit_queue(now=NOW)
    return people


def read_positions(room):
    """Return the position that each in line is told, in the order of the line."""
    waiting = QueueEntry.objects.filter(room=room, state="waiting").order_by("place")
    return [get_entry(pk).ahead + 1 for pk in waiting.values_list("pk", flat=True)]


def assert_exact(room):
    """Everybody is told the true position, and the room the true number."""
    waiting = QueueEntry.objects.filter(room=room, state="waiting").count()
    assert read_positions(room) == list(range(1, waiting + 1))
    assert turnstile_of(room).waiting == waiting


def count_by_orm(entry):
    line = QueueEntry.objects.filter(room=entry.room_id, state="waiting", place__lt=entry.place)
    return line.count()


def list_calling(room, *, now):
    line = QueueEntry.objects.filter(room=room, state="waiting").order_by("place")
    return list(line.filter(presence__last_seen_at__gt=now - timedelta(seconds=3_600)))


def read_segments(room):
    return list(Segment.objects.filter(room=room).order_by("segment").values())


class TestExactPositions:
    def test_before_anybody_has_counted(self, room):
        close_doors(room)
        stand_in_line(room, 2 * PLACES)
        assert not Segment.objects.exists()
        assert read_positions(room) == list(range(1, 2 * PLACES + 1))

    def test_after_the_first_count(self, room, line):
        assert [row["segment"] for row in read_segments(room)] == [0, 1, 2, 3]
        assert_exact(room)

    def test_after_some_have_left_anywhere(self, room, line):
        for entry in (line[0], line[5], line[PLACES - 1], line[PLACES], line[3 * PLACES], line[-1]):
            services.leave_line(entry_id=entry.pk, now=NOW)
        services.admit_queue(now=at(1))
        assert_exact(room)

    def test_after_some_have_fallen_silent(self, room, line):
        silent = line[3 : 2 * PLACES : 50]
        gone = {entry.pk for entry in silent}
        keep_calling(*(entry for entry in line if entry.pk not in gone), now=at(59))
        assert services.expire_queue(now=at(60)) == len(silent)
        services.admit_queue(now=at(60))
        assert_exact(room)

    def test_after_some_have_been_let_in(self, room, line):
        WaitingRoom.objects.update(state="open", capacity=PLACES + 20)
        assert services.admit_queue(now=at(1)) == PLACES + 20
        assert poll(line[PLACES + 20], at(1)).position == 1
        assert_exact(room)

    def test_after_somebody_has_joined_again(self, room, line):
        again = line[PLACES + 3]
        issued = services.issue_token(customer_id=again.customer_id, room_slug="main", now=at(0.5))
        assert issued.status.entry.place == line[-1].place + 1
        services.admit_queue(now=at(1))
        assert poll(issued.status.entry, at(1)).position == len(line)
        assert_exact(room)

    def test_after_the_whole_line_has_gone(self, room, line):
        assert services.expire_queue(now=at(60)) == len(line)
        services.admit_queue(now=at(60))
        assert_exact(room)
        (newcomer,) = stand_in_line(room, 1, seen=at(60))
        assert poll(newcomer, at(60)).position == 1

    @pytest.mark.parametrize("seed", range(5))
    def test_after_anything_in_any_order(self, room, line, seed):
        random = Random(seed)
        WaitingRoom.objects.update(idle_seconds=3_600)
        for second in range(1, 7):
            for _step in range(20):
                entry = random.choice(list_calling(room, now=at(second)))
                match random.choice(["leave", "silent", "again"]):
                    case "leave":
                        services.leave_line(entry_id=entry.pk, now=at(second))
                    case "silent":
                        keep_calling(entry, now=at(second - 3_600))
                    case "again":
                        services.issue_token(
                            customer_id=entry.customer_id, room_slug="main", now=at(second)
                        )
            stand_in_line(room, random.randrange(PLACES), seen=at(second))
            WaitingRoom.objects.update(
                state=random.choice(["open", "paused"]), capacity=random.randrange(1, 200) * second
            )
            services.expire_queue(now=at(second))
            services.admit_queue(now=at(second))
            assert_exact(room)

    def test_it_is_what_the_orm_counts(self, room, line):
        services.leave_line(entry_id=line[7].pk, now=NOW)
        services.admit_queue(now=at(1))
        for entry in (line[0], line[8], line[PLACES], line[2 * PLACES + 9], line[-1]):
            assert get_entry(entry.pk).ahead == count_by_orm(entry)

    def test_a_poll_counts_again_when_that_is_overdue(self, room, line):
        services.leave_line(entry_id=line[0].pk, now=NOW)
        assert poll(line[-1], at(0.999)).position == len(line)
        assert poll(line[-1], at(1)).position == len(line) - 1

    def test_who_leaves_ones_own_segment_is_seen_to_do_so_at_once(self, room, line):
        services.leave_line(entry_id=line[-5].pk, now=NOW)
        assert poll(line[-1], at(0.1)).position == len(line) - 1


class TestSegments:
    def test_those_before_are_added_up_and_not_counted(self, room, line):
        last = segment_of(line[-1].place)
        Segment.objects.filter(segment=last).update(before=F("before") + 1_000)
        assert poll(line[-1], at(0.1)).position == len(line) + 1_000
        assert poll(line[0], at(0.1)).position == 1

    def test_one_that_is_not_counted_yet_is_counted_from_the_nearest_before(self, room, line):
        newcomers = stand_in_line(room, 2 * PLACES)
        assert len(read_segments(room)) == 4
        assert read_positions(room) == list(range(1, len(line) + 2 * PLACES + 1))
        Segment.objects.filter(segment=3).update(before=F("before") + 1_000)
        assert poll(newcomers[-1], at(0.1)).position == len(line) + 2 * PLACES + 1_000

    def test_only_what_has_changed_is_counted_again(self, room, line):
        Segment.objects.update(waiting=F("waiting") + 1_000)
        services.leave_line(entry_id=line[PLACES].pk, now=NOW)
        services.admit_queue(now=at(1))
        counted = [row["waiting"] for row in read_segments(room)]
        assert counted == [PLACES - 1 + 1_000, PLACES - 1, PLACES + 1_000, 11 + 1_000]

    def test_those_that_are_passed_are_taken_away(self, room, line):
        WaitingRoom.objects.update(state="open", capacity=2 * PLACES)
        services.admit_queue(now=at(1))
        assert [row["segment"] for row in read_segments(room)] == [2, 3]
        WaitingRoom.objects.update(capacity=len(line))
        services.admit_queue(now=at(2))
        assert [row["waiting"] for row in read_segments(room)] == [0]
        assert turnstile_of(room).waiting == 0

    def test_one_that_people_have_left_stays_while_there_is_one_before(self, room, line):
        for entry in line[PLACES - 1 : 2 * PLACES - 1]:
            services.leave_line(entry_id=entry.pk, now=NOW)
        services.admit_queue(now=at(1))
        assert [row["waiting"] for row in read_segments(room)] == [PLACES - 1, 0, PLACES, 11]
        assert_exact(room)

    def test_positions_are_exact_without_them_and_after_the_next_look(self, room, line):
        services.leave_line(entry_id=line[3].pk, now=NOW)
        Segment.objects.all().delete()  # as after a crash: neither table is logged
        Departure.objects.all().delete()
        assert read_positions(room) == list(range(1, len(line)))
        stand_in_line(room, 3)
        services.admit_queue(now=at(1))
        assert [row["segment"] for row in read_segments(room)] == [0, 1, 2, 3]
        assert_exact(room)

    def test_a_line_that_was_left_before_the_crash_is_empty_after_it(self, room, line):
        assert services.expire_queue(now=at(60)) == len(line)
        Segment.objects.all().delete()
        Departure.objects.all().delete()
        services.admit_queue(now=at(61))
        assert_exact(room)

    def test_neither_they_nor_the_marks_are_logged_and_all_else_is(self):
        query = "SELECT relname, relpersistence FROM pg_class WHERE relkind = 'r' AND relname LIKE 'queue_%'"
        with connection.cursor() as cursor:
            cursor.execute(query)
            kept = dict(cursor.fetchall())
        unlogged = {name for name, persistence in kept.items() if persistence == "u"}
        assert unlogged == {"queue_segment", "queue_departure"}
        assert kept["queue_queueentry"] == kept["queue_presence"] == "p"

    def test_other_rooms_are_not_touched(self, room, line):
        other = RoomFactory(slug="first-snow")
        close_doors(other)
        elsewhere = stand_in_line(other, PLACES + 10)
        count_room(other.pk, now=NOW)
        services.leave_line(entry_id=elsewhere[0].pk, now=NOW)
        services.leave_line(entry_id=line[0].pk, now=NOW)
        before = read_segments(other), turnstile_of(other).waiting
        count_room(room.pk, now=at(1))
        assert (read_segments(other), turnstile_of(other).waiting) == before
        assert list(Departure.objects.values_list("room", "segment")) == [(other.pk, 0)]
        assert_exact(room)
        count_room(other.pk, now=at(1))
        assert_exact(other)


class TestMarks:
    def test_those_who_leave_mark_their_segment_and_the_count_takes_that_away(self, room, line):
        for entry in (line[0], line[1], line[2 * PLACES]):
            services.leave_line(entry_id=entry.pk, now=NOW)
        marks = Departure.objects.order_by("pk").values_list("segment", flat=True)
        assert list(marks) == [0, 0, 2]
        services.admit_queue(now=at(1))
        assert not Departure.objects.exists()

    def test_those_who_are_let_in_leave_no_mark(self, room, line):
        WaitingRoom.objects.update(state="open")
        services.admit_queue(now=at(1))
        services.leave_line(entry_id=line[0].pk, now=at(1))
        assert not Departure.objects.exists()

    def test_who_cannot_leave_any_more_leaves_no_mark(self, room, line):
        with pytest.raises(QueueTokenExpired):
            services.leave_line(entry_id=line[0].pk, now=at(60))
        assert states(line[0]) == ["waiting"]
        assert not Departure.objects.exists()


class TestQuietSegments:
    """Where nobody can have been silent for too long, nobody looks."""

    def test_a_run_goes_on_behind_those_that_it_has_looked_at(self, room, line):
        assert find_quiet_segments(room, after=1, now=NOW) == [2, 3]
        assert find_quiet_segments(room, after=3, now=NOW) == []

    def test_one_that_nobody_has_looked_at_is_looked_at(self, room, line):
        assert find_quiet_segments(room, after=-1, now=NOW) == [0, 1, 2, 3]

    def test_one_is_left_alone_until_somebody_can_be_silent(self, room, line):
        services.expire_queue(now=NOW)
        assert find_quiet_segments(room, after=-1, now=at(59.999)) == []
        assert find_quiet_segments(room, after=-1, now=at(60)) == [0, 1, 2, 3]

    def test_the_oldest_call_of_a_segment_counts(self, room, line):
        keep_calling(*line, now=at(30))
        keep_calling(line[PLACES], now=at(10))
        services.expire_queue(now=at(30))
        assert find_quiet_segments(room, after=-1, now=at(69)) == []
        assert find_quiet_segments(room, after=-1, now=at(70)) == [1]
        assert services.expire_queue(now=at(70)) == 1
        assert states(line[PLACES]) == ["ended"]

    def test_a_shorter_idle_limit_counts_from_the_next_look(self, room, line):
        services.expire_queue(now=at(10))
        WaitingRoom.objects.update(idle_seconds=10)
        assert services.expire_queue(now=at(10)) == len(line)
