"""How long until somebody's turn, when to ask again, and the history that both are made from."""

import pytest
from django.db.models import Sum

from apps.queue import limits, services
from apps.queue.estimates import estimate_wait_s, measure_rates, poll_interval_s
from apps.queue.models import Turn, Turnstile, WaitingRoom
from tests.factories import NOW, QueueEntryFactory, RoomFactory, UserFactory
from tests.queue.support import at, keep_calling, stand_in_line, states, turnstile_of

CURRENT = "/api/v1/queue/tokens/current"


def make_room(*, turnstile=None, **fields):
    """Return a room that is full, of ten places used for 100 s each, as no database knows it."""
    room = WaitingRoom(**{"capacity": 10, "session_seconds": 100, "idle_seconds": 60, **fields})
    room.turnstile = Turnstile(**{"admitted": 10, **(turnstile or {})})
    return room


def estimate(position, *, now=NOW, turnstile=None, **fields):
    return estimate_wait_s(make_room(turnstile=turnstile, **fields), position, now=now)


class TestEstimates:
    @pytest.mark.parametrize(
        ("position", "wait_s"),
        [(0, 0), (1, 10), (25, 250)],  # one enters every 10 s
    )
    def test_at_first_all_that_is_known_is_how_long_a_session_may_last(self, position, wait_s):
        assert estimate(position) == wait_s

    @pytest.mark.parametrize(
        ("leaving_per_s", "admit_per_minute", "wait_s"),
        [
            (0.2, 0, 13),  # two places a second, as seen lately
            (0.2, 60, 25),  # but no more than the limit a minute
            (0.05, 60, 50),
            (1e-9, 0, 250),  # and no fewer than sessions that use their whole time
            (0, 6, 250),
            (0, 3, 500),
        ],
    )
    def test_the_rate_seen_lately_stands_between_the_limits(
        self, leaving_per_s, admit_per_minute, wait_s
    ):
        turnstile = {"leaving_per_s": leaving_per_s}
        assert estimate(25, turnstile=turnstile, admit_per_minute=admit_per_minute) == wait_s

    @pytest.mark.parametrize(
        ("position", "admit_per_minute", "wait_s"),
        [(5, 0, 0), (6, 0, 10), (15, 0, 100), (5, 60, 5), (6, 60, 15)],
    )
    def test_places_that_are_free_are_filled_first(self, position, admit_per_minute, wait_s):
        half_empty = {"admitted": 5}
        assert estimate(position, turnstile=half_empty, admit_per_minute=admit_per_minute) == wait_s

    def test_more_inside_than_there_are_places_is_a_full_room(self):
        assert estimate(1, turnstile={"admitted": 500}) == 10

    @pytest.mark.parametrize(
        ("giving_up_per_s", "position", "wait_s"),
        [
            (0.01, 25, 126),  # ln(1 + 0.01 * 25 / 0.1) / 0.01
            (0.001, 1_000_000, 9_211),
            (1e-15, 25, 250),
        ],
    )
    def test_those_who_give_up_shorten_it(self, giving_up_per_s, position, wait_s):
        assert estimate(position, turnstile={"giving_up_per_s": giving_up_per_s}) == wait_s

    @pytest.mark.parametrize("giving_up_per_s", [0, 1e-7, 1e-4, 0.01, 1])
    @pytest.mark.parametrize("leaving_per_s", [0, 0.02, 5])
    @pytest.mark.parametrize("admit_per_minute", [0, 1, 600])
    def test_who_stands_further_back_never_waits_for_less(
        self, giving_up_per_s, leaving_per_s, admit_per_minute
    ):
        turnstile = {
            "admitted": 5,
            "giving_up_per_s": giving_up_per_s,
            "leaving_per_s": leaving_per_s,
        }
        waits = [
            estimate(position, turnstile=turnstile, admit_per_minute=admit_per_minute)
            for position in (*range(50), 100, 1_000, 10**6, 10**7)
        ]
        assert waits == sorted(waits)
        assert waits[0] == 0

    def test_it_never_says_more_than_a_day(self):
        assert estimate(10**9) == 86_400

    @pytest.mark.parametrize(
        ("state", "wait_s"), [("open", 10), ("draining", 10), ("paused", None), ("closed", None)]
    )
    @pytest.mark.parametrize("opens_at", [None, at(30)])
    def test_nobody_can_tell_while_nobody_is_let_in(self, state, wait_s, opens_at):
        drawn = {"drawn_for": opens_at}
        assert estimate(1, state=state, opens_at=opens_at, turnstile=drawn) == wait_s
        if wait_s is None:
            assert estimate(None, state=state, opens_at=opens_at) is None

    @pytest.mark.parametrize(
        ("now", "until_opening_s"), [(at(0), 30), (at(29.5), 0.5), (at(40), 0)]
    )
    def test_before_the_opening_the_time_until_then_is_added_to_that_of_the_middle(
        self, now, until_opening_s
    ):
        wait_s = estimate(None, now=now, opens_at=at(30), turnstile={"waiting": 24})
        assert wait_s == pytest.approx(125 + until_opening_s, abs=0.5)

    def test_after_the_draw_the_opening_is_over(self):
        opened = {"drawn_for": at(30), "waiting": 24}
        assert estimate(1, now=at(10), opens_at=at(30), turnstile=opened) == 10


