"""What `queue_status` shows, as programs read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class RoomReading:
    """A waiting room; times in seconds. The counts are those of the last look at it, at `counted_at`.

    `longest_wait_seconds` is how long the next to enter has waited, `new_wait_seconds` how long
    somebody waits who joins now, and `line_empty_after_seconds` when all who wait now are in; both are
    estimates, None while nobody is let in. Not `known`: nobody was seen to leave lately, and the last
    is what it takes at the most.
    """

    slug: str
    state: str
    opens_at: datetime | None
    waiting: int
    inside: int
    capacity: int
    admitted_last_minute: int
    admit_per_minute: int
    longest_wait_seconds: int | None
    new_wait_seconds: int | None
    line_empty_after_seconds: int | None
    known: bool
    counted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ConcertReading:
    """The seats of a concert on sale, of its performances to come, by state."""

    slug: str
    room: str
    stopped: bool
    free: int
    held: int
    reserved: int
    sold: int
    blocked: int
    total: int


@dataclass(frozen=True, kw_only=True)
class WorkReading:
    """A sweep or the guard: `on_time`, `late` or `off`, how long ago it ran, and its failures ever."""

    name: str
    state: str
    ran_seconds_ago: float | None
    last_seconds: float
    failures: int


@dataclass(frozen=True, kw_only=True)
class PaidReading:
    """What was paid in a currency in the last minute, in its minor unit."""

    currency: str
    payments: int
    amount: int


@dataclass(frozen=True, kw_only=True)
class StoppedReading:
    """A concert whose sale the guard has stopped, and why."""

    slug: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Everything as of `at`, but for the seats, as of `seats_at`, None where that
    took too long. `broken` are the rows that break an invariant, by its number."""

    at: datetime
    rooms: Sequence[RoomReading]
    rooms_more: int
    seats_at: datetime | None
    concerts: Sequence[ConcertReading]
    concerts_more: int
    holds_lapsed_last_minute: int
    paid_last_minute: Sequence[PaidReading]
    work: Sequence[WorkReading]
    broken: dict[int, int]
    stopped: Sequence[StoppedReading]
