"""When a customer last called: noted seldom enough to cost nothing, and often enough to be true."""

from datetime import timedelta

import pytest
from django.db import connection

from apps.queue import limits, presence, services
from apps.queue.estimates import poll_interval_s
from apps.queue.models import Presence, QueueEntry, WaitingRoom
from apps.queue.presence import note_presence
from apps.queue.selectors import get_entry
from tests.factories import NOW, QueueEntryFactory, RoomFactory
from tests.queue.support import at, close_doors, count_statements, stand_in_line

IDLE_LIMITS = [
    *range(limits.IDLE_SECONDS_MIN, 700),
    *range(700, limits.IDLE_SECONDS_MAX, 997),
    limits.IDLE_SECONDS_MAX,
]


def call(entry, seconds):
    """Call as a request does, and return what is stored of it afterwards."""
    services.note_call(
        customer_id=entry.customer_id, token=f"token-{entry.number}", now=at(seconds)
    )
    return Presence.objects.get(entry=entry).last_seen_at


@pytest.mark.django_db
class TestWhileWaiting:
    @pytest.fixture
    def entry(self, room):
        close_doors(room)
        (entry,) = stand_in_line(room, 1)
        return entry

    @pytest.mark.parametrize(
        ("idle_seconds", "unwritten", "written"), [(60, 14.9, 15), (3, 0.7, 0.75), (10, 2.4, 2.5)]
    )
    def test_a_call_is_written_down_once_in_a_quarter_of_the_idle_limit(
        self, entry, idle_seconds, unwritten, written
    ):
        WaitingRoom.objects.update(idle_seconds=idle_seconds)
        assert call(entry, unwritten) == NOW
        assert call(entry, written) == at(written)
        assert call(entry, written + unwritten) == at(written)
        assert call(entry, 2 * written) == at(2 * written)

    def test_a_call_that_is_not_written_down_writes_nothing_at_all(self, entry):
        with count_statements() as statements:
            assert call(entry, 14) == NOW
        assert [text for text in statements if "UPDATE" in text] == []

    def test_who_is_let_in_is_noted_each_second_from_then_on(self, entry):
        WaitingRoom.objects.update(state="open")
        services.admit_queue(now=at(1))
        assert call(entry, 1) == at(1)


@pytest.mark.django_db
class TestInside:
    def test_a_call_is_written_down_once_a_second(self, admitted):
        assert call(admitted, 0.999) == NOW
        assert call(admitted, 1) == at(1)
        assert call(admitted, 1.999) == at(1)
        assert call(admitted, 2) == at(2)

    def test_a_clock_that_is_behind_takes_nothing_back(self, admitted):
        assert call(admitted, 10) == at(10)
        assert call(admitted, 5) == at(10)
        assert call(admitted, -100) == at(10)

    def test_a_call_that_was_overtaken_by_a_later_one_takes_nothing_back(self, admitted):
        overtaken = get_entry(admitted.pk)
        assert call(admitted, 10) == at(10)
        note_presence(overtaken, now=at(5))
        assert Presence.objects.get().last_seen_at == at(10)

    def test_a_call_does_not_revive_who_has_left_meanwhile(self, admitted):
        calling = get_entry(admitted.pk)
        services.leave_line(entry_id=admitted.pk, now=at(1))
        note_presence(calling, now=at(2))
        assert not Presence.objects.exists()
        assert QueueEntry.objects.get().state == "ended"

    def test_only_the_caller_is_noted(self, admitted):
        other = QueueEntryFactory(room=admitted.room, admitted=True)
        call(admitted, 10)
        assert Presence.objects.get(entry=other).last_seen_at == NOW


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["left", "idle"])
def test_there_is_none_of_who_has_ended(room, reason):
    entry = QueueEntryFactory(room=room, admitted=True)
    if reason == "left":
        services.leave_line(entry_id=entry.pk, now=NOW)
    else:
        services.expire_queue(now=at(60))
    assert QueueEntry.objects.get().end_reason == reason
    assert not Presence.objects.exists()


@pytest.fixture
def caller(monkeypatch):
    """A customer who waits, of no database: what a call would write stands in the entry alone."""
    monkeypatch.setattr(presence, "execute_prepared", lambda sql, parameters: 1)
    entry = QueueEntry(state="waiting", room=WaitingRoom(capacity=1, session_seconds=600))
    entry.presence = Presence(last_seen_at=NOW)
    return entry


class TestWhoFollowsTheirPolls:
    """Nobody who asks when they are told to ask is ever silent."""

    def follow(self, entry, waits, *, jitter, lost=()):
        """Poll as `poll_after_seconds` says, each time for the next of `waits`; the polls whose
        position is in `lost` do not arrive."""
        now = NOW
        entry.presence = Presence(last_seen_at=now)
        for number, wait_s in enumerate(waits):
            now += timedelta(seconds=poll_interval_s(entry.room, wait_s=wait_s, jitter=jitter))
            if number not in lost:
                assert entry.ended_by_clock(now) is None, (entry.room.idle_seconds, number)
                note_presence(entry, now=now)

    @pytest.mark.parametrize("jitter", [0, 0.5, 1])
    @pytest.mark.parametrize("lost", [(), (1,), (2,), (0, 2, 4)])
    def test_they_are_not_silent_even_where_a_poll_is_lost(self, caller, jitter, lost):
        for idle_seconds in IDLE_LIMITS:
            caller.room.idle_seconds = idle_seconds
            self.follow(caller, [None] * 6, jitter=jitter, lost=lost)

    @pytest.mark.parametrize("jitter", [0, 0.5, 1])
    def test_not_even_where_the_call_before_was_just_not_written_down(self, caller, jitter):
        for idle_seconds in IDLE_LIMITS:
            caller.room.idle_seconds = idle_seconds
            unnoted_s = idle_seconds * limits.PRESENCE_IDLE_FRACTION
            soon_s = max(int(unnoted_s / limits.POLL_WAIT_FRACTION) - 1, 0)
            self.follow(caller, [soon_s, None, None], jitter=jitter, lost=(1,))

    def test_who_loses_several_in_a_row_may_be(self, caller):
        caller.room.idle_seconds = 60
        with pytest.raises(AssertionError):
            self.follow(caller, [None] * 3, jitter=0, lost=(0, 1))


@pytest.mark.django_db(transaction=True)
def test_calls_touch_no_index_and_make_the_table_no_larger():
    """A call rewrites a row in its page: a heap-only tuple, whose old versions the page gives up."""
    rounds = 12
    people = stand_in_line(RoomFactory(slug="first-snow", idle_seconds=4), 300)
    entries = [get_entry(entry.pk) for entry in people]
    sizes, updates = read_sizes(), read_updates()
    for second in range(1, rounds + 1):
        for entry in entries:
            note_presence(entry, now=at(second))
    made, heap_only = (
        after - before for after, before in zip(read_updates(), updates, strict=True)
    )
    assert made == rounds * len(entries)
    assert heap_only == made
    assert read_sizes() == sizes


def read_sizes():
    """Return the bytes of the table of presence, and of its only index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size('queue_presence'), pg_indexes_size('queue_presence')"
        )
        return cursor.fetchone()


def read_updates():
    """Return how many rows of presence were rewritten so far, and how many of those heap-only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'queue_presence'"
        )
        return cursor.fetchone()
