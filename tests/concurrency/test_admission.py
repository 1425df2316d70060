"""Races at the turnstile: never more inside than the room holds, and nobody overtakes."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection

from apps.core.db import lock_rows
from apps.payments.services import pay_reservation
from apps.queue import admission, joining, services, transitions
from apps.queue.models import QueueEntry, Turnstile, WaitingRoom
from apps.queue.services import IssuedToken
from tests.concurrency.racing import (
    Racer,
    RolledBack,
    held_open,
    overlap,
    race,
    stopped_before,
    take_locks_away,
    waits_for,
)
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
from tests.factories import NOW, QueueEntryFactory, UserFactory
from tests.reservations.support import make_inside, make_reservation

pytestmark = pytest.mark.django_db(transaction=True)

# The statement before which the free places are counted, and nobody has entered.
HEAD_OF_THE_LINE = 'ORDER BY U0."place"'


# Two admitters

ADMITTERS = {
    "look": lambda room, line: look(room),
    "fill": lambda room, line: fill(room),
    "join": lambda room, line: join(UserFactory()),
    "poll": lambda room, line: poll(line[-1]),
    "beat": lambda room, line: admit,
}
PAIRS = [
    ("look", "look"),
    ("look", "fill"),
    ("fill", "look"),
    ("join", "look"),
    ("look", "join"),
    ("join", "join"),
    ("poll", "beat"),
    ("beat", "poll"),
]


def run_both(room, line, pair):
    """Run the second admitter when the first has counted the free places, and let the first go on.
    Return what they came to, and whether the second had to wait."""
    # Long enough ago for a call to stand in for beat, not long enough for the line to be unknown.
    Turnstile.objects.update(counted_at=NOW - timedelta(seconds=2))
    first, second = (ADMITTERS[name](room, line) for name in pair)
    with stopped_before(first, HEAD_OF_THE_LINE) as leader:
        follower = Racer(second)
        follower.start()
        waited = waits_for(follower, leader)
    return leader.result, follower.finish(), waited


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_two_admitters_let_in_no_more_than_fit(small_room, pair):
    waiting = make_line(small_room, 1, 2, 3)
    *results, waited = run_both(small_room, waiting, pair)
    assert not any(isinstance(result, Exception) for result in results)
    assert waited == (pair[1] == "join")  # all others leave it to the first
    assert (states(waiting), count_inside()) == (["admitted", "waiting", "waiting"], 1)
    assert list_overtaken(small_room) == []


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_two_admitters_without_the_turnstile_let_in_too_many(small_room, pair, monkeypatch):
    waiting = make_line(small_room, 1, 2, 3)
    take_locks_away(monkeypatch, admission)
    *_results, waited = run_both(small_room, waiting, pair)
    assert (waited, count_inside()) == (False, 2)  # one place


def test_the_rate_holds_for_two_admitters(room):
    room.admit_per_minute = 2
    room.save()
    waiting = make_line(room, *range(1, 7))
    assert run_both(room, waiting, ("look", "fill")) == (2, 0, False)
    assert sum(race(*[look(room)] * 3)) == 0
    assert states(waiting) == ["admitted"] * 2 + ["waiting"] * 4


def test_the_rate_for_two_admitters_without_the_turnstile(room, monkeypatch):
    room.admit_per_minute = 2
    room.save()
    waiting = make_line(room, *range(1, 7))
    take_locks_away(monkeypatch, admission)
    assert run_both(room, waiting, ("look", "fill")) == (2, 2, False)


def test_many_admitters_and_joins_at_once(room):
    room.capacity = 5
    room.save()
    make_line(room, 1, 2, 3, 4)
    joins = [join(UserFactory()) for _customer in range(6)]
    results = race(*joins, *[look(room)] * 4, *[fill(room)] * 2)
    assert not any(isinstance(result, Exception) for result in results)
    inside = QueueEntry.objects.filter(state="admitted").order_by("number")
    assert [entry.number for entry in inside] == [1, 2, 3, 4, 5]
    assert QueueEntry.objects.filter(state="waiting").count() == 5
    assert list_overtaken(room) == []


# Waiting at the turnstile


def test_a_room_that_is_paused_meanwhile_lets_nobody_in(room):
    with held_open(look(room)) as leader:
        follower = Racer(join(UserFactory()))
        follower.start()
        assert waits_for(follower, leader)
        WaitingRoom.objects.update(state=WaitingRoom.State.PAUSED)
    assert follower.finish().status.entry.state == "waiting"
    assert count_inside() == 0


def test_who_waits_too_long_has_a_token_or_no_place(room, customer):
    def join_in_haste():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 10")
            try:
                return join(customer)()
            finally:
                cursor.execute("RESET lock_timeout")

    with held_open(look(room)):
        hasty = Racer(join_in_haste)
        hasty.start()
        result = hasty.finish()
    assert isinstance(result, IssuedToken) == live_of(customer).exists()


# Leaving and admission


def test_leaving_and_then_admission(small_room):
    waiting = make_line(small_room, 1, 2)
    result = overlap(leave(waiting[0]), admit)
    assert result.waited
    assert states(waiting)[0] == "ended"
    assert (result.second + admit(), states(waiting)[1]) == (1, "admitted")
    assert list_overtaken(small_room) == []


def test_leaving_and_then_admission_without_a_lock(small_room, monkeypatch):
    waiting = make_line(small_room, 1, 2)
    take_locks_away(monkeypatch, admission)
    result = overlap(leave(waiting[0]), admit)
    assert isinstance(result.second, IntegrityError)  # it would let in who has left
    assert states(waiting) == ["ended", "waiting"]


def admit_while_the_first_nearly_leaves(line):
    """Admit while somebody leaves whose transaction is then rolled back. Return how many entered, and
    whether the admission waited."""
    with held_open(leave(line[0]), commit=False) as leader:
        follower = Racer(admit)
        follower.start()
        waited = waits_for(follower, leader)
    assert isinstance(leader.result, RolledBack)
    return follower.finish(), waited


def test_who_has_nearly_left_is_not_passed_over(small_room):
    waiting = make_line(small_room, 1, 2)
    assert admit_while_the_first_nearly_leaves(waiting) == (1, True)
    assert states(waiting) == ["admitted", "waiting"]
    assert list_overtaken(small_room) == []


def test_who_has_nearly_left_is_overtaken_where_locked_entries_are_skipped(small_room, monkeypatch):
    room = small_room
    room.capacity = 2
    room.save()
    waiting = make_line(room, 1, 2)

    def skip_locked(rows, **options):
        return lock_rows(rows, **{**options, "skip_locked": True})

    monkeypatch.setattr(admission, "lock_rows", skip_locked)
    assert admit_while_the_first_nearly_leaves(waiting) == (1, False)
    assert states(waiting) == ["waiting", "admitted"]
    assert list_overtaken(room) == [(1, 2)]


def test_admission_and_then_leaving(small_room):
    waiting = make_line(small_room, 1, 2)
    result = overlap(admit, leave(waiting[0]))
    assert (result.first, result.waited, result.second) == (1, True, None)
    left = now_of(waiting[0])
    assert (left.state, left.end_reason, left.admitted_at) == ("ended", "left", NOW)
    assert states(waiting) == ["ended", "admitted"]  # without another look


def test_admission_and_then_leaving_without_a_lock(small_room, monkeypatch):
    waiting = make_line(small_room, 1, 2)
    take_locks_away(monkeypatch, transitions)
    overlap(admit, leave(waiting[0]))
    assert states(waiting) == ["ended", "waiting"]  # it left as somebody who waits


# Asking again and admission


def test_asking_again_and_then_admission(small_room):
    waiting = make_line(small_room, 1, 2, 3)
    result = overlap(take(waiting[0].customer), admit)
    assert result.waited
    assert result.second + admit() == 1
    assert states(waiting) == ["ended", "admitted", "waiting"]
    again = live_of(waiting[0].customer).get()
    assert (again.number, again.state, count_inside()) == (4, "waiting", 1)
    assert list_overtaken(small_room) == []


def test_asking_again_and_then_admission_without_a_lock(small_room, monkeypatch):
    waiting = make_line(small_room, 1, 2, 3)
    take_locks_away(monkeypatch, admission)
    result = overlap(take(waiting[0].customer), admit)
    assert isinstance(result.second, IntegrityError)  # it would let in who has gone to the back
    assert count_inside() == 0


def test_admission_and_then_asking_again(small_room):
    waiting = make_line(small_room, 1, 2, 3)
    result = overlap(admit, join(waiting[0].customer))
    assert (result.first, result.waited) == (1, True)
    assert states(waiting) == ["ended", "admitted", "waiting"]
    assert live_of(waiting[0].customer).get().state == "waiting"
    assert count_inside() == 1
    assert list_overtaken(small_room) == []


def test_admission_and_then_asking_again_without_a_lock(small_room, monkeypatch):
    waiting = make_line(small_room, 1, 2, 3)
    take_locks_away(monkeypatch, joining)
    overlap(admit, join(waiting[0].customer))
    assert states(waiting) == ["ended", "waiting", "waiting"]  # nobody takes the place given up


# A place inside that is given up


def pay(buyer, seats):
    reservation = make_reservation(buyer.customer, seats[:2])
    return lambda: pay_reservation(entry_id=buyer.pk, reservation_id=reservation.pk, now=NOW)


GIVING_UP = {"leave": lambda buyer, seats: leave(buyer), "pay": pay}


@pytest.mark.parametrize("how", GIVING_UP)
def test_the_next_is_inside_as_soon_as_a_place_is_given_up(small_room, entry, seats, how):
    waiting = make_line(small_room, 1, 2)
    give_up = GIVING_UP[how](entry, seats)
    with held_open(give_up):
        assert (admit(), states(waiting)) == (0, ["waiting", "waiting"])  # nothing is committed
    assert states([entry, *waiting]) == ["ended", "admitted", "waiting"]


@pytest.mark.parametrize("how", GIVING_UP)
def test_the_next_waits_for_a_look_where_nothing_follows_the_commit(
    small_room, entry, seats, how, monkeypatch
):
    waiting = make_line(small_room, 1, 2)
    monkeypatch.setattr(transitions, "on_commit", lambda *_args, **_options: None)
    GIVING_UP[how](entry, seats)()
    assert states([entry, *waiting]) == ["ended", "waiting", "waiting"]


def test_the_next_enters_with_the_next_look_where_somebody_is_at_the_turnstile(small_room, entry):
    waiting = make_line(small_room, 1, 2)
    result = overlap(look(small_room), leave(entry))
    assert (result.first, result.second, result.waited) == (0, None, False)
    assert states([entry, *waiting]) == ["ended", "waiting", "waiting"]
    assert look(small_room)() == 1
    assert states(waiting) == ["admitted", "waiting"]


def test_who_gives_up_a_place_waits_where_that_is_not_left_to_others(
    small_room, entry, monkeypatch
):
    make_line(small_room, 1, 2)
    wait = partial(admission.fill_free_places, wait=True)
    monkeypatch.setattr(transitions, "fill_freed_place", wait)
    assert overlap(look(small_room), leave(entry)).waited


# Calling and admission


LIMIT = NOW + timedelta(seconds=60)


def call_while_the_next_is_let_in(room, monkeypatch):
    """Let somebody inside call just before the idle limit; while the call is on its way the next
    enters, just after the limit. Return how many are inside then."""
    room.idle_seconds = 60
    room.save()
    quiet = make_inside(room=room)
    QueueEntryFactory(room=room, last_seen_at=LIMIT)

    def find_and_be_overtaken(token, really=services.find_entry):
        entry = really(token)
        assert services.admit_queue(now=LIMIT) == 1
        return entry

    monkeypatch.setattr(services, "find_entry", find_and_be_overtaken)
    just_before = LIMIT - timedelta(microseconds=1)
    token = f"token-{quiet.number}"
    services.note_call(customer_id=quiet.customer_id, token=token, now=just_before)
    return QueueEntry.objects.admitted(room, LIMIT).count()


def test_a_call_on_its_way_does_not_bring_back_who_was_counted_out(small_room, monkeypatch):
    assert call_while_the_next_is_let_in(small_room, monkeypatch) == 1


def test_a_call_on_its_way_brings_back_who_is_not_written_out(small_room, monkeypatch):
    def count_by_clock_alone(room, *, inside, now):
        return room.capacity - QueueEntry.objects.admitted(room, now).count()

    monkeypatch.setattr(admission, "end_by_clock", lambda *_args, **_options: 0)
    monkeypatch.setattr(admission, "count_free_places", count_by_clock_alone)
    assert call_while_the_next_is_let_in(small_room, monkeypatch) == 2  # one place
