"""Putting concerts on sale from a concert file, without touching a seat that somebody has."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.db import IntegrityError
from psycopg.errors import UniqueViolation
from pydantic import Field

from apps.concerts import concert_file
from apps.concerts.concert_file import (
    ConcertEntry,
    ConcertFile,
    ConcertFileError,
    PerformanceEntry,
    Place,
    Problem,
    RoomReference,
)
from apps.concerts.layout import plan_seats
from apps.concerts.models import Concert, Performance, Venue
from apps.concerts.transitions import (
    SeatComparison,
    ensure_performance,
    ensure_venue,
    find_differences,
    lock_concerts,
    save_concert,
)
from apps.core.db import transaction
from apps.core.errors import Busy
from apps.queue import limits as queue_limits
from apps.queue.transitions import save_room
from apps.reservations.seating import compare_locked, find_taken, write_comparison


class RoomEntry(RoomReference):
    """A concert's own waiting room. Limits that are left out stay, and are the settings' at first."""

    capacity: int | None = Field(default=None, ge=1, le=queue_limits.CAPACITY_MAX)
    admit_per_minute: int | None = Field(default=None, ge=0, le=queue_limits.ADMIT_PER_MINUTE_MAX)
    session_seconds: int | None = Field(
        default=None,
        ge=queue_limits.SESSION_SECONDS_MIN,
        le=queue_limits.SESSION_SECONDS_MAX,
    )
    idle_seconds: int | None = Field(
        default=None, ge=queue_limits.IDLE_SECONDS_MIN, le=queue_limits.IDLE_SECONDS_MAX
    )


@dataclass(kw_only=True)
class ConcertReport:
    """What loading did to one concert: `outcome` is `made`, `updated` or `unchanged`."""

    slug: str
    outcome: str
    concert_id: int | None = None
    performances_made: int = 0
    seats_made: int = 0
    seats_changed: int = 0
    seats_removed: int = 0
    seats_withdrawn: int = 0
    # Starts of performances that the file does not name; they are as they were.
    performances_not_in_file: list[str] = field(default_factory=list)

    def note_performance(self, counts: "PerformanceReport") -> None:
        """Add up what happened to one performance."""
        self.performances_made += counts.made
        self.seats_made += counts.seats_made
        self.seats_changed += counts.seats_changed
        self.seats_removed += counts.seats_removed
        self.seats_withdrawn += counts.seats_withdrawn
        if self.outcome == "unchanged" and any(vars(counts).values()):
            self.outcome = "updated"


@dataclass(kw_only=True)
class PerformanceReport:
    """What loading did to one performance."""

    made: bool = False
    seats_made: int = 0
    seats_changed: int = 0
    seats_removed: int = 0
    seats_withdrawn: int = 0


@dataclass(kw_only=True)
class LoadReport:
    """What loading a file did; rooms by slug, with an outcome like a concert's."""

    concerts: list[ConcertReport] = field(default_factory=list)
    rooms: dict[str, str] = field(default_factory=dict)


def read_concerts(path: Path) -> ConcertFile[RoomEntry]:
    """Return what a concert file says. Raise `ConcertFileError` with everything that is wrong."""
    return concert_file.read_concert_file(path, room=RoomEntry)


def parse_concerts(content: bytes) -> ConcertFile[RoomEntry]:
    """Return what the content of a concert file says. Raise `ConcertFileError`."""
    return concert_file.parse_concert_file(content, room=RoomEntry)


def count_seats(file: ConcertFile[RoomEntry]) -> int:
    """Return how many seats a file describes."""
    return sum(
        len(section.seats) if section.seats else (section.rows or 0) * (section.seats_per_row or 0)
        for concert in file.concerts
        for performance in concert.performances
        for section in performance.sections
    )


def load_concerts(
    file: ConcertFile[RoomEntry],
    *,
    now: datetime,
    note_progress: Callable[[str], None] = lambda _text: None,
) -> LoadReport:
    """Make or update the concerts of a file, all of them or none; a second time changes nothing.

    A seat that somebody claims is never changed or removed: `ConcertFileError` names each, and nothing
    is written. Free seats that the file has not are deleted, or withdrawn where they have a history.
    Locks the concerts, the rooms with other limits, and the seats that are changed or removed. Raise
    `Busy` where another load makes the same concerts.
    """
    try:
        with transaction():
            return _Load(now=now, note_progress=note_progress).run(file)
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise Busy from error
        raise


