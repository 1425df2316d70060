"""Which seats are free: by date, as a list, and as what has changed since an earlier answer."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import date as Date
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import (
    BigIntegerField,
    Count,
    DateTimeField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.utils.translation import gettext_lazy as _

from apps.concerts.models import Performance, Seat
from apps.core.errors import InvalidRequest
from apps.core.limits import ID_MAX
from apps.core.prepared import Prepared, fetch_together
from apps.reservations.deadlines import UNPAID
from apps.reservations.models import Reservation, ReservationSeat

SEAT_FIELDS = (
    "id", "performance_id", "section", "row", "number", "grade", "price", "x", "y",
)  # fmt: skip
STATUS_BY_RESERVATION: dict[str, str] = {
    Reservation.Status.HELD: "held",
    Reservation.Status.RESERVED: "reserved",
    Reservation.Status.CONFIRMED: "sold",
}
# Two answers may come from machines whose clocks differ by this much.
CLOCK_SKEW_MAX = timedelta(seconds=5)
VERSION_PATTERN = re.compile(r"(\d{1,19}):(\d{1,19}):((?:\d{1,19},)*\d{1,19})?~(\d{1,17})")


@dataclass(frozen=True, kw_only=True)
class FreeSeats:
    """The free seats of one performance; prices in the minor unit."""

    performance: Performance
    count: int
    price_min: int
    price_max: int


@dataclass(frozen=True, kw_only=True)
class Version:
    """The moment of an answer: the transactions that it had seen, and the time.

    A transaction is in it below `next_xid`, unless it was running. A time alone would miss who
    commits late, and a counter for each performance would make buyers wait for each other.
    """

    next_xid: int
    running_xids: tuple[int, ...]
    at: datetime

    def has_seen(self, other: "Version") -> bool:
        """Say whether every transaction that `other` had seen is in this one too."""
        return self.next_xid >= other.next_xid and all(
            xid >= other.next_xid or xid in other.running_xids for xid in self.running_xids
        )

    def __str__(self) -> str:
        running = ",".join(map(str, self.running_xids))
        micros = int(self.at.timestamp() * 1_000_000)
        return f"{min(self.running_xids, default=self.next_xid)}:{self.next_xid}:{running}~{micros}"


def read_version(*, now: datetime) -> Version:
    """Return the version of what is read from here on; what commits meanwhile is told again later."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        return make_version(cursor.fetchone()[0], now=now)


def make_version(snapshot: str, *, now: datetime) -> Version:
    """Return the version of what PostgreSQL's `snapshot` sees at `now`."""
    _oldest, next_xid, running = snapshot.split(":")
    return Version(
        next_xid=int(next_xid),
        running_xids=tuple(int(xid) for xid in running.split(",") if xid),
        at=now,
    )


def parse_version(text: str) -> Version:
    """Return the version that an earlier answer named. Raise `InvalidRequest` where it is none."""
    match = VERSION_PATTERN.fullmatch(text)
    if match is None or int(match[2]) > ID_MAX:
        raise InvalidRequest.of("since", "invalid", _("This is no version of a seat list."))
    running = tuple(int(xid) for xid in (match[3] or "").split(",") if xid)
    return Version(
        next_xid=int(match[2]),
        running_xids=tuple(xid for xid in running if xid <= ID_MAX),
        at=datetime.fromtimestamp(int(match[4]) / 1_000_000, UTC),
    )


# Two counts and not the seats that nobody claims: a plan that expects few claims, as all do when a sale
# begins, looks through them anew for each seat, 70 ms for 2,000.
OFFERED = Prepared(
    lambda performance_id: (
        Seat.objects.filter(performance_id=performance_id, blocked=False)
        .values("price")
        .annotate(count=Count("pk"))
        .values_list("price", "count")
    ),
    performance_id=BigIntegerField(),
)
CLAIMED = Prepared(
    lambda performance_id, now: (
        ReservationSeat.objects.live(now)
        .filter(reservation__performance_id=performance_id, seat__blocked=False)
        .values("seat__price")
        .annotate(count=Count("pk"))
        .values_list("seat__price", "count")
    ),
    performance_id=BigIntegerField(),
    now=DateTimeField(),
)


def list_free_seats(performances: Sequence[Performance], *, now: datetime) -> list[FreeSeats]:
    """Return the performances that have a free seat, in the given order."""
    counted = fetch_together(
        *(OFFERED.ask(performance_id=performance.pk) for performance in performances),
        *(CLAIMED.ask(performance_id=performance.pk, now=now) for performance in performances),
    )
    found = []
    for performance, offered, claimed in zip(
        performances, counted[: len(performances)], counted[len(performances) :], strict=True
    ):
        # By price.
        free = Counter(dict(offered)) - Counter(dict(claimed))
        if free:
            found.append(
                FreeSeats(
                    performance=performance,
                    count=free.total(),
                    price_min=min(free),
                    price_max=max(free),
                )
            )
    return found


def group_by_date(free: Sequence[FreeSeats]) -> list[tuple[Date, list[FreeSeats]]]:
    """Return the dates in order, each with its performances by start."""
    return [
        (date, list(shows)) for date, shows in groupby(free, key=lambda show: show.performance.date)
    ]


class Seats(NamedTuple):
    """Seats in house order, and who claims which."""

    rows: list[tuple[Any, ...]]  # of `SEAT_FIELDS`, then the position and whether it is blocked
    claims: dict[int, tuple[str, datetime]]  # by seat: a reservation's status and deadline

    def status_of(self, row: tuple[Any, ...]) -> str:
        """Return the status of one of the rows."""
        claim = self.claims.get(row[0])
        if claim is not None:
            return STATUS_BY_RESERVATION[claim[0]]
        return "blocked" if row[-1] else "available"


