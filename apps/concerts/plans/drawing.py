"""Seats from a few numbers for each section: rows, seats in a row, aisles, a curve and an angle.

The unit is the way from one seat to the next. x grows to the right as one looks at the stage from
above, y away from it; a section's origin is the middle of its front row.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from math import cos, dist, floor, radians, sin
from typing import NamedTuple

from django.utils.translation import gettext as _

from apps.concerts import limits
from apps.concerts.layout import AISLE, Spot, number_spots
from apps.core.errors import InvalidRequest

DIGITS = 2
# Seats that are nearer to one another than this cannot both be there.
NEAREST = 0.7


class DrawnSeat(NamedTuple):
    """One seat of a plan, as it is drawn."""

    section: str
    row: str
    number: str
    grade: str
    x: float
    y: float
    position: int


class ListedSeat(NamedTuple):
    """One seat of a plan, before it has its position in the house."""

    section: str
    grade: str
    spot: Spot


@dataclass(frozen=True, kw_only=True)
class SectionShape:
    """A section as staff draw it.

    `aisles` are the numbers of the seats that an aisle follows. `curve` is how many degrees the front
    row goes around the stage, 0 for a straight one; `angle` how many degrees the whole section is
    turned, clockwise.
    """

    name: str
    grade: str
    rows: int
    seats_per_row: int
    aisles: Sequence[int] = ()
    curve: float = 0
    angle: float = 0
    x: float = 0
    y: float = 1


def draw_sections(sections: Sequence[SectionShape]) -> list[DrawnSeat]:
    """Return the seats of the sections in house order. Raise `InvalidRequest` where they are too many."""
    require_seats(sum(section.rows * section.seats_per_row for section in sections))
    return put_in_order(
        ListedSeat(section.name, section.grade, spot)
        for section in sections
        for spot in _draw_spots(section)
    )


def require_seats(count: int) -> None:
    """Raise `InvalidRequest` where a plan has too many seats."""
    if count > limits.PLAN_SEATS_MAX:
        told = _("A plan has at most %(most)s seats; this one has %(count)s.") % {
            "most": f"{limits.PLAN_SEATS_MAX:,}",
            "count": f"{count:,}",
        }
        raise InvalidRequest.of("seats", "too_many", told)


def put_in_order(seats: Iterable[ListedSeat]) -> list[DrawnSeat]:
    """Return seats in house order: sections and rows in the order in which they come first."""
    listed = list(seats)
    order = {name: rank for rank, name in enumerate(dict.fromkeys(seat.section for seat in listed))}
    drawn = []
    after = -1
    listed.sort(key=lambda seat: order[seat.section])
    for section, group in groupby(listed, key=lambda seat: seat.section):
        members = list(group)
        grades = {(seat.spot.row, seat.spot.number): seat.grade for seat in members}
        for spot, position in number_spots([seat.spot for seat in members], after=after):
            after = position
            grade = grades[spot.row, spot.number]
            drawn.append(DrawnSeat(section, spot.row, spot.number, grade, spot.x, spot.y, position))
    return drawn


def find_overlaps(seats: Sequence[DrawnSeat]) -> list[tuple[DrawnSeat, DrawnSeat]]:
    """Return seats that lie on others, each with one that is there before it."""
    found = []
    squares: dict[tuple[int, int], list[DrawnSeat]] = defaultdict(list)
    for seat in seats:
        column, row = floor(seat.x / NEAREST), floor(seat.y / NEAREST)
        near = (
            other
            for square in product((column - 1, column, column + 1), (row - 1, row, row + 1))
            for other in squares.get(square, ())
            if dist((other.x, other.y), (seat.x, seat.y)) < NEAREST
        )
        other = next(near, None)
        if other is not None:
            found.append((other, seat))
        squares[column, row].append(seat)
    return found


def _draw_spots(section: SectionShape) -> Iterator[Spot]:
    along = _measure_row(section)
    length = along[-1] - along[0]
    turn = radians(section.angle)
    # The radius of the front row, whose seats keep their distance on the arc.
    radius = length / radians(section.curve) if section.curve and length else None
    for row in range(section.rows):
        for index, way in enumerate(along):
            if radius is None:
                x, y = way, float(row)
            else:
                angle = way / (radius + row)
                x, y = (radius + row) * sin(angle), (radius + row) * cos(angle) - radius
            yield Spot(
                place=(),
                row=str(row + 1),
                number=str(index + 1),
                x=round(section.x + x * cos(turn) - y * sin(turn), DIGITS),
                y=round(section.y + x * sin(turn) + y * cos(turn), DIGITS),
            )


def _measure_row(section: SectionShape) -> list[float]:
    """Return how far along its row each seat stands, from the row's middle."""
    aisles = set(section.aisles)
    along = [0.0]
    for number in range(1, section.seats_per_row):
        along.append(along[-1] + (AISLE if number in aisles else 1.0))
    return [way - along[-1] / 2 for way in along]