class TestTheTimeToAskAgain:
    @pytest.mark.parametrize(
        ("wait_s", "idle_seconds", "longest_s", "shortest_s"),
        [
            (None, 60, 20, 16),  # a third of the idle limit, so that a poll may be lost
            (3_600, 60, 20, 16),
            (30, 60, 10, 8),  # oftener the nearer the turn
            (5, 60, 1, 1),
            (0, 60, 1, 1),
            (3_600, 3, 1, 1),
        ],
    )
    def test_it_is_a_part_of_the_idle_limit_and_of_the_wait(
        self, wait_s, idle_seconds, longest_s, shortest_s
    ):
        room = make_room(idle_seconds=idle_seconds)
        assert poll_interval_s(room, wait_s=wait_s, jitter=0) == longest_s
        assert poll_interval_s(room, wait_s=wait_s, jitter=1) == shortest_s

    @pytest.mark.parametrize("jitter", [0, 0.3, 1])
    def test_it_is_between_a_second_and_a_third_of_the_idle_limit(self, jitter):
        for idle_seconds in range(limits.IDLE_SECONDS_MIN, limits.IDLE_SECONDS_MAX + 1, 41):
            room = make_room(idle_seconds=idle_seconds)
            for wait_s in (None, 0, 1, 59, 3_600, limits.ESTIMATE_MAX_S):
                interval_s = poll_interval_s(room, wait_s=wait_s, jitter=jitter)
                assert 1 <= interval_s <= idle_seconds / 3, (idle_seconds, wait_s)
                assert isinstance(interval_s, int)

    @pytest.mark.parametrize(
        ("position", "admit_per_minute", "longest_s"),
        [
            (5, 0, 10),  # half a room may be through in five seconds, and again in ten
            (50, 0, 100),
            (500, 0, 1_000),  # it is the third of the idle limit that counts
            (5, 12, 25),  # as fast as the limit a minute allows
        ],
    )
    def test_nobody_is_sent_away_for_longer_than_until_the_soonest_turn(
        self, position, admit_per_minute, longest_s
    ):
        """Whatever is estimated, which at first is too long."""
        room = make_room(capacity=5, admit_per_minute=admit_per_minute, idle_seconds=3_000)
        asked_again_s = poll_interval_s(room, wait_s=86_400, position=position, jitter=0)
        assert asked_again_s == longest_s

    def test_the_soonest_turn_is_no_reason_to_wait_longer(self):
        room = make_room(capacity=1, idle_seconds=3_000)
        assert poll_interval_s(room, wait_s=30, position=500, jitter=0) == 10

    def test_who_is_first_in_a_room_that_lets_nobody_in_asks_seldom(self):
        assert poll_interval_s(make_room(), wait_s=None, position=1, jitter=0) == 20

    def test_those_who_came_together_do_not_come_together_again(self):
        room = make_room(idle_seconds=3_600)
        drawn = {poll_interval_s(room, wait_s=None) for _poll in range(100)}
        assert len(drawn) > 10
        assert 960 <= min(drawn) <= max(drawn) <= 1_200

    @pytest.mark.django_db
    @pytest.mark.usefixtures("clock_at_now")
    @pytest.mark.parametrize("admitted", [False, True])
    @pytest.mark.parametrize("idle_seconds", [3, 60, 86_400])
    def test_the_answer_says_it_in_its_header_too(self, room, sign_in, admitted, idle_seconds):
        WaitingRoom.objects.update(idle_seconds=idle_seconds, capacity=1)
        entry = QueueEntryFactory(room=room, admitted=True)
        if not admitted:
            (entry,) = stand_in_line(room, 1)
        answer = sign_in(entry.customer, entry).get(CURRENT)
        poll_after_s = answer.json()["poll_after_seconds"]
        assert 1 <= poll_after_s <= idle_seconds / 3
        assert answer["Retry-After"] == str(poll_after_s)


