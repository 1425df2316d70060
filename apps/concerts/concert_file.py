"""The concert file: what it may say, and what is wrong with it, each with its place.

Two passes find everything at once: the models look at each field by itself, the cross checks at what
fields say together. The cross checks therefore read the plain document, whatever else is wrong in it.
"""

import difflib
import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, cast, get_args
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from apps.concerts import limits

Place = tuple[str | int, ...]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
# More digits than any limit has; Python itself refuses to read some thousands of them.
_DIGITS_MAX = 1_000
_SHOWN_LENGTH_MAX = 60


class _GivenTwice:
    """Stands for the value of a field that its object has twice."""


_GIVEN_TWICE = _GivenTwice()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, and where: `concerts[0].performances[1].sections[0].price`."""

    place: Place
    message: str

    @property
    def written_place(self) -> str:
        """Return the place as messages have it; empty for the whole file."""
        return format_place(self.place)

    def __str__(self) -> str:
        return f"{self.written_place}: {self.message}" if self.place else self.message


class ConcertFileError(Exception):
    """A concert file cannot be loaded; `problems` names everything that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


def format_place(place: Place) -> str:
    """Return a place as it is written in messages."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"\w+", part):
            text += f".{part}"
        else:
            text += f".{json.dumps(_clip(part))}"
    return text.removeprefix(".")


def _require_text(value: str) -> str:
    if "\0" in value:
        raise ValueError("should have no NUL character")
    if not value.strip():
        raise ValueError("should not be blank")
    return value


def _require_line(value: str) -> str:
    _require_text(value)
    if value != value.strip():
        raise ValueError("should not begin or end with a space")
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("should be one line without control characters")
    return value


def _require_time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("should be a time zone such as Asia/Seoul")
    return value


def parse_time(value: Any) -> datetime:
    """Return a time of the file in UTC. Raise `ValueError` unless it is whole, with its offset."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            time = datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError("should be a time that exists") from None
        if not limits.YEAR_MIN <= time.year <= limits.YEAR_MAX:
            raise ValueError(f"should be in the years {limits.YEAR_MIN} to {limits.YEAR_MAX}")
        return time
    raise ValueError("should be a time with its offset from UTC, such as 2026-11-01T10:00:00+09:00")


Slug = Annotated[str, StringConstraints(pattern=r"^[-a-zA-Z0-9_]+$", min_length=1, max_length=100)]
Time = Annotated[datetime, BeforeValidator(parse_time)]
Line20 = Annotated[str, StringConstraints(max_length=20), AfterValidator(_require_line)]
Line50 = Annotated[str, StringConstraints(max_length=50), AfterValidator(_require_line)]
Line200 = Annotated[str, StringConstraints(max_length=200), AfterValidator(_require_line)]
Description = Annotated[
    str,
    StringConstraints(max_length=limits.DESCRIPTION_LENGTH_MAX),
    AfterValidator(lambda value: value and _require_text(value)),
]
Coordinate = Annotated[
    float, Field(ge=-limits.COORDINATE_MAX, le=limits.COORDINATE_MAX, allow_inf_nan=False)
]


class Entry(BaseModel):
    """An object of the file: JSON's types at their word, and no field that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SeatEntry(Entry):
    """A seat of a section with an irregular shape."""

    row: Line20
    number: Line20
    x: Coordinate
    y: Coordinate


class SectionEntry(Entry):
    """Seats of one grade and price, in the minor unit: `rows` and `seats_per_row`, or `seats`."""

    name: Line50
    grade: Line50
    price: int = Field(ge=0, le=limits.PRICE_MAX)
    rows: int | None = Field(default=None, ge=1, le=limits.ROWS_PER_SECTION_MAX)
    seats_per_row: int | None = Field(default=None, ge=1, le=limits.SEATS_PER_ROW_MAX)
    seats: list[SeatEntry] | None = Field(
        default=None, min_length=1, max_length=limits.SEATS_PER_PERFORMANCE_MAX
    )
    blocked: list[str] = Field(default=[], max_length=limits.SEATS_PER_PERFORMANCE_MAX)


class PerformanceEntry(Entry):
    """One show."""

    starts_at: Time
    sections: list[SectionEntry] = Field(
        min_length=1, max_length=limits.SECTIONS_PER_PERFORMANCE_MAX
    )


class VenueEntry(Entry):
    """Where it is; a venue that exists has its time zone already."""

    name: Line200
    time_zone: Annotated[str, AfterValidator(_require_time_zone)] | None = None


class RoomReference(Entry):
    """A concert's own waiting room. What else it says is known to the app that has the rooms."""

    slug: Slug


RoomT = TypeVar("RoomT", bound=RoomReference)


class ConcertEntry(Entry, Generic[RoomT]):
    """A concert. What is left out stays as it is, and is the default for a concert that is new."""

    slug: Slug
    title: Line200
    artist: Line200
    description: Description | None = None
    venue: VenueEntry
    sales_open_at: Time
    sales_close_at: Time
    seats_per_customer: int | None = Field(default=None, ge=1, le=limits.SEATS_PER_CUSTOMER_MAX)
    cancel_until_hours: int | None = Field(default=None, ge=0, le=limits.CANCEL_UNTIL_HOURS_MAX)
    published: bool | None = None
    room: RoomT | None = None
    performances: list[PerformanceEntry] = Field(
        min_length=1, max_length=limits.PERFORMANCES_PER_CONCERT_MAX
    )


class ConcertFile(Entry, Generic[RoomT]):
    """The whole file."""

    concerts: list[ConcertEntry[RoomT]] = Field(
        min_length=1, max_length=limits.CONCERTS_PER_FILE_MAX
    )


