"""Races in line: one live place for each customer, numbers in order of commit, positions that are true,
and each end written down once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from apps.core.db import transaction
from apps.queue import joining, line, presence, services, transitions
from apps.queue.errors import QueueTokenExpired
from apps.queue.models import Dispenser, Presence, QueueEntry, Segment, Turnstile
from apps.queue.services import IssuedToken
from tests.concurrency.racing import (
    Racer,
    held_open,
    overlap,
    race,
    stopped_before,
    take_from_sql,
    take_locks_away,
    waits_for,
    without_unique_indexes,
)
from tests.concurrency.support import (
    count,
    join,
    leave,
    list_numbers,
    list_overtaken,
    live_of,
    look,
    make_line,
    now_of,
    states,
    sweep,
    take,
    told_positions,
    true_positions,
)
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

ENTRIES = "queue_queueentry"


# One customer joins and joins


def test_two_joins_of_one_customer_leave_one_place(room, customer):
    result = overlap(take(customer), join(customer))
    assert result.waited
    ended, live = QueueEntry.objects.order_by("number")
    assert (ended.pk, ended.number, ended.end_reason) == (result.first, 1, "reissued")
    assert (live.number, live.state) == (2, "admitted")
    assert result.second.status.entry.pk == live.pk


def test_two_joins_of_one_customer_without_fences_leave_two(room, customer, monkeypatch):
    monkeypatch.setattr(joining, "lock_name", lambda name: None)
    with without_unique_indexes(ENTRIES):
        overlap(take(customer), join(customer))
        assert live_of(customer).count() == 2


def test_two_joins_of_one_customer_without_the_lock_are_stopped_by_the_index(
    room, customer, monkeypatch
):
    monkeypatch.setattr(joining, "lock_name", lambda name: None)
    result = overlap(take(customer), join(customer))
    assert isinstance(result.second, IntegrityError)
    assert live_of(customer).get().pk == result.first
    assert (list_numbers(), Dispenser.objects.get(room=room).last_number) == ([1], 1)


def test_many_joins_of_one_customer(room, customer):
    results = race(*[join(customer)] * 10)
    # One that was overtaken by the next before it was answered may be told so.
    assert {type(result) for result in results} <= {IssuedToken, QueueTokenExpired}
    assert list_numbers() == list(range(1, 11))
    assert live_of(customer).get().number == 10
    reasons = QueueEntry.objects.filter(state="ended").values_list("end_reason", flat=True)
    assert list(reasons) == ["reissued"] * 9


def test_a_join_that_the_next_has_ended_already_is_told_so(room, customer):
    """The second comes between the first's commit and its answer."""
    with stopped_before(join(customer), 'FROM "queue_turnstile"') as leader:
        join(customer)()
    assert isinstance(leader.result, (IssuedToken, QueueTokenExpired))
    assert live_of(customer).get().number == 2


# Many customers join


def test_many_customers_join_in_one_order(small_room):
    customers = [UserFactory() for _customer in range(12)]
    race(*[join(customer) for customer in customers])
    entries = QueueEntry.objects.order_by("pk")
    assert [entry.number for entry in entries] == list(range(1, 13))
    assert [entry.state for entry in entries] == ["admitted"] + ["waiting"] * 11


def join_while_another_joins(room):
    """Join and let in while the transaction of an earlier join is open. Return the numbers that were
    seen meanwhile, what the second join came to, and whether it waited."""
    with held_open(take(UserFactory())) as leader:
        follower = Racer(take(UserFactory()))
        follower.start()
        waited = waits_for(follower, leader)
        seen = list_numbers()
        look(room)()
    return seen, follower.finish(), waited


def test_no_number_is_seen_before_a_smaller_one(small_room):
    seen, _entry_id, waited = join_while_another_joins(small_room)
    assert (seen, waited) == ([], True)
    look(small_room)()
    assert list(QueueEntry.objects.order_by("number").values_list("number", "state")) == [
        (1, "admitted"),
        (2, "waiting"),
    ]
    assert list_overtaken(small_room) == []


