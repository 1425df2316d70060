"""Which seats are free: by date, as a list, and as what has changed since an earlier answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import date as Date
from itertools import groupby
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from apps.concerts.models import Performance, Seat
from apps.core.errors import InvalidRequest
from apps.core.limits import ID_MAX
from apps.reservations.deadlines import UNPAID
from apps.reservations.models import Reservation, ReservationSeat

SEAT_FIELDS = (
    "id", "performance_id", "section", "row", "number", "grade", "price", "x", "y",
)  # fmt: skip
STATUS_BY_RESERVATION = {
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

    def __str__(self) -> str:
        running = ",".join(map(str, self.running_xids))
        micros = int(self.at.timestamp() * 1_000_000)
        return f"{min(self.running_xids, default=self.next_xid)}:{self.next_xid}:{running}~{micros}"


def read_version(*, now: datetime) -> Version:
    """Return the version of what is read from here on; what commits meanwhile is told again later."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        snapshot: str = cursor.fetchone()[0]
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


def list_free_seats(performances: Sequence[Performance], *, now: datetime) -> list[FreeSeats]:
    """Return the performances that have a free seat, in the given order."""
    claims = ReservationSeat.objects.live(now).filter(seat=OuterRef("pk"))
    counted = (
        Seat.objects.filter(performance__in=performances, blocked=False)
        .exclude(Exists(claims))
        .values("performance_id")
        .annotate(count=Count("pk"), price_min=Min("price"), price_max=Max("price"))
    )
    by_performance = {row["performance_id"]: row for row in counted}
    return [
        FreeSeats(
            performance=performance,
            count=row["count"],
            price_min=row["price_min"],
            price_max=row["price_max"],
        )
        for performance in performances
        if (row := by_performance.get(performance.pk))
    ]


def group_by_date(free: Sequence[FreeSeats]) -> list[tuple[Date, list[FreeSeats]]]:
    """Return the dates in order, each with its performances by start."""
    return [
        (date, list(shows)) for date, shows in groupby(free, key=lambda show: show.performance.date)
    ]


def list_seats(
    performances: Sequence[Performance], *, now: datetime, include_all: bool
) -> list[dict[str, Any]]:
    """Return the free seats in house order; with `include_all` every seat with its `status`."""
    seats: list[dict[str, Any]] = []
    for performance in performances:
        rows = _read_seats(Seat.objects.filter(performance=performance), now=now)
        if include_all:
            seats += rows
        else:
            seats += [_without_status(row) for row in rows if row["status"] == "available"]
    return seats


def list_changed_seats(
    performances: Sequence[Performance], *, since: Version, now: datetime
) -> list[dict[str, Any]]:
    """Return every seat that may have another status than at `since`, with its status now."""
    seats: list[dict[str, Any]] = []
    for performance in performances:
        seats += _read_seats(filter_changed(performance, since=since, now=now), now=now)
    return seats


def filter_changed(performance: Performance, *, since: Version, now: datetime) -> QuerySet[Seat]:
    """Return every seat of a performance that may have changed since `since`, or have another claim."""
    unseen = Q(changed_in__gte=since.next_xid) | Q(changed_in__in=since.running_xids)
    # A deadline that passes changes a seat without any write.
    lapsed = Q(status__in=UNPAID, expires_at__gt=since.at - CLOCK_SKEW_MAX, expires_at__lte=now)
    reservations = Reservation.objects.filter(unseen | lapsed, performance=performance)
    lines = ReservationSeat.objects.filter(reservation__in=reservations)
    changed = Seat.objects.filter(unseen | Q(pk__in=lines.values("seat")))
    return changed.filter(performance=performance)


def _read_seats(seats: QuerySet[Seat], *, now: datetime) -> list[dict[str, Any]]:
    claims = dict(
        ReservationSeat.objects.live(now)
        .filter(seat__in=seats.values("pk"))
        .values_list("seat_id", "reservation__status")
    )
    rows = []
    for blocked, *values in seats.order_by("position").values_list("blocked", *SEAT_FIELDS):
        row = dict(zip(SEAT_FIELDS, values, strict=True))
        claim = claims.get(row["id"])
        if claim is not None:
            row["status"] = STATUS_BY_RESERVATION[Reservation.Status(claim)]
        else:
            row["status"] = "blocked" if blocked else "available"
        rows.append(row)
    return rows


def _without_status(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in SEAT_FIELDS}
