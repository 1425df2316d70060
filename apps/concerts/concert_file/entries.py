"""What each field of a concert file may say by itself."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from apps.concerts import limits

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)


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
    """A seat of a section with an irregular shape; of the section's grade and price, unless it has its
    own."""

    row: Line20
    number: Line20
    x: Coordinate
    y: Coordinate
    grade: Line50 | None = None
    price: int | None = Field(default=None, ge=0, le=limits.PRICE_MAX)


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


def label_seat(row: str, number: str) -> str:
    """Return how `blocked` and messages name a seat of a section."""
    return f"{row}-{number}"