def test_a_number_from_a_sequence_is_seen_before_a_smaller_one(room, monkeypatch):
    """A sequence gives a number out in no transaction at all, as one of its own would."""
    take_from_sql(
        monkeypatch,
        joining,
        "_TAKE",
        joining._TAKE[joining._TAKE.index("    UPDATE") : joining._TAKE.index("),\nentry")],
        "SELECT id AS room_id, nextval('dispensed') AS last_number"
        "  FROM queue_waitingroom WHERE slug = %(slug)s",
    )
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE dispensed")
        try:
            seen, _entry_id, waited = join_while_another_joins(room)
        finally:
            cursor.execute("DROP SEQUENCE dispensed")
    assert (seen, waited) == ([2], False)
    look(room)()
    assert list_overtaken(room) == [(1, 2)]


def test_a_number_that_is_read_without_a_lock_is_taken_twice(room, monkeypatch):
    take_from_sql(
        monkeypatch,
        joining,
        "_TAKE",
        joining._TAKE[joining._TAKE.index("    UPDATE") : joining._TAKE.index("),\nentry")],
        "SELECT d.room_id, d.last_number + 1 AS last_number"
        "  FROM queue_dispenser d JOIN queue_waitingroom r ON r.id = d.room_id"
        " WHERE r.slug = %(slug)s",
    )
    _seen, result, _waited = join_while_another_joins(room)
    assert isinstance(result, IntegrityError)  # the unique number is the last fence
    assert list_numbers() == [1]


# Leaving while the line is counted

BEFORE_THE_COUNT = {
    "takes the marks": "DELETE FROM queue_departure",
    "counts": "INSERT INTO queue_segment",
    "adds up": "WITH summed",
}


@pytest.fixture
def counted_line(paused_room):
    """Five in three segments, counted; the fourth leaves in the tests, ahead of the fifth."""
    entries = make_line(paused_room, 1, 2, 300, 301, 600)
    look(paused_room)()
    assert told_positions(paused_room) == true_positions(paused_room)
    return entries


def position_told(entry):
    return services.get_entry(entry.pk).ahead


@pytest.mark.parametrize("sql", BEFORE_THE_COUNT.values(), ids=BEFORE_THE_COUNT)
def test_who_leaves_before_the_count_goes_on_is_counted_by_the_next(paused_room, counted_line, sql):
    leave(counted_line[0])()  # so that there is something to count
    with stopped_before(count(paused_room), sql) as leader:
        leave(counted_line[3])()
        assert leader.is_alive()  # nobody waited for the count
    count(paused_room)()
    assert told_positions(paused_room) == true_positions(paused_room)
    assert position_told(counted_line[4]) == 2


def test_who_leaves_after_the_count_is_counted_by_the_next(paused_room, counted_line):
    result = overlap(leave(counted_line[3]), count(paused_room))
    assert not result.waited
    assert position_told(counted_line[4]) == 4  # the count was before the commit
    count(paused_room)()
    assert told_positions(paused_room) == true_positions(paused_room)


def test_who_leaves_without_a_mark_is_never_counted(paused_room, counted_line, monkeypatch):
    monkeypatch.setattr(transitions, "mark_departures", lambda *_args: None)
    overlap(leave(counted_line[3]), count(paused_room))
    count(paused_room)()
    assert (position_told(counted_line[4]), live_of(counted_line[3].customer).count()) == (4, 0)


def test_who_leaves_during_a_count_that_takes_the_marks_last_is_never_counted(
    paused_room, counted_line, monkeypatch
):
    take_marks = line.take_marks

    def count_and_take_marks():
        with transaction():
            count(paused_room)()
            take_marks(paused_room.pk)

    monkeypatch.setattr(line, "take_marks", lambda _room_id: {1})
    with stopped_before(count_and_take_marks, "UPDATE queue_segment"):
        leave(counted_line[3])()
    monkeypatch.setattr(line, "take_marks", take_marks)
    count(paused_room)()
    assert position_told(counted_line[4]) == 4


# Sweeps

JUST_BEFORE = NOW - timedelta(microseconds=1)


@pytest.fixture
def silent_line(paused_room):
    """Three who wait, counted, and whose idle limit is now."""
    called_at = NOW - timedelta(seconds=paused_room.idle_seconds)
    entries = make_line(paused_room, 1, 300, 600, at=called_at)
    look(paused_room)()
    return entries


def reasons(entries):
    return [now_of(entry).end_reason for entry in entries]