@dataclass(kw_only=True)
class _Load:
    """One load of a file: collects what is wrong, so that all of it is told at once."""

    now: datetime
    note_progress: Callable[[str], None]
    problems: list[Problem] = field(default_factory=list)

    def run(self, file: ConcertFile[RoomEntry]) -> LoadReport:
        """Write the file's concerts. Raise `ConcertFileError`."""
        report = LoadReport()
        existing = lock_concerts([entry.slug for entry in file.concerts])
        # Rooms before seats, as the ranks of locks have it.
        for entry in sorted(file.concerts, key=_room_slug):
            self._save_room(entry, report)
        for index, entry in enumerate(file.concerts):
            place: Place = ("concerts", index)
            venue = self._find_venue(entry, place)
            concert, outcome = save_concert(existing.get(entry.slug), entry, venue, now=self.now)
            counts = ConcertReport(slug=entry.slug, outcome=outcome, concert_id=concert.pk)
            self._load_performances(concert, entry, place, counts)
            report.concerts.append(counts)
        if self.problems:
            raise ConcertFileError(self.problems)
        return report

    def _save_room(self, entry: ConcertEntry[RoomEntry], report: LoadReport) -> None:
        if entry.room is None:
            return
        room_limits = entry.room.model_dump(exclude={"slug"}, exclude_none=True)
        outcome = save_room(
            slug=entry.room.slug, name=entry.title, room_limits=room_limits, now=self.now
        )
        earlier = report.rooms.get(entry.room.slug, "unchanged")
        report.rooms[entry.room.slug] = outcome if earlier == "unchanged" else earlier

    def _find_venue(self, entry: ConcertEntry[RoomEntry], place: Place) -> Venue:
        """Return the concert's venue; another time zone would move the dates of what is sold there."""
        venue = ensure_venue(entry.venue)
        if entry.venue.time_zone not in (None, venue.time_zone):
            message = (
                f"should be {venue.time_zone}, is {entry.venue.time_zone}: "
                f"“{venue.name}” exists already, and its dates follow its time zone"
            )
            self.problems.append(Problem(place=(*place, "venue", "time_zone"), message=message))
        return venue

    def _load_performances(
        self,
        concert: Concert,
        entry: ConcertEntry[RoomEntry],
        place: Place,
        counts: ConcertReport,
    ) -> None:
        existing = {show.starts_at: show for show in concert.performances.all()}
        for index, show in enumerate(entry.performances):
            self.note_progress(
                f"{entry.slug}: performance {index + 1} of {len(entry.performances)}"
            )
            performance, made = ensure_performance(concert, existing, show.starts_at)
            done = PerformanceReport(made=made)
            self._load_seats(performance, show, (*place, "performances", index), done)
            counts.note_performance(done)
        named = {show.starts_at for show in entry.performances}
        counts.performances_not_in_file = [
            starts_at.isoformat() for starts_at in sorted(existing.keys() - named)
        ]

    def _load_seats(
        self,
        performance: Performance,
        entry: PerformanceEntry,
        place: Place,
        counts: PerformanceReport,
    ) -> None:
        plan = plan_seats(entry, place)
        comparison = compare_locked(performance, plan)
        taken = find_taken(performance, now=self.now)
        problems = list(_find_taken(comparison, taken, entry, place))
        if problems:
            self.problems += problems
            return
        written = write_comparison(performance, comparison, after=plan[-1].position)
        counts.seats_made = written.made
        counts.seats_changed = written.changed
        counts.seats_removed = written.removed
        counts.seats_withdrawn = written.withdrawn


def _room_slug(entry: ConcertEntry[RoomEntry]) -> str:
    return entry.room.slug if entry.room else ""


def _find_taken(
    comparison: SeatComparison, taken: set[int], entry: PerformanceEntry, place: Place
) -> Iterable[Problem]:
    """Find the seats that somebody has and that the file would change or remove."""
    for seat, planned in comparison.changed:
        if seat.pk in taken:
            changes = ", ".join(
                f"{name} is {getattr(seat, name)!r}, the file has {value!r}"
                for name, value in find_differences(seat, planned).items()
                if name != "blocked_reason"
            )
            message = f"seat {seat} is taken and cannot be changed: {changes}"
            yield Problem(place=planned.place, message=message)
    sections = {section.name: index for index, section in enumerate(entry.sections)}
    for seat in comparison.missing:
        if seat.pk in taken:
            index = sections.get(seat.section)
            where = place if index is None else (*place, "sections", index)
            message = f"seat {seat} is taken and cannot be removed, but the file has no such seat"
            yield Problem(place=where, message=message)
