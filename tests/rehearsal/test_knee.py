"""The knee of made-up curves, and what is proposed from it: exact outcomes."""

import math

import pytest

from config.rehearsal.knee import (
    Fit,
    Knee,
    Point,
    find_knee,
    is_over,
    list_usable,
    propose,
    refine,
)

LEVELS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def point(people, per_second, latency_s, error_share=0.0):
    return Point(people=people, per_second=per_second, latency_s=latency_s, error_share=error_share)


def saturate(people, *, most=40.0, alone_s=1.0):
    """A closed system at its asymptotes: so many purchases a second at most, each in `alone_s` where
    nobody waits. Its knee is where people = most × alone_s."""
    per_second = min(people / alone_s, most)
    return point(people, per_second, people / per_second)


def peak_at(people, top, *, width=1.0):
    """A point of a curve whose power is a parabola in logarithms, highest at `top`."""
    power = math.exp(-width * (math.log(people) - math.log(top)) ** 2)
    return point(people, people * power, people)


class TestClimbing:
    def test_goes_on_while_throughput_grows(self):
        climbed = []
        for people in LEVELS:
            climbed.append(saturate(people))
            if is_over(climbed):
                break
        # 64 still gain on 32; 128 gain nothing, and take twice as long.
        assert [p.people for p in climbed] == [1, 2, 4, 8, 16, 32, 64, 128]

    @pytest.mark.parametrize(
        ("last", "over"),
        [
            (point(2, 10.5, 2.0), False),  # it gains exactly what it must
            (point(2, 10.4, 2.0), True),
            (point(2, 10.4, 1.1), False),  # and takes no longer
            (point(2, 9.0, 1.2), True),
            (point(2, 30.0, 1.0, 0.011), True),
            (point(2, 30.0, 1.0, 0.01), False),
        ],
    )
    def test_ends_where_less_is_gained_and_answers_slow_down_or_requests_fail(self, last, over):
        assert is_over([point(1, 10.0, 1.0), last]) is over

    def test_nothing_is_over_before_it_began(self):
        assert not is_over([])
        assert not is_over([point(1, 0.0, 0.0)])
        assert is_over([point(1, 1.0, 1.0, 0.5)])


class TestKnee:
    def test_is_the_vertex_between_equal_neighbours(self):
        knee = find_knee([point(32, 10, 1.0), point(64, 30, 2.0), point(128, 40, 4.0)])
        assert knee.fit is Fit.PARABOLA
        assert knee.steps == (32, 64, 128)
        assert knee.people == pytest.approx(64)
        assert knee.per_second == pytest.approx(30)
        assert knee.latency_s == pytest.approx(2.0)

    @pytest.mark.parametrize("top", [40, 50, 64, 75, 90])
    def test_lies_between_the_steps(self, top):
        assert find_knee([peak_at(people, top) for people in LEVELS]).people == pytest.approx(top)

    def test_of_a_system_at_its_asymptotes_is_where_people_are_most_times_alone(self):
        points = [saturate(people) for people in LEVELS]
        assert refine(points) == [23, 45]
        points += [saturate(people) for people in refine(points)]
        knee = find_knee(points)
        assert knee.steps == (32, 45, 64)
        assert knee.people == pytest.approx(40, rel=0.15)

    def test_takes_throughput_and_latency_from_the_straight_line_between_steps(self):
        points = [point(10, 10, 1.0), point(20, 20, 1.5), point(40, 30, 2.3)]
        knee = find_knee(points)
        share = (math.log(knee.people) - math.log(20)) / math.log(2)
        assert 0 < share < 1
        assert knee.per_second == pytest.approx(20 + share * 10)
        assert knee.latency_s == pytest.approx(1.5 + share * 0.8)

    def test_at_the_ends_is_said_to_be_one(self):
        rising = [point(1, 1, 1.0), point(2, 2, 1.0)]
        assert find_knee(rising).fit is Fit.LAST
        falling = [point(1, 2, 1.0), point(2, 2, 2.0)]
        assert find_knee(falling).fit is Fit.FIRST
        assert find_knee(rising[:1]).fit is Fit.LAST

    def test_steps_that_failed_or_sold_nothing_do_not_count(self):
        good = point(4, 4, 1.0)
        assert list_usable([point(1, 0, 0.0), point(9, 99, 0.1, 0.02), good]) == [good]
        assert find_knee([point(1, 0, 0.0)]) is None
        assert refine([]) == []

    def test_equal_powers_have_no_vertex_but_the_middle(self):
        level = [point(10, 10, 1.0), point(20, 20, 2.0), point(40, 40, 4.0)]
        # The first of equals is the best, and has no neighbour before it.
        assert find_knee(level).fit is Fit.FIRST
        later = [point(5, 1, 1.0), *level]
        assert 10 <= find_knee(later).people <= 20


class TestRefining:
    def test_measures_half_way_to_both_neighbours(self):
        assert refine([peak_at(people, 64) for people in LEVELS]) == [45, 91]

    def test_measures_nothing_twice(self):
        points = [peak_at(people, 2) for people in (1, 2, 3, 4)]
        assert refine(points) == []  # 1.4 is 1, and 2.8 is 3


class TestProposal:
    def knee(self, per_second):
        return Knee(people=40, per_second=per_second, latency_s=1.0, fit=Fit.PARABOLA, steps=(40,))

    def test_leaves_headroom_and_counts_people_by_littles_law(self):
        proposal = propose(self.knee(50.0), think_s=90, service_s=2.0)
        assert proposal.admit_per_minute == 2_100  # 50 × 0.7 × 60
        assert proposal.capacity == 3_220  # 2,100 ÷ 60 × 92

    def test_rounds_the_rate_down_and_the_people_up(self):
        proposal = propose(self.knee(0.1), think_s=10, service_s=0.5)
        assert (proposal.admit_per_minute, proposal.capacity) == (4, 1)

    def test_never_closes_a_room(self):
        proposal = propose(self.knee(0.001), think_s=0, service_s=0.1)
        assert (proposal.admit_per_minute, proposal.capacity) == (1, 1)
