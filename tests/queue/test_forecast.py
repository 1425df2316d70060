"""What a change of a room's limits is forecast to do, against a room that is played through."""

import math
import random
from datetime import timedelta
from itertools import pairwise

import pytest

from apps.queue import services
from apps.queue.forecast import Flow, Limits, forecast, limits_of, read_flow
from apps.queue.models import WaitingRoom
from apps.queue.selectors import get_room
from tests.factories import NOW
from tests.queue.support import at, keep_calling, stand_in_line

# People come and go at random, so a play of some hundreds is within this of what was to be expected.
NEARLY = 0.12


def flow(**fields):
    return Flow(
        **{"waiting": 600, "inside": 100, "leaving_per_s": 0.02, "giving_up_per_s": 0.0, **fields}
    )


def limits(**fields):
    return Limits(
        **{
            "lets_in": True,
            "capacity": 100,
            "admit_per_minute": 0,
            "session_s": 600,
            **fields,
        }
    )


def play(people, room, *, seed):
    """Play a room second by second: people leave, give up and enter one by one, at random.

    Return how long nobody entered, how many entered in the minute after that, and when nobody of them
    was left waiting.
    """
    chance = random.Random(seed)
    waiting, inside, entries = people.waiting, people.inside, []
    for second in range(100_000):
        if not waiting:
            first = entries[0]
            return first, sum(entered < first + 60 for entered in entries), second
        inside -= sum(chance.random() < people.leaving_per_s for _one in range(inside))
        waiting -= sum(chance.random() < people.giving_up_per_s for _one in range(waiting))
        if second < room.opens_in_s:
            continue
        free = min(max(room.capacity - inside, 0), waiting)
        if room.admit_per_minute:
            # Evenly, so that a minute's entries are not all in its first second.
            allowed = room.admit_per_minute * (second + 1) // 60
            free = min(free, allowed - room.admit_per_minute * second // 60)
        entries += [second] * free
        waiting, inside = waiting - free, inside + free
    raise AssertionError("the line never ends")


CASES = {
    "a full room": (flow(), limits()),
    "free places": (flow(inside=20), limits()),
    "a greater room": (flow(), limits(capacity=250)),
    "a smaller room": (flow(), limits(capacity=40)),
    "a limit a minute": (flow(), limits(admit_per_minute=60)),
    "a limit that fills the places slowly": (flow(inside=0), limits(admit_per_minute=180)),
    "a limit above what leaves": (flow(), limits(admit_per_minute=600)),
    "people who give up": (flow(waiting=2_000, giving_up_per_s=0.004), limits()),
    "a smaller room, and people who give up": (
        flow(waiting=2_000, giving_up_per_s=0.004),
        limits(capacity=40),
    ),
    "before the opening": (flow(inside=0), limits(opens_in_s=90)),
    "all who wait find a place": (flow(waiting=50, inside=0), limits()),
}


class TestAgainstAPlay:
    @pytest.mark.parametrize("case", CASES)
    def test_the_forecast_is_what_a_play_comes_to(self, case):
        people, room = CASES[case]
        played = [play(people, room, seed=seed) for seed in range(7)]
        starts, first_minute, empty = (
            sum(values) / len(played) for values in zip(*played, strict=True)
        )
        told = forecast(people, room)
        assert told.known
        assert told.starts_after_s == pytest.approx(starts, rel=NEARLY, abs=3)
        assert told.first_minute == pytest.approx(first_minute, rel=NEARLY, abs=3)
        assert told.line_empty_after_s == pytest.approx(empty, rel=NEARLY, abs=3)


class TestTheNumbers:
    def test_a_full_room_lets_in_as_many_as_leave(self):
        told = forecast(flow(), limits())
        assert (told.starts_after_s, told.per_minute) == (0, pytest.approx(120))
        assert told.first_minute == pytest.approx(120)
        assert told.line_empty_after_s == pytest.approx(300)

    def test_free_places_are_filled_at_once(self):
        told = forecast(flow(inside=0), limits())
        assert told.first_minute == pytest.approx(100 + 120)
        assert told.line_empty_after_s == pytest.approx(250)

    def test_the_limit_a_minute_stands_above_all(self):
        told = forecast(flow(inside=0), limits(admit_per_minute=60))
        assert (told.first_minute, told.per_minute) == (pytest.approx(60), pytest.approx(60))
        assert told.line_empty_after_s == pytest.approx(600)

    def test_a_room_that_holds_too_many_empties_first(self):
        told = forecast(flow(), limits(capacity=50))
        assert told.starts_after_s == pytest.approx(math.log(2) / 0.02)

    def test_nobody_stays_longer_than_a_session(self):
        told = forecast(flow(inside=100_000), limits(capacity=1, session_s=60))
        assert told.starts_after_s == pytest.approx(60)

    def test_a_shorter_session_frees_places_sooner(self):
        told = forecast(flow(), limits(session_s=10))
        assert told.per_minute == pytest.approx(600)

    def test_nobody_waits(self):
        told = forecast(flow(waiting=0), limits(opens_in_s=90))
        assert (told.first_minute, told.line_empty_after_s) == (0, 0)

    @pytest.mark.parametrize("seen", [None, 0.02])
    def test_while_nobody_is_let_in_there_is_no_end(self, seen):
        told = forecast(flow(leaving_per_s=seen), limits(lets_in=False))
        assert (told.known, told.starts_after_s, told.per_minute) == (True, None, None)
        assert (told.first_minute, told.line_empty_after_s) == (None, None)

    @pytest.mark.parametrize("waiting", [1, 10, 1_000, 1_000_000])
    @pytest.mark.parametrize("giving_up", [0, 1e-12, 1e-6, 1e-3, 1])
    @pytest.mark.parametrize("inside", [0, 99, 100, 5_000])
    def test_more_places_never_make_it_longer(self, waiting, giving_up, inside):
        people = flow(waiting=waiting, inside=inside, giving_up_per_s=giving_up)
        for per_minute in (0, 1, 100, 10_000):
            ends = [
                forecast(people, limits(capacity=capacity, admit_per_minute=per_minute))
                for capacity in (1, 50, 100, 1_000, 1_000_000)
            ]
            took = [told.line_empty_after_s for told in ends]
            # No more than rounding apart.
            assert all(later <= sooner + 1e-6 for sooner, later in pairwise(took))
            assert all(0 <= told.first_minute <= waiting for told in ends)


class TestWhatNobodyKnows:
    def test_where_nobody_has_left_it_says_so_and_what_is_the_least(self):
        told = forecast(flow(leaving_per_s=None), limits())
        assert not told.known
        assert told.per_minute == pytest.approx(10)  # 100 places, ten minutes each
        assert told.line_empty_after_s == pytest.approx(3_600)

    @pytest.mark.parametrize(
        ("people", "room", "known"),
        [
            ({"waiting": 50, "inside": 50}, {}, True),  # all of them find a place
            ({"waiting": 51, "inside": 50}, {}, False),
            ({}, {"admit_per_minute": 10}, True),  # no fewer leave than may enter
            ({}, {"admit_per_minute": 11}, False),
            ({"inside": 101, "waiting": 0}, {"admit_per_minute": 10}, False),
        ],
    )
    def test_where_it_does_not_matter_who_leaves_it_is_known(self, people, room, known):
        told = forecast(flow(leaving_per_s=None, **people), limits(**room))
        assert told.known == known


@pytest.mark.django_db
class TestReading:
    def test_a_new_room_has_seen_nobody_leave(self, room):
        stand_in_line(room, 3)
        WaitingRoom.objects.update(capacity=1)
        services.admit_queue(now=NOW)
        seen = read_flow(get_room("main"), now=NOW)
        assert (seen.waiting, seen.inside, seen.leaving_per_s) == (2, 1, None)

    def test_who_has_left_is_seen_for_as_long_as_estimates_last(self, room):
        people = stand_in_line(room, 3)
        WaitingRoom.objects.update(capacity=1, idle_seconds=3_600)
        services.admit_queue(now=NOW)
        services.leave_line(entry_id=people[0].pk, now=at(10))
        services.admit_queue(now=at(11))
        main = get_room("main")
        seen = read_flow(main, now=at(12))
        assert seen.leaving_per_s == pytest.approx(main.turnstile.leaving_per_s)
        assert seen.leaving_per_s > 1 / 600
        keep_calling(*people[1:], now=at(300))
        assert read_flow(main, now=at(312)).leaving_per_s is None

    @pytest.mark.parametrize(
        ("opens_in_s", "drawn", "told"), [(90, False, 90), (-9, False, 0), (90, True, 0)]
    )
    def test_the_opening(self, room, opens_in_s, drawn, told):
        room.opens_at = NOW + timedelta(seconds=opens_in_s)
        room.turnstile.drawn_for = room.opens_at if drawn else None
        assert limits_of(room, now=NOW).opens_in_s == told

    @pytest.mark.parametrize(
        ("state", "lets_in"),
        [("open", True), ("draining", True), ("paused", False), ("closed", False)],
    )
    def test_the_state(self, room, state, lets_in):
        room.state = state
        assert limits_of(room, now=NOW).lets_in == lets_in
