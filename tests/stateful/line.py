"""What a waiting room should do, in plain Python: nothing of the product decides anything here.

A room is looked at now and then and knows, until the next look, what it saw then. How old that may be
is part of what it promises, and so of this model.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.stateful.base import Brief, Refused

# Somebody inside is noted to have called after this long, somebody who waits after a quarter of the
# idle limit.
CALL_NOTED_INSIDE = timedelta(seconds=1)
# What a customer sees of a room is no older; a sweep counts the line where nobody has for so long.
LOOK_OVERDUE = timedelta(seconds=1)
SWEEP_COUNT_OVERDUE = timedelta(seconds=3)
# A position is exact within so many neighbouring numbers; ahead of them it is the last count's.
SEGMENT = 256


@dataclass(eq=False, kw_only=True)
class Entry(Brief):
    """A customer's place in a room's line."""

    room: "Room"
    customer: int
    number: int
    joined_at: datetime
    last_seen_at: datetime
    token: str = ""
    id: int = 0
    state: str = "waiting"
    admitted_at: datetime | None = None
    session_expires_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""

    def __repr__(self) -> str:
        return f"<{self.room.slug} {self.number} of customer {self.customer}>"

    def ended_by_clock(self, now: datetime) -> tuple[datetime, str] | None:
        """Return when and why the clock has ended this live entry."""
        ends = [(self.last_seen_at + self.room.idle, "idle")]
        if self.session_expires_at:
            ends.append((self.session_expires_at, "session_over"))
        first = min(ends)
        return first if first[0] <= now else None

    def is_live(self, now: datetime) -> bool:
        return self.state != "ended" and not self.ended_by_clock(now)

    def is_inside(self, now: datetime) -> bool:
        return self.state == "admitted" and self.is_live(now)

    def require_live(self, now: datetime) -> None:
        if self.state == "ended":
            raise Refused("QueueTokenExpired", reason=self.end_reason)
        if end := self.ended_by_clock(now):
            raise Refused("QueueTokenExpired", reason=end[1])

    def require_inside(self, now: datetime) -> None:
        self.require_live(now)
        if self.state == "waiting":
            raise Refused("QueueNotAdmitted", position=self.room.position(self))

    def call(self, now: datetime) -> None:
        """Note that the customer called."""
        pause = self.room.idle / 4 if self.state == "waiting" else CALL_NOTED_INSIDE
        if self.is_live(now) and now - self.last_seen_at >= pause:
            self.last_seen_at = now

    def end(self, reason: str, now: datetime) -> None:
        """End it; where the clock was first, its reason stands."""
        self.ended_at, self.end_reason = self.ended_by_clock(now) or (now, reason)
        self.state = "ended"


@dataclass(eq=False, kw_only=True)
class Room(Brief):
    """A room, its line, and what was seen at the last look at it."""

    slug: str
    capacity: int
    per_minute: int
    session: timedelta
    idle: timedelta
    last_number: int
    state: str = "open"
    entries: list[Entry] = field(default_factory=list)
    now_serving: int = 0
    looked_at: datetime | None = None
    seen_inside: int = 0
    seen_free: int = 0
    seen_waiting: int = 0
    # By segment: how many waited before it, and in it.
    counted: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<{self.slug}>"

    def waiting(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.state == "waiting"]

    def inside(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.state == "admitted"]

    @property
    def lets_in(self) -> bool:
        return self.state in ("open", "draining")

    def position(self, entry: Entry) -> int:
        """Return 0 for who is inside, else how many wait ahead and one."""
        if entry.state == "admitted":
            return 0
        counted = [segment for segment in self.counted if segment <= entry.number // SEGMENT]
        first = max(counted) * SEGMENT if counted else 0
        before = self.counted[max(counted)][0] if counted else 0
        return before + sum(first <= e.number < entry.number for e in self.waiting()) + 1

    # What customers do

    def join(self, customer: int, now: datetime) -> Entry:
        """Put the customer at the end of the line; a place that they have ends first."""
        if self.state not in ("open", "paused"):
            raise Refused("WaitingRoomClosed")
        earlier = [e for e in self.entries if e.customer == customer and e.state != "ended"]
        gives_place_up = any(e.state == "admitted" for e in earlier)
        for entry in earlier:
            entry.end("reissued", now)
        self.last_number += 1
        entry = Entry(
            room=self, customer=customer, number=self.last_number, joined_at=now, last_seen_at=now
        )
        self.entries.append(entry)
        if gives_place_up:
            self.fill(now)
        has_room = self.seen_inside < self.capacity and (not self.per_minute or self.seen_free)
        if self.lets_in and has_room:
            self.fill(now)
        elif self.is_overdue(now, LOOK_OVERDUE):
            self.tend(now)
        return entry

    def poll(self, entry: Entry, now: datetime) -> tuple[str, int]:
        entry.require_live(now)
        if entry.state == "waiting" and self.is_overdue(now, LOOK_OVERDUE):
            self.tend(now)
        return entry.state, self.position(entry)

    def leave(self, entry: Entry, now: datetime) -> None:
        entry.require_live(now)
        self.end(entry, "left", now)

    def end(self, entry: Entry, reason: str, now: datetime) -> None:
        """End an entry; the place of somebody inside is given to the next at once."""
        was_inside = entry.state == "admitted"
        entry.end(reason, now)
        if was_inside:
            self.fill(now)

    def see(self, now: datetime) -> tuple[int, int, int]:
        """Return how many wait, how many are inside, and the highest place let in so far."""
        if self.is_overdue(now, LOOK_OVERDUE):
            self.tend(now)
        return max(self.seen_waiting, 0), self.seen_inside, self.now_serving

    # What beat does

    def admit(self, now: datetime) -> int:
        self.end_silent(now)
        return self.look(now)

    def expire(self, now: datetime) -> int:
        self.count_if_overdue(now)
        overdue = [entry for entry in self.inside() if entry.ended_by_clock(now)]
        for entry in overdue:
            entry.end("", now)
        return len(overdue) + self.end_silent(now)

    # Looking at the room

    def is_overdue(self, now: datetime, limit: timedelta) -> bool:
        return self.looked_at is None or now - self.looked_at >= limit

    def tend(self, now: datetime) -> None:
        """Do in a customer's call what beat would have done."""
        self.count_if_overdue(now)
        self.end_silent(now)
        self.look(now)

    def look(self, now: datetime) -> int:
        entered = self.let_in(now)
        self.count()
        self.looked_at = now
        return entered

    def count_if_overdue(self, now: datetime) -> None:
        if self.is_overdue(now, SWEEP_COUNT_OVERDUE):
            self.count()

    def count(self) -> None:
        numbers = [entry.number for entry in self.waiting()]
        first = numbers[0] if numbers else self.last_number + 1
        self.seen_waiting = len(numbers)
        self.counted = {
            segment: (
                sum(number // SEGMENT < segment for number in numbers),
                sum(number // SEGMENT == segment for number in numbers),
            )
            for segment in range(first // SEGMENT, self.last_number // SEGMENT + 1)
        }

    def end_silent(self, now: datetime) -> int:
        """Write down who has been silent too long, where somebody waited at the last count."""
        silent = [
            entry
            for entry in self.waiting()
            if entry.ended_by_clock(now) and self.counted.get(entry.number // SEGMENT, (0, 0))[1]
        ]
        for entry in silent:
            entry.end("", now)
        return len(silent)

    def fill(self, now: datetime) -> None:
        self.seen_waiting -= self.let_in(now)

    def let_in(self, now: datetime) -> int:
        """Let the first in line in, as many as there is room for; return how many.

        Who is passed over, being silent, is out; and then all the silent are.
        """
        for entry in self.inside():
            if entry.ended_by_clock(now):
                entry.end("", now)
        free = self.free_places(now)
        if any(entry.ended_by_clock(now) for entry in self.waiting()[:free]):
            for entry in self.waiting():
                if entry.ended_by_clock(now):
                    entry.end("", now)
        let_in = self.waiting()[:free]
        for entry in let_in:
            entry.state = "admitted"
            entry.admitted_at = now
            entry.session_expires_at = now + self.session
            self.now_serving = entry.number
        self.seen_inside = len(self.inside())
        self.seen_free = free - len(let_in)
        return len(let_in)

    def free_places(self, now: datetime) -> int:
        if not self.lets_in:
            return 0
        free = self.capacity - len(self.inside())
        if self.per_minute:
            since = now - timedelta(minutes=1)
            entered = sum(e.admitted_at > since for e in self.entries if e.admitted_at)
            free = min(free, self.per_minute - entered)
        return max(free, 0)
