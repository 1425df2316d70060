"""The lists of seats that a web process keeps, and how it knows that they still hold.

Everybody inside a room asks for the same list, and most of the time it is the one of a moment ago. So
each process keeps, for a date of a concert, its seats as they are written in an answer, and the answers
with their tags, plain and packed. Nothing in them is any customer's own.

Before any of it is used, one small statement looks whether a row that it comes from has been written since
it was read. What has changed is read and replaced, all else stays. Deadlines pass without a write: of
these the list knows the next. One look serves for `LOOK_SHARED_MS`, less than anybody needs to hold a
seat and ask again. What has changed since a version is always looked for anew.

A list that was made anew a moment ago is given once more as it is, so that no sale, however busy, spends
more than a tenth of a processor on the lists of a hall: see `REBUILD_PAUSE_US_PER_SEAT`. An answer's
`version` is that of the seats in it, so what it does not tell yet is told by `?since=`.

Inside a transaction nothing is kept: it sees rows of its own that no version tells of.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime
from functools import cache
from math import inf
from time import monotonic
from typing import Any

from django.db import connection

from apps.concerts.errors import ConcertNotFound
from apps.concerts.models import Concert, Performance, Seat
from apps.concerts.selectors import get_bookable_performances, get_concert
from apps.core.limits import ID_MAX
from apps.core.prepared import fetch_prepared
from apps.reservations.availability import CLOCK_SKEW_MAX, Version, make_version
from apps.reservations.limits import (
    LOOK_SHARED_MS,
    REBUILD_PAUSE_US_PER_SEAT,
    SEAT_LISTS_KEPT_MAX,
    SEATS_KEPT_MAX,
)
from apps.reservations.models import Reservation
from apps.reservations.seat_bodies import Body, House, write_changes

# Every request for seats sends it, so it is prepared, and probes an index for each of its questions: it
# takes 30 µs of PostgreSQL and 30 of the web process. The concert, its performances and the version in
# the ORM's statements took ten times as long.
#
# `xmin` is the transaction that wrote a row as it is: another one, and the row was written since. Another
# server, or one that was restored, may number its transactions as the one before did: it started later.
_LOOK = """
SELECT pg_current_snapshot()::text,
       pg_postmaster_start_time()::text || ':' ||
       (SELECT xmin::text FROM concerts_concert WHERE id = %(concert_id)s::bigint) || ':' ||
       (SELECT string_agg(xmin::text, ',' ORDER BY id) FROM concerts_performance
         WHERE concert_id = %(concert_id)s::bigint AND date = %(date)s::date)"""
_WAS_WRITTEN = """
       EXISTS (SELECT FROM {table} WHERE performance_id = ANY(%(seats_of)s::bigint[]) AND changed_in {since})"""
_SINCE, _LATE = ">= %(next_xid)s::bigint", "= ANY(%(running)s::bigint[])"
# The few deadlines of a short time, by their index, whosever they are: `OFFSET` keeps PostgreSQL from
# reading all claims of a performance for it.
_HAS_LAPSED = """
       EXISTS (SELECT FROM (SELECT performance_id FROM reservations_reservation
                             WHERE status IN ('held', 'reserved')
                               AND expires_at > %(lapsed_after)s AND expires_at <= %(now)s OFFSET 0) lapsed
                WHERE performance_id = ANY(%(seats_of)s::bigint[]))"""


@cache
def _write_look(*, late: bool, lapsed: bool) -> str:
    """Return the statement that looks for what was written since a version, also by transactions that
    were `late` for it, and for deadlines that have `lapsed` since."""
    questions = [
        _WAS_WRITTEN.format(table=table, since=since)
        for since in (_SINCE, _LATE)[: 1 + late]
        for table in (Reservation._meta.db_table, Seat._meta.db_table)
    ]
    return f"{_LOOK}," + " OR ".join([*questions, *[_HAS_LAPSED] * lapsed])


class Look:
    """What the database said at one moment: of concert and performances, which transactions wrote their
    rows on which server, and whether seats or claims were written since the version that was asked about."""

    def __init__(
        self,
        snapshot: str,
        writers: str | None,
        has_changed: bool,
        *,
        asked_at: float,
        now: datetime,
    ) -> None:
        self.snapshot = snapshot
        self.writers = writers
        self.has_changed = has_changed
        self.asked_at = asked_at
        self.now = now

    @property
    def version(self) -> Version:
        """The moment itself; most looks find that nobody has to know it."""
        return make_version(self.snapshot, now=self.now)


def look(
    concert_id: int,
    date: Date,
    *,
    seats_of: list[int],
    since: Version | None,
    lapsed: bool = False,
    now: datetime,
) -> Look:
    """Ask what has been written, to the seats of these performances since `since`, and with `lapsed` which
    deadlines have passed. Without `since`, anything may have been."""
    asked_at = monotonic()
    asked: dict[str, Any] = {"concert_id": concert_id, "date": date}
    if since is None:
        snapshot, writers = fetch_prepared(_LOOK, asked)[0]
        return Look(snapshot, writers, True, asked_at=asked_at, now=now)
    asked["seats_of"] = _write_array(seats_of)
    asked["next_xid"] = since.next_xid
    if since.running_xids:
        asked["running"] = _write_array(since.running_xids)
    if lapsed:
        asked["lapsed_after"] = since.at - CLOCK_SKEW_MAX
        asked["now"] = now
    sql = _write_look(late=bool(since.running_xids), lapsed=lapsed)
    snapshot, writers, has_changed = fetch_prepared(sql, asked)[0]
    return Look(snapshot, writers, has_changed, asked_at=asked_at, now=now)


def _write_array(numbers: Sequence[int]) -> str:
    # As PostgreSQL reads it: the driver takes 10 µs to find out what is in a list.
    return "{" + ",".join(map(str, numbers)) + "}"


def find_date(
    concert_id: int,
    date: Date,
    *,
    since: Version | None,
    admit: Callable[[Concert], None],
    now: datetime,
) -> tuple["KeptDate", Look | None]:
    """Return a date that can be booked, and what was seen of it now: of its seats since the version `since`,
    else since the one that is kept, and then None where somebody has just looked.

    `admit` is called with the concert before the date is told anything of. Raise `ConcertNotFound` and
    `DateNotBookable`.
    """
    if concert_id > ID_MAX:
        raise ConcertNotFound
    kept = None if connection.in_atomic_block else kept_dates.get(concert_id, date)
    if kept is not None:
        if since is None and kept.holds_still(now=now):
            admit(kept.concert)
            return kept, None
        version = since or (kept.house.version if kept.house else None)
        seen = look(
            concert_id,
            date,
            seats_of=kept.performance_ids,
            since=version,
            lapsed=since is not None,
            now=now,
        )
        if kept.holds(seen, now=now):
            admit(kept.concert)
            return kept, seen
    # Before the rows that it speaks of, so that no change of them is missed.
    seen = look(concert_id, date, seats_of=[], since=None, now=now)
    concert = get_concert(concert_id)
    admit(concert)
    performances = get_bookable_performances(concert, date=date, now=now)
    kept = KeptDate(concert=concert, date=date, performances=performances, looked=seen)
    if not connection.in_atomic_block:
        kept = kept_dates.put(kept, now=now)
    return kept, seen


@dataclass(kw_only=True)
class KeptDate:
    """A date of a concert with its performances, and their seats once somebody has asked for them."""

    concert: Concert
    date: Date
    performances: list[Performance]
    looked: Look
    house: House | None = None
    # By the clock of the process, as `seen_at` is: when the house, as it is, was last looked at.
    renewed_at: float = -inf
    seen_at: float = -inf
    # Who reads seats or writes bodies holds it; everybody else waits for what comes of it.
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.performance_ids = [performance.pk for performance in self.performances]
        self.bookable_until = min(performance.starts_at for performance in self.performances)

    def holds(self, seen: Look, *, now: datetime) -> bool:
        """Say whether concert and performances are as they were read, and are still to be booked."""
        return (
            seen.writers == self.looked.writers
            and self.concert.is_on_sale(now)
            and now < self.bookable_until
        )

    def holds_still(self, *, now: datetime) -> bool:
        """Say whether somebody has just looked, and nothing was over by the clock since."""
        return (
            monotonic() < self.seen_at + LOOK_SHARED_MS / 1_000
            and self.house is not None
            and self.house.holds_at(now)
            and self.concert.is_on_sale(now)
            and now < self.bookable_until
        )

    def list_seats(
        self, seen: Look | None, *, performance_id: int | None, include_all: bool, now: datetime
    ) -> Body:
        """Return the free seats, or all of them with their status, as they are by what was `seen`."""
        if len(self.performances) == 1:
            performance_id = None
        house = self.house
        if seen is not None:
            if house is None or self._is_due(house, seen, now=now):
                house = self._renew(seen, now=now)
            self.seen_at = seen.asked_at
        assert house is not None, "without a house somebody looks"
        body = house.bodies.get((performance_id, include_all))
        if body is None:
            with self.lock:
                body = house.write(performance_id, include_all=include_all)
        return body

    def list_changes(
        self, seen: Look | None, *, performance_id: int | None, since: Version, now: datetime
    ) -> Body:
        """Return the seats that may have changed since `since`, with their status."""
        assert seen is not None, "what has changed is looked for anew"
        asked = self.performance_ids if performance_id is None else [performance_id]
        if not seen.has_changed:
            asked = []
        return write_changes(asked, since=since, version=seen.version, now=now)

    def _is_due(self, house: House, seen: Look, *, now: datetime) -> bool:
        if not seen.has_changed and house.holds_at(now):
            return False
        pause_s = len(house) * REBUILD_PAUSE_US_PER_SEAT / 1_000_000
        return monotonic() >= self.renewed_at + pause_s

    def _renew(self, seen: Look, *, now: datetime) -> House:
        with self.lock:
            house = self.house
            if house and house.version.has_seen(seen.version) and house.holds_at(now):
                return house  # another thread was quicker
            if house is None or not house.renew(seen.version, now=now):
                self.house = house = House(self.performance_ids, seen.version, now=now)
                kept_dates.make_room()
            self.renewed_at = monotonic()
            return house


class KeptDates:
    """The dates that are kept, those last asked for last. Bounded by their number and their seats."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, Date], KeptDate] = OrderedDict()

    def get(self, concert_id: int, date: Date) -> KeptDate | None:
        """Return what is kept of a date."""
        key = (concert_id, date)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def put(self, kept: KeptDate, *, now: datetime) -> KeptDate:
        """Keep a date, in place of what was kept of it and of what nobody has asked for the longest.

        Return what is kept: where another thread was quicker, what it keeps, so that one of them reads.
        """
        key = (kept.concert.pk, kept.date)
        with self._lock:
            other = self._kept.get(key)
            if other is not None and other.holds(kept.looked, now=now):
                return other
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > SEAT_LISTS_KEPT_MAX:
                self._kept.popitem(last=False)
            return kept

    def make_room(self) -> None:
        """Drop what nobody has asked for the longest, until no more seats are kept than may be."""
        with self._lock:
            seats = sum(len(kept.house) for kept in self._kept.values() if kept.house)
            while seats > SEATS_KEPT_MAX and len(self._kept) > 1:
                _key, dropped = self._kept.popitem(last=False)
                seats -= len(dropped.house) if dropped.house else 0

    def clear(self) -> None:
        """Forget all of it."""
        with self._lock:
            self._kept.clear()


kept_dates = KeptDates()
