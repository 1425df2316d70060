"""Races at the moment of opening: the order is drawn once, and who moves meanwhile is where they belong."""

from datetime import timedelta
from itertools import count as numbers_from
from types import SimpleNamespace

import pytest

from apps.queue import admission, opening, transitions
from apps.queue.models import Draw, Turnstile
from apps.queue.opening import drawn_key
from tests.concurrency.racing import (
    Racer,
    overlap,
    stopped_before,
    take_from_sql,
    take_locks_away,
    waits_for,
    without_unique_indexes,
)
from tests.concurrency.support import (
    count,
    count_inside,
    fill,
    join,
    leave,
    list_overtaken,
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

JUST_BEFORE = NOW - timedelta(microseconds=1)
THE_DRAW = "sha256("


@pytest.fixture
def opening_room(small_room):
    """The room `main` with one place inside, whose opening has come."""
    small_room.opens_at = NOW
    small_room.save()
    return small_room


def make_lobby(room, *numbers):
    return make_line(room, *numbers, at=NOW - timedelta(minutes=1))


def assert_drawn_once(line):
    """Assert that this line is in the order of the one draw."""
    draw = Draw.objects.get()
    drawn = sorted((now_of(entry) for entry in line), key=lambda entry: entry.place)
    keys = [drawn_key(seed=draw.seed, number=entry.number) for entry in drawn]
    assert keys == sorted(keys)
    assert (draw.entries, {entry.draw_id for entry in drawn}) == (len(line), {draw.pk})


# The draw and the draw


def draw_twice(room):
    """Look after the room while another look is about to draw its order. Return how many each let in,
    and whether the second waited."""
    with stopped_before(look(room), THE_DRAW) as leader:
        follower = Racer(look(room))
        follower.start()
        waited = waits_for(follower, leader)
    return leader.result, follower.finish(), waited


def test_the_order_is_drawn_once(opening_room):
    lobby = make_lobby(opening_room, 1, 2, 3, 4)
    assert draw_twice(opening_room) == (1, 0, False)
    assert_drawn_once(lobby)
    assert list_overtaken(opening_room) == []


def test_the_order_is_drawn_twice_without_fences(opening_room, monkeypatch):
    make_lobby(opening_room, 1, 2, 3, 4)
    take_locks_away(monkeypatch, admission)
    with without_unique_indexes("queue_draw"):
        assert draw_twice(opening_room)[2] is False
        assert list(Draw.objects.order_by("entries").values_list("entries", flat=True)) == [0, 4]


def test_the_unique_draw_alone_is_fence_enough(opening_room, monkeypatch):
    lobby = make_lobby(opening_room, 1, 2, 3, 4)
    take_locks_away(monkeypatch, admission)
    assert draw_twice(opening_room)[2] is True
    assert_drawn_once(lobby)


# The draw and entering


def test_nobody_enters_while_the_order_is_drawn(opening_room):
    lobby = make_lobby(opening_room, 1, 2, 3, 4)
    with stopped_before(look(opening_room), THE_DRAW):
        assert fill(opening_room)() == 0
        issued = join(UserFactory())()
    assert (issued.status.entry.state, issued.status.position) == ("waiting", None)
    assert_drawn_once(lobby)
    assert (states(lobby).count("admitted"), count_inside()) == (1, 1)


def test_nobody_enters_before_the_draw_without_the_turnstile(opening_room, monkeypatch):
    make_lobby(opening_room, 1, 2, 3, 4)
    take_locks_away(monkeypatch, admission)
    with stopped_before(look(opening_room), THE_DRAW):
        assert fill(opening_room)() == 0


def test_the_first_to_come_enters_before_the_draw_without_fences(opening_room, monkeypatch):
    lobby = make_lobby(opening_room, 1, 2, 3, 4)
    take_locks_away(monkeypatch, admission)
    monkeypatch.setattr(admission, "is_before_opening", lambda _room: False)
    with stopped_before(look(opening_room), THE_DRAW):
        assert fill(opening_room)() == 1
    assert states(lobby)[0] == "admitted"


# The draw and leaving


def test_leaving_and_then_the_draw(opening_room):
    lobby = make_lobby(opening_room, 1, 2, 3, 4)
    result = overlap(leave(lobby[1]), look(opening_room))
    assert (result.waited, result.second + look(opening_room)()) == (True, 1)
    left = now_of(lobby.pop(1))
    assert (left.state, left.draw_id) == ("ended", None)
    assert_drawn_once(lobby)
    assert list_overtaken(opening_room) == []


def test_leaving_and_then_a_draw_that_does_not_look_again(opening_room, monkeypatch):
    lobby = make_lobby(opening_room, 1, 2, 3, 4)
    take_from_sql(monkeypatch, opening, "_DRAW", " AND e.state = 'waiting'")
    overlap(leave(lobby[1]), look(opening_room))
    assert (Draw.objects.get().entries, states(lobby)[1]) == (4, "ended")  # who has left was drawn


def leave_while_the_order_is_drawn(room, monkeypatch):
    """Draw the order (300, 600, 1), so that 600 comes from the third segment into the second and then
    leaves from there. Return what the others are told then, and where they are."""

    def order(seed):
        return sorted((1, 300, 600), key=lambda number: drawn_key(seed=seed, number=number))

    seed = next(seed for seed in map(str, numbers_from()) if order(seed) == [300, 600, 1])
    monkeypatch.setattr(opening, "secrets", SimpleNamespace(token_hex=lambda _bytes: seed))
    lobby = make_lobby(room, 1, 300, 600)
    result = overlap(look(room), leave(lobby[2]))
    assert (result.waited, result.second) == (True, None)
    assert (now_of(lobby[2]).place, now_of(lobby[0]).place) == (300, 600)
    count(room)()
    return told_positions(room), true_positions(room)


@pytest.fixture
def paused_opening_room(opening_room, paused_room):
    """The room `main`, whose opening has come, and which lets nobody in."""
    opening_room.state = paused_room.state
    opening_room.save()
    return opening_room


def test_the_draw_and_then_leaving(paused_opening_room, monkeypatch):
    told, true = leave_while_the_order_is_drawn(paused_opening_room, monkeypatch)
    assert told == true


def test_the_draw_and_then_leaving_without_a_lock(paused_opening_room, monkeypatch):
    take_locks_away(monkeypatch, transitions)  # it leaves from where it was before
    told, true = leave_while_the_order_is_drawn(paused_opening_room, monkeypatch)
    assert (sorted(told.values()), sorted(true.values())) == ([0, 2], [0, 1])


# The draw and joining


def join_while_the_order_is_drawn(room, first_is_the_join):
    """Draw the order while somebody joins just before the opening by their own clock. Return their
    entry, the others, and whether one waited for the other."""
    lobby = make_lobby(room, 1, 2, 3, 4)
    newcomer = UserFactory()
    acts = [take(newcomer, now=JUST_BEFORE), look(room)]
    result = overlap(*acts) if first_is_the_join else overlap(*reversed(acts))
    entry_id = result.first if first_is_the_join else result.second
    newest = now_of(SimpleNamespace(pk=entry_id))
    assert newest.customer_id == newcomer.pk
    return newest, [now_of(entry) for entry in lobby], result.waited


@pytest.mark.parametrize("first_is_the_join", [True, False], ids=["join-draw", "draw-join"])
def test_who_joins_while_the_order_is_drawn_is_behind(opening_room, first_is_the_join):
    newest, lobby, waited = join_while_the_order_is_drawn(opening_room, first_is_the_join)
    assert (waited, newest.place, newest.draw_id) == (False, 5, None)
    assert sorted(entry.place for entry in lobby) == [1, 2, 3, 4]
    assert_drawn_once(lobby)
    assert list_overtaken(opening_room) == []


@pytest.mark.parametrize("first_is_the_join", [True, False], ids=["join-draw", "draw-join"])
def test_who_joins_is_in_front_where_the_drawn_take_new_places(
    opening_room, first_is_the_join, monkeypatch
):
    own_places = "SELECT place, row_number() OVER (ORDER BY place) AS rank FROM lobby"
    new_places = """
        SELECT last_number + row_number() OVER (ORDER BY place) AS place,
               row_number() OVER (ORDER BY place) AS rank
          FROM lobby, queue_dispenser WHERE room_id = %(room)s"""
    take_from_sql(monkeypatch, opening, "_DRAW", own_places, new_places)
    newest, lobby, _waited = join_while_the_order_is_drawn(opening_room, first_is_the_join)
    assert newest.place <= min(entry.place for entry in lobby)


# The draw and the sweep


def test_a_second_draw_and_the_sweep_at_once_both_finish(opening_room):
    """Somebody drawn at an earlier opening, and silent since, is first in line. The sweep has been at
    their entry when it comes to their segment, at which the draw has been, and the draw's look comes
    to their entry: were each to wait, neither would finish."""
    earlier = Draw.objects.create(
        room=opening_room, opens_at=NOW - timedelta(days=1), drawn_at=NOW, seed="earlier"
    )
    called_at = NOW - timedelta(seconds=opening_room.idle_seconds)
    (silent,) = make_line(opening_room, 1, at=called_at, draw=earlier)
    count(opening_room)()
    # Counted a moment ago, so that the sweep does not count.
    Turnstile.objects.filter(room=opening_room).update(counted_at=NOW)
    with stopped_before(sweep, "UPDATE queue_segment") as leader:
        follower = Racer(look(opening_room))
        follower.start()
        waits_for(follower, leader)
    assert (leader.result, follower.finish()) == (1, 0)
    assert now_of(silent).end_reason == "idle"