def read_concert_file(path: Path, *, room: type[RoomT]) -> ConcertFile[RoomT]:
    """Return what the file at `path` says; `room` is the model of a concert's `room`.

    Raise `ConcertFileError` with everything that is wrong.
    """
    if path.is_dir():
        raise _error("is a directory; name the file in it")
    try:
        with path.open("rb") as file:
            content = file.read(limits.FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise _error("does not exist") from None
    except OSError as error:
        raise _error(f"cannot be read: {error.strerror}") from error
    return parse_concert_file(content, room=room)


def parse_concert_file(content: bytes, *, room: type[RoomT]) -> ConcertFile[RoomT]:
    """Return what the content of a file says. Raise `ConcertFileError` as `read_concert_file` does."""
    if len(content) > limits.FILE_BYTES_MAX:
        raise _error(f"is too large: at most {limits.FILE_BYTES_MAX:,} bytes are read")
    document = _parse_json(_decode(content))
    model = cast(type[ConcertFile[RoomT]], ConcertFile[room])  # type: ignore[valid-type]
    problems = list(_check_together(document))
    try:
        file = model.model_validate(document)
    except ValidationError as error:
        problems += [_explain(details, model) for details in error.errors(include_url=False)]
    if problems:
        raise ConcertFileError(sorted(problems, key=_reading_order))
    return file


def _error(message: str) -> ConcertFileError:
    return ConcertFileError([Problem(place=(), message=message)])


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _error(
            f"is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}"
        ) from None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_build_object,
            parse_int=lambda digits: int(digits[:_DIGITS_MAX]),
        )
    except json.JSONDecodeError as error:
        raise _error(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise _error("is nested too deeply") from None


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for name, _value in pairs:
            if name in seen:
                fields[name] = _GIVEN_TWICE
            seen.add(name)
    return fields


def _reading_order(problem: Problem) -> list[tuple[bool, int, str]]:
    return [
        (isinstance(part, int), part if isinstance(part, int) else 0, str(part))
        for part in problem.place
    ]


# What each of pydantic's errors means in plain words; `{…}` are the fields of its context.
_SHOULD = {
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "finite_number": "should be a finite number",
    "string_type": "should be a text",
    "bool_type": "should be true or false",
    "list_type": "should be a list",
    "model_type": "should be an object",
    "model_attributes_type": "should be an object",
    "greater_than_equal": "should be {ge:,} or more",
    "less_than_equal": "should be {le:,} or less",
    "string_too_short": "should not be empty",
    "string_too_long": "should have at most {max_length:,} characters",
    "too_short": "should have {min_length} or more entries",
    "too_long": "should have at most {max_length:,} entries",
    "string_pattern_mismatch": "should have only letters a to z, digits, “-” and “_”",
    "value_error": "{error}",
}


def _explain(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    place, value = details["loc"], details["input"]
    if value is _GIVEN_TWICE:
        message = "is given twice"
    elif details["type"] == "missing":
        message = "is missing"
    elif details["type"] == "extra_forbidden":
        message = _explain_unknown(str(place[-1]), _find_model(model, place[:-1]))
    elif details["type"] == "string_unicode":
        message = "should be a text of whole characters, has half of a surrogate pair"
    else:
        context = {
            # Limits are whole numbers, those of coordinates too.
            name: int(limit) if isinstance(limit, float) else limit
            for name, limit in details.get("ctx", {}).items()
        }
        should = _SHOULD[details["type"]].format(**context)
        message = f"{should}, is {_describe(value)}"
    return Problem(place=place, message=message)


def _explain_unknown(name: str, model: type[BaseModel]) -> str:
    close = difflib.get_close_matches(name, model.model_fields, n=1)
    if close:
        return f"is no field of the concert file; did you mean “{close[0]}”?"
    return f"is no field of the concert file; there are {', '.join(model.model_fields)}"


def _find_model(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """Return the model of the object at `place`."""
    for part in place:
        if isinstance(part, str):
            annotation: Any = model.model_fields[part].annotation
            while get_args(annotation) and not isinstance(annotation, type):
                annotation = get_args(annotation)[0]
            model = next(iter(get_args(annotation)), annotation)
    return model


def _describe(value: Any) -> str:
    match value:
        case None | True | False:
            return json.dumps(value)
        case str():
            return f"the text “{_clip(value)}”"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
    return _clip(str(value))


def _clip(text: str) -> str:
    shown = text if len(text) <= _SHOWN_LENGTH_MAX else f"{text[:_SHOWN_LENGTH_MAX]}…"
    return shown.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _check_together(document: Any) -> Iterator[Problem]:
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
            message = f"should name a seat of this section as row-number, is {_describe(label)}"
            yield Problem(place=label_place, message=message)


def label_seat(row: str, number: str) -> str:
    """Return how `blocked` and messages name a seat of a section."""
    return f"{row}-{number}"


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
            here = (*place, field, name)
            first, first_value = said.setdefault((entry[key], name), (here, value))
            if value is not None and first_value is not None and value != first_value:
                message = f"should be as at {format_place(first)}, {_describe(first_value)}"
                yield Problem(place=here, message=f"{message}, is {_describe(value)}")


def _check_repeats(values: Iterable[tuple[Place, Hashable]], what: str = "") -> Iterator[Problem]:
    seen: dict[Hashable, Place] = {}
    for place, value in values:
        first = seen.setdefault(value, place)
        if first is not place:
            shown = f"{what}{_clip(value)} " if what and isinstance(value, str) else ""
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
