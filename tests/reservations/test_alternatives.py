"""What is offered to somebody who was not the first."""

import random
from datetime import timedelta

import pytest

from apps.concerts.models import Seat
from apps.reservations.alternatives import find_alternatives
from apps.reservations.transitions import cancel
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import CLAIMS, DEADLINE, block, make_hold

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(performance):
    """Three rows of seven, one behind the other; positions run on from row to row."""
    return [make_seats(performance, 7, row=str(row)) for row in (1, 2, 3)]


def names(groups):
    """Return the groups as `["1-3 1-4", …]`: row and number of each seat."""
    seats = Seat.objects.in_bulk()
    return [" ".join(f"{seats[i].row}-{seats[i].number}" for i in group) for group in groups]


def ids(seats):
    return [seat.pk for seat in seats]


def find(wanted, now=NOW):
    return names(find_alternatives(ids(wanted), now=now))


def test_the_nearest_seats_come_first(rows):
    make_hold(UserFactory(), [rows[1][3]])
    assert find([rows[1][3]]) == ["1-4", "2-3", "2-5"]
    make_hold(UserFactory(), [rows[0][3], rows[1][2]])
    assert find([rows[1][3]]) == ["2-5", "3-4", "1-3"]


def test_groups_are_of_the_same_size_and_share_no_seat(rows):
    make_hold(UserFactory(), rows[0][2:4])
    assert find(rows[0][2:4]) == ["2-3 2-4", "1-1 1-2", "1-5 1-6"]


def test_what_is_left_of_the_wanted_seats_may_be_offered(rows):
    make_hold(UserFactory(), [rows[0][3]])
    assert find(rows[0][2:4])[0] in ("1-2 1-3", "2-3 2-4")
    assert all("1-4" not in group for group in find(rows[0][2:4]))


def test_never_across_rows(performance, rows):
    # All is taken but the end of row 1 and the start of row 2, which are neighbours in house order.
    ends = {rows[0][6].pk, rows[1][0].pk}
    make_hold(UserFactory(), [seat for row in rows for seat in row if seat.pk not in ends])
    assert find(rows[2][:2]) == []
    assert find(rows[2][:1]) == ["2-1", "1-7"]


def test_never_across_sections(performance):
    make_seats(performance, 1, section="A")
    make_seats(performance, 1, section="B")
    lost = make_seats(performance, 2, section="C", row="9")
    make_hold(UserFactory(), lost)
    assert find(lost) == []


def test_never_across_a_gap(performance, rows):
    Seat.objects.filter(pk__in=ids(rows[0][3:])).update(position=1_000)
    for place, seat in enumerate(rows[0][3:]):
        Seat.objects.filter(pk=seat.pk).update(position=1_000 + place)
    make_hold(UserFactory(), rows[1] + rows[2])
    assert set(find(rows[1][:3])) == {"1-1 1-2 1-3", "1-4 1-5 1-6"}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_never_what_somebody_has(rows, claim):
    claim(UserFactory(), rows[0][:6])
    claim(UserFactory(), rows[1] + rows[2])
    assert find(rows[0][:1]) == ["1-7"]


def test_never_what_is_blocked(rows):
    for seat in [*rows[1], *rows[2], *rows[0][1:]]:
        block(seat)
    assert find([rows[1][0]]) == ["1-1"]


def test_what_is_over_is_free(rows):
    make_hold(UserFactory(), [seat for row in rows for seat in row])
    assert find([rows[0][0]], now=DEADLINE - timedelta(microseconds=1)) == []
    assert find([rows[0][0]], now=DEADLINE)[0] == "1-1"


def test_what_was_given_back_is_free(rows):
    cancel(make_hold(UserFactory(), rows[0]), now=NOW)
    assert find([rows[0][0]])[0] == "1-1"


def test_never_of_another_performance(performance, rows):
    other = PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(hours=4)
    )
    make_seats(other, 7)
    make_hold(UserFactory(), [seat for row in rows for seat in row])
    assert find([rows[0][0]]) == []


def test_more_than_a_row_has_is_never_offered(rows):
    assert find([*rows[0], rows[1][0]]) == []


def test_nothing_for_seats_that_do_not_exist(rows):
    assert find_alternatives([999_999_999], now=NOW) == []


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_taken_an_offer_can_be_held(performance, seed):
    chance = random.Random(seed)
    rows = [make_seats(performance, 12, row=str(row)) for row in range(1, 7)]
    house = [seat for row in rows for seat in row]
    taken = chance.sample(house, chance.randrange(20, 60))
    make_hold(UserFactory(), taken[::2])
    for seat in taken[1::2]:
        block(seat)
    size = chance.randrange(1, 5)
    groups = find_alternatives(ids(chance.sample(house, size)), now=NOW)
    offered = [seat_id for group in groups for seat_id in group]
    assert len(groups) <= 3
    assert len(offered) == len(set(offered)) == size * len(groups)
    assert set(offered).isdisjoint(ids(taken))
    for group in groups:
        seats = Seat.objects.filter(pk__in=group).order_by("position")
        assert len({(seat.section, seat.row) for seat in seats}) == 1
        positions = [seat.position for seat in seats]
        assert positions == list(range(positions[0], positions[0] + size))


def test_in_a_large_house_only_the_neighbourhood_is_looked_at(
    performance, django_assert_num_queries
):
    seats = make_seats(performance, 2_000)
    make_hold(UserFactory(), [seats[1_000]])
    with django_assert_num_queries(2):
        groups = find_alternatives([seats[1_000].pk], now=NOW)
    assert names(groups) == ["1-1000", "1-1002", "1-1003"] or names(groups) == [
        "1-1000", "1-1002", "1-999",
    ]  # fmt: skip
