"""What is offered to somebody who was not the first."""

import json
import random
from datetime import timedelta
from itertools import pairwise
from math import dist

import pytest
from django.db import connection

from apps.concerts.models import Seat
from apps.core.wire import number_parameters
from apps.reservations.alternatives import _write_nearest_free, find_alternatives
from apps.reservations.limits import ALTERNATIVES_REACH
from apps.reservations.models import ReservationSeat
from apps.reservations.transitions import cancel
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import CLAIMS, DEADLINE, block, make_hold, make_paid

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


def make_house(performance, chance):
    """Two sections with an aisle in each row, no two seats as far from a third; some blocked."""
    places = [
        (section, row, number)
        for section in ("A", "B")
        for row in range(1, 6)
        for number in range(1, 11)
    ]
    return Seat.objects.bulk_create(
        Seat(
            performance=performance,
            section=section,
            row=str(row),
            number=str(number),
            grade="VIP",
            price=10_000,
            x=number + chance.uniform(-0.2, 0.2),
            y=row + 7 * (section == "B") + chance.uniform(-0.2, 0.2),
            # Two apart where a row ends, and between its sixth seat and its seventh.
            position=index + index // 10 + (index + 4) // 10,
            blocked=chance.random() < 0.05,
            blocked_reason="카메라 자리",
        )
        for index, (section, row, number) in enumerate(places)
    )


def find_by_hand(wanted, *, now):
    """Return what should be offered, found among all groups of free seats of the house."""
    size = len(wanted)
    middle = sum(seat.x for seat in wanted) / size, sum(seat.y for seat in wanted) / size
    taken = set(ReservationSeat.objects.live(now).values_list("seat", flat=True))
    house = Seat.objects.filter(performance=wanted[0].performance_id).order_by("position")
    free = [seat for seat in house if not seat.blocked and seat.pk not in taken]
    groups = []
    for start in range(len(free) - size + 1):
        group = free[start : start + size]
        steps = {after.position - seat.position for seat, after in pairwise(group)}
        if steps <= {1} and len({(seat.section, seat.row) for seat in group}) == 1:
            groups.append((sum(dist(middle, (seat.x, seat.y)) ** 2 for seat in group), ids(group)))
    chosen = []
    for _distance, group in sorted(groups):
        if len(chosen) < 3 and not any(set(group) & set(other) for other in chosen):
            chosen.append(group)
    return chosen


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("sold", [0.05, 0.5, 0.8, 0.97, 1])
def test_in_a_house_within_reach_no_nearer_group_is_missed(performance, sold, size):
    chance = random.Random(f"{sold} {size}")
    house = make_house(performance, chance)
    taken = [seat for seat in house if chance.random() < sold]
    make_hold(UserFactory(), taken[::3])
    make_paid(UserFactory(), taken[1::3])
    # Over for most of the looks, and not written down.
    make_hold(UserFactory(), taken[2::3])
    for _look in range(6):
        start = chance.randrange(len(house) - size)
        wanted = house[start : start + size]
        for now in (NOW, DEADLINE):
            assert find_alternatives(ids(wanted), now=now) == find_by_hand(wanted, now=now)


def test_four_only_where_no_gap_parts_them(performance):
    house = make_house(performance, random.Random(4))
    Seat.objects.update(blocked=False)
    # Of ten seats in a row the last four are beside each other; of row 2 they are the only ones left.
    row = [seat for seat in house if (seat.section, seat.row) == ("A", "2")]
    make_hold(UserFactory(), [seat for seat in house if seat not in row])
    make_hold(UserFactory(), row[2:3])
    assert find(house[:4]) == ["2-7 2-8 2-9 2-10"]
    assert find(house[:3]) == ["2-4 2-5 2-6", "2-7 2-8 2-9"]


def test_no_further_than_the_reach(performance):
    seats = make_seats(performance, 2 * ALTERNATIVES_REACH + 10)
    near = seats[ALTERNATIVES_REACH]
    far = ALTERNATIVES_REACH * 2
    make_hold(UserFactory(), [*seats[:far], *seats[far + 1 :]])
    assert find([near]) == []
    assert find([seats[far - 1]]) == [f"1-{far + 1}"]


def explain(seat_ids):
    """Return the nodes of the plan that the server keeps, as it ran."""
    text, _names = number_parameters(_write_nearest_free(len(seat_ids)))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE looked (bigint[], timestamptz) AS {text.decode()}")
        cursor.execute(
            "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE looked (%s, %s)", [seat_ids, NOW]
        )
        found = cursor.fetchone()[0]
        cursor.execute("DEALLOCATE looked")
    nodes = [(json.loads(found) if isinstance(found, str) else found)[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", ())
    return nodes


def count_rows(nodes, table):
    """Return how many rows of a table were looked at."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes
        if node.get("Relation Name") == table
    )


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("analysed", [True, False], ids=["analysed", "as new"])
def test_in_a_large_house_only_the_neighbourhood_is_looked_at(
    performance, size, analysed, django_assert_num_queries
):
    seats = make_seats(performance, 3_000)
    wanted = seats[1_000 : 1_000 + size]
    make_paid(UserFactory(), wanted)
    if analysed:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    with django_assert_num_queries(1):
        assert len(find_alternatives(ids(wanted), now=NOW)) == 3
    nodes = explain(ids(wanted))
    assert count_rows(nodes, "concerts_seat") == 2 * ALTERNATIVES_REACH + size
    assert count_rows(nodes, "reservations_reservation") == size
    make_paid(UserFactory(), [seat for seat in seats if seat not in wanted])
    with django_assert_num_queries(1):
        assert find_alternatives(ids(wanted), now=NOW) == []
    nodes = explain(ids(wanted))
    assert not any(node["Node Type"] == "Seq Scan" for node in nodes)
    assert count_rows(nodes, "concerts_seat") == 2 * ALTERNATIVES_REACH + size
    assert count_rows(nodes, "reservations_reservation") == 2 * ALTERNATIVES_REACH