def filter_changed(performance: Performance, *, since: Version, now: datetime) -> QuerySet[Seat]:
    """Return every seat of a performance that may have changed since `since`, or have another claim."""
    unseen = Q(changed_in__gte=since.next_xid) | Q(changed_in__in=since.running_xids)
    return _filter_changed(
        performance.pk, unseen=unseen, lapsed_after=since.at - CLOCK_SKEW_MAX, now=now
    )


def _filter_changed(
    performance_id: Any, *, unseen: Q, lapsed_after: Any, now: Any
) -> QuerySet[Seat]:
    seats = Seat.objects.filter(performance_id=performance_id)
    reservations = Reservation.objects.filter(performance_id=performance_id)
    # A deadline that passes changes a seat without any write.
    lapsed = Q(status__in=UNPAID, expires_at__gt=lapsed_after, expires_at__lte=now)
    claims = reservations.filter(unseen).values("pk")
    claims = claims.union(reservations.filter(lapsed).values("pk"), all=True)
    lines = ReservationSeat.objects.filter(reservation__in=claims)
    # A union: for "changed, or of one of these claims" every seat of the house would be looked at.
    return Seat.objects.filter(
        pk__in=lines.values("seat").union(seats.filter(unseen).values("pk"), all=True)
    )


def _with_claims(
    performance_id: Any, next_xid: Any, running_xids: Any, lapsed_after: Any, now: Any
) -> QuerySet[Seat, tuple[Any, ...]]:
    unseen = Q(changed_in__gte=next_xid) | Q(changed_in__any=running_xids)
    changed = _filter_changed(performance_id, unseen=unseen, lapsed_after=lapsed_after, now=now)
    claim = ReservationSeat.objects.live(now).filter(seat=OuterRef("pk"))
    return (
        changed.order_by("position")
        .annotate(
            claim=Subquery(claim.values("reservation__status")),
            claimed_until=Subquery(claim.values("reservation__expires_at")),
        )
        .values_list(*SEAT_FIELDS, "position", "blocked", "claim", "claimed_until")
    )


# What has changed is little, as a plan for any two moments cannot know: it read all seats, 8 ms of 50,000.
CHANGED = Prepared(
    _with_claims,
    plan_kept=False,
    performance_id=BigIntegerField(),
    next_xid=BigIntegerField(),
    running_xids=BigIntegerField(),
    lapsed_after=DateTimeField(),
    now=DateTimeField(),
)
SEATS = Prepared(
    lambda performance_id: (
        Seat.objects.filter(performance_id=performance_id)
        .order_by("position")
        .values_list(*SEAT_FIELDS, "position", "blocked")
    ),
    performance_id=BigIntegerField(),
)
CLAIMS = Prepared(
    lambda performance_id, now: (
        ReservationSeat.objects.live(now)
        .filter(reservation__performance_id=performance_id)
        .values_list("seat_id", "reservation__status", "reservation__expires_at")
    ),
    performance_id=BigIntegerField(),
    now=DateTimeField(),
)


def read_seats(performance_id: int, *, now: datetime) -> Seats:
    """Return every seat of a performance."""
    # Claims first: one that ends between the two statements is told again by `?since=`.
    claims = CLAIMS.fetch(performance_id=performance_id, now=now)
    rows = SEATS.fetch(performance_id=performance_id)
    return Seats(rows, {seat_id: (status, until) for seat_id, status, until in claims})


def read_changed_seats(performance_id: int, *, since: Version, now: datetime) -> Seats:
    """Return every seat of a performance that may have another status than at `since`."""
    rows = CHANGED.fetch(
        performance_id=performance_id,
        next_xid=since.next_xid,
        running_xids=list(since.running_xids),
        lapsed_after=since.at - CLOCK_SKEW_MAX,
        now=now,
    )
    claims = {row[0]: row[-2:] for row in rows if row[-1] is not None}
    return Seats([row[:-2] for row in rows], claims)


def list_seats(
    performances: Sequence[Performance], *, now: datetime, include_all: bool
) -> list[dict[str, Any]]:
    """Return the free seats in house order; with `include_all` every seat with its `status`."""
    seats: list[dict[str, Any]] = []
    for performance in performances:
        found = read_seats(performance.pk, now=now)
        if include_all:
            seats += _describe(found)
        else:
            free = (row for row in found.rows if found.status_of(row) == "available")
            seats += [name_fields(row) for row in free]
    return seats


def list_changed_seats(
    performances: Sequence[Performance], *, since: Version, now: datetime
) -> list[dict[str, Any]]:
    """Return every seat that may have another status than at `since`, with its status now."""
    seats: list[dict[str, Any]] = []
    for performance in performances:
        seats += _describe(read_changed_seats(performance.pk, since=since, now=now))
    return seats


def _describe(found: Seats) -> list[dict[str, Any]]:
    return [{**name_fields(row), "status": found.status_of(row)} for row in found.rows]


def name_fields(row: Sequence[Any]) -> dict[str, Any]:
    """Return a row of `Seats` as a list without statuses has it."""
    # In half the time that `zip` takes with the names: a stadium has fifty thousand.
    seat_id, performance_id, section, house_row, number, grade, price, x, y, _position, _blocked = (
        row
    )
    return {
        "id": seat_id,
        "performance_id": performance_id,
        "section": section,
        "row": house_row,
        "number": number,
        "grade": grade,
        "price": price,
        "x": x,
        "y": y,
    }