class TestRates:
    def measure(self, **happened):
        turnstile = make_room().turnstile
        turnstile.room = make_room()
        nothing = {"finished": 0, "inside_s": 0, "gave_up": 0, "waiting_s": 0}
        measure_rates(turnstile, **{**nothing, **happened})
        return turnstile.leaving_per_s, turnstile.giving_up_per_s

    def test_nothing_has_happened(self):
        assert self.measure() == (1 / 100, 0)

    def test_sessions_that_ended_for_the_time_that_people_were_inside(self):
        assert self.measure(finished=9, inside_s=100)[0] == pytest.approx(10 / 200)

    def test_those_who_gave_up_for_the_time_that_people_waited(self):
        assert self.measure(gave_up=3, waiting_s=600)[1] == pytest.approx(3 / 600)


@pytest.mark.django_db
class TestTurns:
    @pytest.fixture
    def room(self, room):
        """A room of two places whose people stay as long as a test needs."""
        WaitingRoom.objects.update(capacity=2, idle_seconds=86_400, session_seconds=86_400)
        room.refresh_from_db()
        return room

    def read_last(self):
        names = ("turn", "entered", "finished", "gave_up", "waiting", "admitted", "capacity")
        return Turn.objects.order_by("pk").values(*names, "waiting_s", "inside_s").last()

    def test_it_says_who_entered(self, room):
        stand_in_line(room, 5)
        services.admit_queue(now=NOW)
        assert self.read_last() == {
            "turn": 1,
            "entered": 2,
            "finished": 0,
            "gave_up": 0,
            "waiting": 3,
            "admitted": 2,
            "capacity": 2,
            "waiting_s": 0,
            "inside_s": 0,
        }

    def test_it_says_who_finished_and_who_gave_up_and_for_how_long_people_were_there(self, room):
        people = stand_in_line(room, 5)
        services.admit_queue(now=NOW)
        for gone in (people[0], people[4]):
            services.leave_line(entry_id=gone.pk, now=at(2))
        stand_in_line(room, 1)
        services.admit_queue(now=at(4))
        assert self.read_last() == {
            "turn": 2,
            "entered": 1,
            "finished": 1,
            "gave_up": 1,
            "waiting": 2,
            "admitted": 2,
            "capacity": 2,
            "waiting_s": 3 * 4,
            "inside_s": 2 * 4,
        }

    def test_time_is_counted_once_where_clocks_differ(self, room):
        """Two machines look in turn, one of them a second behind."""
        stand_in_line(room, 5)
        services.admit_queue(now=NOW)
        for second in range(1, 5):
            stand_in_line(room, 2)  # so that something has happened each time
            services.admit_queue(now=at(second))
            services.admit_queue(now=at(second - 1))
        assert Turn.objects.aggregate(inside_s=Sum("inside_s"))["inside_s"] == 2 * 4

    def test_a_clock_that_was_far_ahead_keeps_nobody_waiting(self, room):
        stand_in_line(room, 5)
        services.admit_queue(now=at(600))
        for second in (0, 10):
            stand_in_line(room, 1)
            services.admit_queue(now=at(second))
        assert self.read_last()["inside_s"] == 2 * 10

    def test_the_clock_lets_people_finish_and_give_up_too(self, room):
        people = stand_in_line(room, 5)
        services.admit_queue(now=NOW)
        keep_calling(people[0], people[4], now=at(-86_400))
        services.expire_queue(now=at(1))
        services.admit_queue(now=at(2))
        totals = Turn.objects.aggregate(finished=Sum("finished"), gave_up=Sum("gave_up"))
        assert totals == {"finished": 1, "gave_up": 1}

    def test_those_who_are_let_in_as_they_join_have_not_given_up(self, room):
        for _person in range(2):
            services.issue_token(customer_id=UserFactory().pk, room_slug="main", now=NOW)
        stand_in_line(room, 1)
        services.admit_queue(now=at(1))
        totals = Turn.objects.aggregate(entered=Sum("entered"), gave_up=Sum("gave_up"))
        assert totals == {"entered": 2, "gave_up": 0}
        assert turnstile_of(room).giving_up_per_s == 0

    def test_those_who_take_a_place_that_was_left_have_not_given_up(
        self, room, django_capture_on_commit_callbacks
    ):
        people = stand_in_line(room, 4)
        services.admit_queue(now=NOW)
        stand_in_line(room, 1)
        with django_capture_on_commit_callbacks(execute=True):
            services.leave_line(entry_id=people[0].pk, now=at(1))
        assert states(*people) == ["ended", "admitted", "admitted", "waiting"]
        services.admit_queue(now=at(2))
        totals = Turn.objects.aggregate(finished=Sum("finished"), gave_up=Sum("gave_up"))
        assert totals == {"finished": 1, "gave_up": 0}

    def test_one_is_written_down_where_something_happened_and_else_every_ten_seconds(self, room):
        stand_in_line(room, 3)
        for seconds, turns in ((0, 1), (1, 1), (9.9, 1), (10, 2), (19.9, 2), (20, 3)):
            services.admit_queue(now=at(seconds))
            assert Turn.objects.count() == turns, seconds
        assert self.read_last()["waiting_s"] == pytest.approx(10)
        assert self.read_last()["inside_s"] == pytest.approx(20)

    def test_none_is_written_down_of_a_room_where_nobody_is(self, room):
        for seconds in (0, 10, 1_000):
            services.admit_queue(now=at(seconds))
        assert not Turn.objects.exists()

    @pytest.mark.parametrize(("seconds", "elapsed_s"), [(100_000, 300), (-100, 0)])
    def test_a_clock_that_jumps_makes_no_more_of_it_than_the_window(self, room, seconds, elapsed_s):
        WaitingRoom.objects.update(session_seconds=10**6)
        people = stand_in_line(room, 3)
        services.admit_queue(now=NOW)
        keep_calling(*people, now=at(seconds))
        stand_in_line(room, 1, seen=at(seconds))
        services.admit_queue(now=at(seconds))
        turn = self.read_last()
        assert (turn["waiting_s"], turn["inside_s"]) == (elapsed_s, 2 * elapsed_s)

    def test_the_pace_is_that_of_the_turns_of_the_last_five_minutes(self, room):
        people = stand_in_line(room, 6)
        services.admit_queue(now=NOW)
        for gone in (people[0], people[5]):
            services.leave_line(entry_id=gone.pk, now=at(10))
        services.admit_queue(now=at(10))
        turnstile = turnstile_of(room)
        assert turnstile.leaving_per_s == pytest.approx(2 / (2 * 10 + 86_400))
        assert turnstile.giving_up_per_s == pytest.approx(1 / (4 * 10))
        services.admit_queue(now=at(310))
        turnstile = turnstile_of(room)
        assert turnstile.leaving_per_s == pytest.approx(1 / (2 * 300 + 86_400))
        assert turnstile.giving_up_per_s == 0

    def test_the_burst_that_fills_a_room_is_not_its_pace(self, room):
        stand_in_line(room, 3)
        services.admit_queue(now=NOW)
        assert turnstile_of(room).leaving_per_s == pytest.approx(1 / 86_400)

    def test_a_limit_a_minute_is_kept_over_any_minute(self, room):
        WaitingRoom.objects.update(capacity=100, admit_per_minute=3)
        stand_in_line(room, 30)
        entered = {
            second: services.admit_queue(now=at(second)) for second in (0, 20, 59, 60, 61, 119, 120)
        }
        assert entered == {0: 3, 20: 0, 59: 0, 60: 3, 61: 0, 119: 0, 120: 3}

    def test_a_limit_a_minute_counts_each_turn_from_its_own_time(self, room):
        WaitingRoom.objects.update(capacity=1, admit_per_minute=3)
        stand_in_line(room, 30)
        entered = {}
        for second, capacity in ((0, 1), (30, 3), (59, 9), (60, 9), (89, 9), (90, 9)):
            WaitingRoom.objects.update(capacity=capacity)
            entered[second] = services.admit_queue(now=at(second))
        assert entered == {0: 1, 30: 2, 59: 0, 60: 1, 89: 0, 90: 2}

    def test_a_limit_a_minute_is_a_rooms_own(self, room):
        WaitingRoom.objects.update(admit_per_minute=1)
        other = RoomFactory(slug="first-snow", admit_per_minute=1)
        stand_in_line(room, 1)
        stand_in_line(other, 1)
        assert services.admit_queue(now=NOW) == 2