def test_two_sweeps_end_each_once(paused_room, silent_line):
    result = overlap(sweep, sweep)
    assert (result.first, result.second) == (3, 0)
    assert reasons(silent_line) == ["idle"] * 3
    assert not Presence.objects.exists()


def test_two_sweeps_that_do_not_pass_over(silent_line, monkeypatch):
    take_locks_away(monkeypatch, services)
    result = overlap(sweep, sweep)
    assert (result.first, result.second) == (3, 3)  # ended, and counted, twice


def test_many_sweeps_at_once(silent_line):
    assert sum(race(*[sweep] * 6)) == 3
    assert reasons(silent_line) == ["idle"] * 3


def test_leaving_and_then_the_sweep(silent_line):
    result = overlap(leave(silent_line[1], now=JUST_BEFORE), sweep)
    assert (result.second, result.waited) == (2, False)
    assert reasons(silent_line) == ["idle", "left", "idle"]
    assert now_of(silent_line[1]).ended_at == JUST_BEFORE


def test_leaving_and_then_a_sweep_that_does_not_pass_over(silent_line, monkeypatch):
    take_locks_away(monkeypatch, services)
    result = overlap(leave(silent_line[1], now=JUST_BEFORE), sweep)
    assert (result.second, result.waited) == (3, True)
    assert reasons(silent_line) == ["idle"] * 3  # ended twice


def test_the_sweep_and_then_leaving(silent_line):
    result = overlap(sweep, leave(silent_line[1], now=JUST_BEFORE))
    assert (result.first, result.waited) == (3, True)
    assert isinstance(result.second, QueueTokenExpired)
    assert reasons(silent_line) == ["idle"] * 3


def test_the_sweep_and_then_leaving_without_a_lock(silent_line, monkeypatch):
    take_locks_away(monkeypatch, transitions)
    result = overlap(sweep, leave(silent_line[1], now=JUST_BEFORE))
    assert (result.second, reasons(silent_line)) == (None, ["idle", "left", "idle"])  # ended twice


# Sweeps and calls


def call(entry, *, now):
    token = f"token-{entry.number}"
    return lambda: services.note_call(customer_id=entry.customer_id, token=token, now=now)


def test_a_call_while_the_sweep_is_about_to_end_the_entry(silent_line):
    """Whoever has the entry locked is right, but says when it was right."""
    caller = silent_line[1]
    with stopped_before(sweep, 'INSERT INTO "queue_departure"') as leader:
        call(caller, now=JUST_BEFORE)()
        assert leader.is_alive()  # the call did not wait
    ended = now_of(caller)
    assert (leader.result, ended.state, ended.end_reason) == (3, "ended", "idle")
    assert ended.ended_at <= NOW
    assert not Presence.objects.filter(entry=caller).exists()


def test_the_sweep_and_then_a_call(silent_line):
    result = overlap(sweep, call(silent_line[1], now=JUST_BEFORE))
    assert result.first == 3
    assert states(silent_line) == ["ended"] * 3
    assert not Presence.objects.exists()


def test_the_sweep_and_then_a_call_that_makes_its_row(silent_line, monkeypatch):
    monkeypatch.setattr(
        presence,
        "_NOTE",
        "INSERT INTO queue_presence (last_seen_at, entry_id) VALUES (%s, %s)"
        " ON CONFLICT (entry_id) DO UPDATE SET last_seen_at = %s",
    )
    overlap(sweep, call(silent_line[1], now=JUST_BEFORE))
    assert Presence.objects.filter(entry=silent_line[1]).exists()  # of somebody who is out


# Sweeps and counts


def test_a_sweep_and_a_count_at_once_both_finish(paused_room):
    """The sweep has been at the second segment when it comes to the third, at which the count has been,
    and the count comes to the second: were each to wait, neither would finish."""
    entries = make_line(paused_room, 1, 300, 600, 900)
    look(paused_room)()
    Segment.objects.filter(segment=0).update(oldest_call_at=NOW + timedelta(days=1))
    leave(entries[0])()
    line.mark_departures(paused_room.pk, [600])
    with stopped_before(count(paused_room), "UPDATE queue_segment") as leader:
        follower = Racer(sweep)
        follower.start()
        waits_for(follower, leader)
    assert (leader.result, follower.finish()) == (None, 0)
    assert Turnstile.objects.get(room=paused_room).waiting == 3
