"""What fields of a concert file say together: repeats, contradictions, shapes and totals."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import datetime
from typing import Any

from apps.concerts import limits
from apps.concerts.concert_file.entries import label_seat, parse_time
from apps.concerts.concert_file.explanations import GIVEN_TWICE
from apps.concerts.concert_file.problems import (
    Place,
    Problem,
    clip_text,
    describe_value,
    format_place,
)


def cross_check(document: Any) -> Iterator[Problem]:
    """Yield what fields say wrongly together in a document as JSON has it, whatever else is wrong."""
    concerts = list(_list_objects((), document, "concerts"))
    yield from _check_repeats(_list_values(concerts, "slug", _as_text))
    yield from _check_agreement(concerts, "room", "slug")
    yield from _check_agreement(concerts, "venue", "name")
    seats = 0
    for place, concert in concerts:
        opens, closes = (_as_time(concert.get(f"sales_{end}_at")) for end in ("open", "close"))
        if opens and closes and opens >= closes:
            message = "should be after sales_open_at"
            yield Problem(place=(*place, "sales_close_at"), message=message)
        performances = list(_list_objects(place, concert, "performances"))
        yield from _check_repeats(_list_values(performances, "starts_at", _as_time))
        for performance_place, performance in performances:
            sections = list(_list_objects(performance_place, performance, "sections"))
            yield from _check_repeats(_list_values(sections, "name", _as_text))
            count = sum(_count_seats(section) for _place, section in sections)
            seats += count
            if count > limits.SEATS_PER_PERFORMANCE_MAX:
                yield _too_many(performance_place, count, limits.SEATS_PER_PERFORMANCE_MAX)
            for section_place, section in sections:
                yield from _check_section(section_place, section)
    if seats > limits.SEATS_PER_FILE_MAX:
        yield _too_many((), seats, limits.SEATS_PER_FILE_MAX)


def _too_many(place: Place, count: int, maximum: int) -> Problem:
    return Problem(place=place, message=f"should have at most {maximum:,} seats, has {count:,}")


def _check_section(place: Place, section: dict[str, Any]) -> Iterator[Problem]:
    grid = [name for name in ("rows", "seats_per_row") if section.get(name) is not None]
    listed = section.get("seats") is not None
    if listed and grid:
        message = f"should not stand beside {grid[0]}: give rows and seats_per_row, or seats"
        yield Problem(place=(*place, "seats"), message=message)
    elif not listed and not grid:
        yield Problem(place=place, message="needs rows and seats_per_row, or seats")
    elif len(grid) == 1:
        missing = "rows" if grid == ["seats_per_row"] else "seats_per_row"
        yield Problem(place=(*place, missing), message="is missing")
    seats = [
        (seat_place, label_seat(row, number))
        for seat_place, seat in _list_objects(place, section, "seats")
        if (row := _as_text(seat.get("row"))) and (number := _as_text(seat.get("number")))
    ]
    yield from _check_repeats(seats, "seat ")
    labels = {label for _place, label in seats} if listed else _list_grid_labels(section)
    blocked = section.get("blocked")
    if not isinstance(blocked, list):
        return
    named = [((*place, "blocked", index), label) for index, label in enumerate(blocked)]
    texts = [(place, label) for place, label in named if isinstance(label, str)]
    yield from _check_repeats(texts)
    for label_place, label in texts:
        if labels and label not in labels:
            message = "should name a seat of this section as row-number"
            yield Problem(place=label_place, message=f"{message}, is {describe_value(label)}")


def _list_grid_labels(section: dict[str, Any]) -> set[str]:
    """Return the labels of a generated section; none where its size is wrong."""
    count = _count_seats(section)
    if not 0 < count <= limits.SEATS_PER_PERFORMANCE_MAX:
        return set()
    return {
        label_seat(str(row), str(number))
        for row in range(1, section["rows"] + 1)
        for number in range(1, section["seats_per_row"] + 1)
    }


def _count_seats(section: dict[str, Any]) -> int:
    if isinstance(section.get("seats"), list):
        return len(section["seats"])
    sides = (section.get("rows"), section.get("seats_per_row"))
    rows, seats_per_row = (
        side if isinstance(side, int) and not isinstance(side, bool) and side > 0 else 0
        for side in sides
    )
    return rows * seats_per_row


def _check_agreement(
    concerts: Iterable[tuple[Place, dict[str, Any]]], field: str, key: str
) -> Iterator[Problem]:
    """Find what two concerts say differently of the same room or venue."""
    said: dict[tuple[str, str], tuple[Place, Any]] = {}
    for place, concert in concerts:
        entry = concert.get(field)
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str):
            continue
        for name, value in entry.items():
            # Who says nothing agrees; that a field is given twice is told by itself.
            if value is None or value is GIVEN_TWICE:
                continue
            here = (*place, field, name)
            first, first_value = said.setdefault((entry[key], name), (here, value))
            if value != first_value:
                message = f"should be as at {format_place(first)}, {describe_value(first_value)}"
                yield Problem(place=here, message=f"{message}, is {describe_value(value)}")


def _check_repeats(values: Iterable[tuple[Place, Hashable]], what: str = "") -> Iterator[Problem]:
    seen: dict[Hashable, Place] = {}
    for place, value in values:
        first = seen.setdefault(value, place)
        if first is not place:
            shown = f"{what}{clip_text(value)} " if what and isinstance(value, str) else ""
            yield Problem(place=place, message=f"{shown}is the same as {format_place(first)}")


def _list_objects(place: Place, owner: Any, name: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the objects of a list with their places; what is none is for the models to refuse."""
    entries = owner.get(name) if isinstance(owner, dict) else None
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield (*place, name, index), entry


def _list_values(
    objects: Iterable[tuple[Place, dict[str, Any]]], name: str, read: Callable[[Any], Any]
) -> Iterator[tuple[Place, Any]]:
    for place, entry in objects:
        value = read(entry.get(name))
        if value is not None:
            yield (*place, name), value


def _as_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_time(value: Any) -> datetime | None:
    try:
        return parse_time(value)
    except ValueError:
        return None
