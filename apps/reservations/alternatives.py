"""What to offer to somebody who was not the first: the nearest free groups of the same size."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import NamedTuple

from apps.core.prepared import fetch_prepared
from apps.reservations import limits

# One statement that looks at so many seats, however large the house: those before and behind the wanted
# ones in house order, and who has claimed them, the nearest first until enough are free. It takes 0.2 ms of
# PostgreSQL where most are free and 0.6 where all are sold. Sorting the whole performance by its distance
# took 4 ms in a house of 2,000 and 120 in a sold out one of 50,000; the ORM can't filter what it has cut off.
#
# The limits stand in the text and the array is unpacked, so that PostgreSQL keeps the plan: it would make
# one for each refusal, which takes 0.4 ms, where it can see that few rows are wanted. That plan may be from
# before the sale: `OFFSET`, and a look at each claim by itself, leave it no way but to ask seat by seat.
_NEAREST_FREE = """
WITH wanted AS MATERIALIZED (
    SELECT min(performance_id) AS performance_id, avg(x) AS x, avg(y) AS y,
           round(avg(position))::integer AS position
      FROM concerts_seat WHERE id = ANY(ARRAY(SELECT unnest(%(seat_ids)s::bigint[])))),
near AS (
    SELECT id, section, row, seat.position,
           (seat.x - wanted.x) ^ 2 + (seat.y - wanted.y) ^ 2 AS distance
      FROM wanted, LATERAL (
           (SELECT * FROM concerts_seat
             WHERE performance_id = wanted.performance_id AND position >= wanted.position
             ORDER BY position LIMIT {reach})
            UNION ALL
           (SELECT * FROM concerts_seat
             WHERE performance_id = wanted.performance_id AND position < wanted.position
             ORDER BY position DESC LIMIT {reach})) AS seat
     WHERE NOT seat.blocked
     ORDER BY distance, id)
SELECT id, section, row, position, distance FROM near
 WHERE NOT EXISTS (
       SELECT FROM reservations_reservationseat AS line
        WHERE line.seat_id = near.id AND line.released_at IS NULL
          AND (SELECT claim.status = 'confirmed'
                      OR claim.status IN ('held', 'reserved') AND claim.expires_at > %(now)s
                 FROM reservations_reservation AS claim WHERE claim.id = line.reservation_id)
       OFFSET 0)
 ORDER BY distance, id LIMIT {count}"""


class FreeSeat(NamedTuple):
    """A free seat, and the square of its distance from the middle of the wanted ones."""

    id: int
    section: str
    row: str
    position: int
    distance: float


def find_alternatives(seat_ids: Sequence[int], *, now: datetime) -> list[list[int]]:
    """Return up to `ALTERNATIVES_MAX` groups of free seats beside each other, the nearest first.

    Each is of as many seats as were wanted, in one row of the same performance; no seat is in two. No
    further away is looked than `ALTERNATIVES_REACH`.
    """
    size = len(seat_ids)
    sql = _write_nearest_free(size)
    rows = fetch_prepared(sql, {"seat_ids": list(seat_ids), "now": now})
    chosen: list[list[int]] = []
    offered: set[int] = set()
    for _distance, ids in sorted(_list_groups([FreeSeat(*row) for row in rows], size)):
        if len(chosen) < limits.ALTERNATIVES_MAX and offered.isdisjoint(ids):
            chosen.append(ids)
            offered.update(ids)
    return chosen


@cache
def _write_nearest_free(size: int) -> str:
    """Return the statement for so many seats. Of single ones the nearest are the answer."""
    candidates = 1 if size == 1 else limits.ALTERNATIVE_CANDIDATES_PER_SEAT
    count = size * max(candidates, limits.ALTERNATIVES_MAX)
    return _NEAREST_FREE.format(reach=limits.ALTERNATIVES_REACH, count=count)


def _list_groups(seats: Sequence[FreeSeat], size: int) -> Iterator[tuple[float, list[int]]]:
    """Yield every run of `size` neighbours: how far it is, and its ids."""
    in_order = sorted(seats, key=lambda seat: seat.position)
    pairs = zip(in_order, islice(in_order, size - 1, None), strict=False)
    for start, (first, last) in enumerate(pairs):
        if (
            last.position - first.position == size - 1
            and last.row == first.row
            and last.section == first.section
        ):
            group = in_order[start : start + size]
            yield sum(seat.distance for seat in group), [seat.id for seat in group]
