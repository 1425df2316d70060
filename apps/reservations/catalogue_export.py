"""Concert files of concerts as they are: the way back of `catalogue`.

A file says less than the database knows; what it cannot say is left out so that loading it where it
comes from changes nothing. Each performance is therefore read back and compared, seat by seat.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from apps.concerts.concert_file import ConcertFileError, PerformanceEntry, label_seat
from apps.concerts.layout import plan_seats
from apps.concerts.limits import MAIN_ROOM
from apps.concerts.models import Concert, Performance, Seat
from apps.concerts.transitions import FILE_BLOCK, WITHDRAWN, compare_seats
from apps.queue.models import WaitingRoom
from apps.reservations.catalogue import parse_concerts

Described = dict[str, Any]


class NotExportable(Exception):
    """Concerts cannot be written as a concert file; `problems` says each reason, with the concert."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(kw_only=True)
class Export:
    """A concert file, how much is in it, and what is not, concerts by their slugs."""

    content: str = ""
    concerts: list[str] = field(default_factory=list)
    performances: int = 0
    seats: int = 0
    left_out: list[str] = field(default_factory=list)
    without_seats: list[str] = field(default_factory=list)


def export_concerts(
    concerts: Sequence[Concert], *, note_progress: Callable[[str], None] = lambda _text: None
) -> Export:
    """Return the file of concerts that were read with their venues. Raise `NotExportable`.

    A concert in which nothing has seats is left out and named. The caller reads in one snapshot.
    """
    export = Export()
    rooms = {room.slug: room for room in WaitingRoom.objects.all()}
    described: list[Described] = []
    problems: list[str] = []
    for concert in concerts:
        note_progress(concert.slug)
        try:
            shows = list(_describe_performances(concert, export))
        except NotExportable as error:
            problems += error.problems
            continue
        if not shows:
            export.without_seats.append(concert.slug)
            continue
        export.concerts.append(concert.slug)
        described.append(_describe_concert(concert, rooms[concert.room], shows))
    if problems:
        raise NotExportable(problems)
    if described:
        export.content = _write({"concerts": described}) + "\n"
        _check(export)
    return export


def _check(export: Export) -> None:
    """Read the file as loading it would. Raise `NotExportable` with what is wrong."""
    try:
        parse_concerts(export.content.encode())
    except ConcertFileError as error:
        raise NotExportable([str(problem) for problem in error.problems]) from error


def _describe_concert(concert: Concert, room: WaitingRoom, shows: list[Described]) -> Described:
    described: Described = {
        "slug": concert.slug,
        "title": concert.title,
        "artist": concert.artist,
        "description": concert.description,
        "venue": {"name": concert.venue.name, "time_zone": concert.venue.time_zone},
        "sales_open_at": _write_time(concert.sales_open_at, concert),
        "sales_close_at": _write_time(concert.sales_close_at, concert),
        "seats_per_customer": concert.seats_per_customer,
        "cancel_until_hours": concert.cancel_until_hours,
        "published": concert.published,
    }
    # Without a room a concert is served by `main`, whose limits are no concert's.
    if room.slug != MAIN_ROOM:
        described["room"] = {
            "slug": room.slug,
            "capacity": room.capacity,
            "admit_per_minute": room.admit_per_minute,
            "session_seconds": room.session_seconds,
            "idle_seconds": room.idle_seconds,
        }
    return {**described, "performances": shows}


def _describe_performances(concert: Concert, export: Export) -> Iterator[Described]:
    for performance in concert.performances.order_by("starts_at"):
        starts_at = _write_time(performance.starts_at, concert)
        if performance.called_off_at is not None:
            export.left_out.append(f"{concert.slug}: the performance at {starts_at} is called off")
            continue
        seats = list(
            performance.seats.exclude(blocked=True, blocked_reason=WITHDRAWN).order_by("position")
        )
        if not seats:
            export.left_out.append(f"{concert.slug}: the performance at {starts_at} has no seats")
            continue
        export.performances += 1
        export.seats += len(seats)
        yield _describe_performance(concert, performance, seats, starts_at)


def _describe_performance(
    concert: Concert, performance: Performance, seats: list[Seat], starts_at: str
) -> Described:
    """Return a performance, its sections as rows by seats where that says the same."""
    sections: dict[str, list[Seat]] = {}
    for seat in seats:
        sections.setdefault(seat.section, []).append(seat)
    differing: list[Seat] = []
    for short in (True, False):
        described = {
            "starts_at": starts_at,
            "sections": [_describe_section(name, sections[name], short=short) for name in sections],
        }
        try:
            plan = plan_seats(PerformanceEntry.model_validate(described), ())
        except ValidationError:
            # The whole file is read in the end, which says what is wrong and where.
            return described
        differing = [seat for seat, _planned in compare_seats(seats, plan).changed]
        if not differing:
            return described
    raise NotExportable(
        [
            f"{concert.slug}: the performance at {starts_at} has {len(differing):,} seats in a house "
            f"order that no concert file has, such as {differing[0]}; it cannot be exported"
        ]
    )


def _describe_section(name: str, seats: list[Seat], *, short: bool) -> Described:
    grade, price = Counter((seat.grade, seat.price) for seat in seats).most_common(1)[0][0]
    described: Described = {"name": name, "grade": grade, "price": price}
    grid = _find_grid(seats) if short else None
    if grid is not None and all((seat.grade, seat.price) == (grade, price) for seat in seats):
        described["rows"], described["seats_per_row"] = grid
    else:
        described["seats"] = [_describe_seat(seat, grade, price) for seat in seats]
    blocked = [
        label_seat(seat.row, seat.number)
        for seat in seats
        if seat.blocked and seat.blocked_reason == FILE_BLOCK
    ]
    return {**described, "blocked": blocked} if blocked else described


def _find_grid(seats: list[Seat]) -> tuple[int, int] | None:
    """Return rows and seats in each of a section that is numbered as a file generates them."""
    rows = [len(list(row)) for _name, row in groupby(seats, key=lambda seat: seat.row)]
    labels = [
        (str(row), str(number))
        for row in range(1, len(rows) + 1)
        for number in range(1, rows[0] + 1)
    ]
    if labels != [(seat.row, seat.number) for seat in seats]:
        return None
    return len(rows), rows[0]


def _describe_seat(seat: Seat, grade: str, price: int) -> Described:
    described: Described = {"row": seat.row, "number": seat.number, "x": seat.x, "y": seat.y}
    if seat.grade != grade:
        described["grade"] = seat.grade
    if seat.price != price:
        described["price"] = seat.price
    return described


def _write_time(moment: datetime, concert: Concert) -> str:
    return moment.astimezone(ZoneInfo(concert.venue.time_zone)).isoformat()


def _write(value: Any, indent: str = "") -> str:
    """Return JSON for people: what has nothing but plain values in it is one line, each seat too."""
    inside = indent + "  "
    if isinstance(value, dict) and not all(map(_is_plain, value.values())):
        entries = [f"{json.dumps(name)}: {_write(value[name], inside)}" for name in value]
        brackets = "{}"
    elif isinstance(value, list) and not _is_plain(value):
        entries = [_write(entry, inside) for entry in value]
        brackets = "[]"
    else:
        return json.dumps(value, ensure_ascii=False)
    lines = ",\n".join(inside + entry for entry in entries)
    return f"{brackets[0]}\n{lines}\n{indent}{brackets[1]}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return not any(isinstance(entry, list | dict) for entry in value)
    return not isinstance(value, dict)
