"""Where seats stand, and their house order: of a concert file, and of a plan.

In a concert file generated sections stand one behind the other, each row centred on x = 0, a unit from seat to seat
and from row to row; sections with places of their own stand where they say, before the generated.
"""

from collections.abc import Iterator
from itertools import groupby, pairwise
from math import dist
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    # Commands alone read concert files: what checks their fields would be 5 MB of every other process.
    from apps.concerts.concert_file import PerformanceEntry, Place, SectionEntry

AISLE = 2.0
# Seats of a row that are further apart than its closest by this factor have an aisle between them.
AISLE_FACTOR = 1.5


class PlannedSeat(NamedTuple):
    """One seat as the file wants it, with its place in the file."""

    place: "Place"
    section: str
    row: str
    number: str
    grade: str
    price: int
    x: float
    y: float
    position: int
    blocked: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what tells the seat from the others of its performance."""
        return self.section, self.row, self.number


class Spot(NamedTuple):
    """Where one seat of a section stands, with its place in the file that it comes from."""

    place: "Place"
    row: str
    number: str
    x: float
    y: float


def plan_seats(performance: "PerformanceEntry", place: "Place") -> list[PlannedSeat]:
    """Return the seats of a performance that stands at `place` of its file, in house order.

    Positions are one apart between neighbours, and two where an aisle, a row or a section ends.
    """
    # Whoever has a performance of a file has loaded this.
    from apps.concerts.concert_file import label_seat

    planned: list[PlannedSeat] = []
    next_y = _find_free_y(performance)
    after = -1
    for index, section in enumerate(performance.sections):
        section_place = (*place, "sections", index)
        if section.seats is None:
            spots = list(_generate_spots(section, section_place, next_y))
            next_y = spots[-1].y + AISLE
        else:
            spots = list(_list_spots(section, section_place))
        blocked = set(section.blocked)
        # Most sections have none.
        own = {
            (seat.row, seat.number): seat
            for seat in section.seats or ()
            if seat.grade is not None or seat.price is not None
        }
        for spot, position in number_spots(spots, after=after):
            after = position
            seat = own.get((spot.row, spot.number))
            grade, price = (seat.grade, seat.price) if seat else (None, None)
            planned.append(
                PlannedSeat(
                    place=spot.place,
                    section=section.name,
                    row=spot.row,
                    number=spot.number,
                    grade=section.grade if grade is None else grade,
                    price=section.price if price is None else price,
                    x=spot.x,
                    y=spot.y,
                    position=position,
                    blocked=label_seat(spot.row, spot.number) in blocked,
                )
            )
    return planned


def number_spots(spots: list[Spot], *, after: int) -> Iterator[tuple[Spot, int]]:
    """Yield the spots of one section in house order, with positions behind `after`; -1 is none."""
    position = after
    for row in _list_runs(spots):
        position += 1
        for spot in row:
            position += 1
            yield spot, position


def _find_free_y(performance: "PerformanceEntry") -> float:
    """Return where the generated sections begin: behind all seats that have places of their own."""
    given = [seat.y for section in performance.sections for seat in section.seats or ()]
    return max(given) + AISLE if given else 1.0


def _generate_spots(section: "SectionEntry", place: "Place", first_y: float) -> Iterator[Spot]:
    assert section.rows is not None
    assert section.seats_per_row is not None
    middle = (section.seats_per_row + 1) / 2
    for row in range(1, section.rows + 1):
        for number in range(1, section.seats_per_row + 1):
            yield Spot(place, str(row), str(number), number - middle, first_y + row - 1)


def _list_spots(section: "SectionEntry", place: "Place") -> Iterator[Spot]:
    for index, seat in enumerate(section.seats or ()):
        yield Spot((*place, "seats", index), seat.row, seat.number, seat.x, seat.y)


def _list_runs(spots: list[Spot]) -> Iterator[list[Spot]]:
    """Yield the seats that stand beside each other, row by row, rows in the order that they come in."""
    order = {row: rank for rank, row in enumerate(dict.fromkeys(spot.row for spot in spots))}
    for _row, group in groupby(
        sorted(spots, key=lambda spot: order[spot.row]), key=lambda spot: spot.row
    ):
        row = list(group)
        gaps = [dist(left[3:], right[3:]) for left, right in pairwise(row)]
        reach = AISLE_FACTOR * min((gap for gap in gaps if gap), default=0.0)
        run = row[:1]
        for gap, spot in zip(gaps, row[1:], strict=True):
            if gap > reach:
                yield run
                run = []
            run.append(spot)
        yield run
