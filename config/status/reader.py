"""How everything is at a moment: a few reads by index, whatever the length of the lines."""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import OperationalError
from django.db.models import Count, F, Model, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from psycopg.errors import QueryCanceled

from apps.backoffice.front_page.sales import STATES, count_seats
from apps.backoffice.front_page.watch import read_work
from apps.concerts.models import Concert, Performance
from apps.core.db import snapshot
from apps.core.findings import list_open_findings
from apps.core.models import Heartbeat
from apps.payments.models import Payment
from apps.queue.errors import RoomNotFound
from apps.queue.forecast import forecast, limits_of, read_flow
from apps.queue.models import QueueEntry, Turn, WaitingRoom
from apps.queue.selectors import get_room_status
from apps.reservations.deadlines import overdue
from apps.reservations.models import Reservation
from config.status.readings import (
    ConcertReading,
    PaidReading,
    Reading,
    RoomReading,
    StoppedReading,
    WorkReading,
)

ModelT = TypeVar("ModelT", bound=Model)

# The longest lines, and those that went on sale last; more are counted.
ROOMS_MAX = 20
CONCERTS_MAX = 12
MINUTE = timedelta(minutes=1)
# Ids follow time but for clocks that differ, and for transactions that were slow: by less than this.
OUT_OF_ORDER_MAX = timedelta(minutes=2)
# Between two counts of the seats the database has this many times as long for everybody else.
SEATS_REST = 20
# So long may a statement take before customers, who come first, have the database to themselves.
STATEMENT_TIMEOUT_MS = 5_000


@dataclass(kw_only=True)
class StatusReader:
    """Reads how everything is, again and again; of `slugs` alone the rooms, and the concerts that they
    serve."""

    slugs: Collection[str] = ()
    _concerts: Sequence[ConcertReading] = ()
    _concerts_more: int = 0
    _seats_at: datetime | None = None
    _next_count_at: datetime | None = None

    def read(self, *, now: datetime) -> Reading:
        """Return how everything is. Raise `RoomNotFound`, and what the database raises where it does
        not answer."""
        self._count_seats(now)
        with _glance():
            rooms = WaitingRoom.objects.select_related("turnstile")
            if self.slugs:
                rooms = rooms.filter(slug__in=self.slugs)
            count = rooms.count()
            if self.slugs and count < len(set(self.slugs)):
                raise RoomNotFound
            shown = rooms.order_by("-turnstile__waiting", "-turnstile__admitted", "pk")[:ROOMS_MAX]
            return Reading(
                at=now,
                rooms=_read_rooms(list(shown), now=now),
                rooms_more=max(count - ROOMS_MAX, 0),
                seats_at=self._seats_at,
                concerts=self._concerts,
                concerts_more=self._concerts_more,
                holds_lapsed_last_minute=_count_lapsed(now),
                paid_last_minute=_sum_paid(now),
                work=_read_work(now),
                broken=_count_broken(),
                stopped=_list_stopped(),
            )

    def _count_seats(self, now: datetime) -> None:
        """Count the seats, unless counting again so soon would take more of the database's time than it
        should: a million sold seats take it a second. Where it takes too long, the last count stays."""
        if self._next_count_at is not None and now < self._next_count_at:
            return
        began = time.monotonic()
        concerts = Concert.objects.published().filter(
            sales_open_at__lte=now, sales_close_at__gt=now
        )
        if self.slugs:
            concerts = concerts.filter(room__in=self.slugs)
        newest = (F("sale_stopped_at").desc(nulls_last=True), "-sales_open_at", "-pk")
        try:
            with _glance():
                self._concerts = _read_concerts(concerts.order_by(*newest)[:CONCERTS_MAX], now=now)
                self._concerts_more = max(concerts.count() - CONCERTS_MAX, 0)
                self._seats_at = now
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
        self._next_count_at = now + SEATS_REST * timedelta(seconds=time.monotonic() - began)


@contextmanager
def _glance() -> Iterator[None]:
    """Open a snapshot for reads that must not weigh on customers: one core at most, and no statement for
    long. Nothing of it outlives the transaction, as poolers want it."""
    with snapshot() as cursor:
        cursor.execute(
            f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS};"
            " SET LOCAL max_parallel_workers_per_gather = 0"
        )
        yield


def _read_rooms(rooms: Sequence[WaitingRoom], *, now: datetime) -> list[RoomReading]:
    turns = Turn.objects.filter(room__in=rooms, at__gt=now - MINUTE, at__lte=now)
    entered = dict(turns.values_list("room_id").annotate(Sum("entered")))
    return [_read_room(room, entered=entered.get(room.pk, 0), now=now) for room in rooms]


def _read_room(room: WaitingRoom, *, entered: int, now: datetime) -> RoomReading:
    turnstile = room.turnstile
    told = forecast(read_flow(room, now=now), limits_of(room, now=now))
    empty_s = told.line_empty_after_s
    # Who is in before is no longer in the index, but what is left of them may still be.
    line = QueueEntry.objects.filter(
        room=room, state=QueueEntry.State.WAITING, place__gt=turnstile.now_serving
    )
    joined_at = line.order_by("place").values_list("joined_at", flat=True).first()
    return RoomReading(
        slug=room.slug,
        state=room.state,
        opens_at=room.opens_at if room.opens_at and room.opens_at > now else None,
        waiting=turnstile.people_waiting,
        inside=turnstile.admitted,
        capacity=room.capacity,
        admitted_last_minute=entered,
        admit_per_minute=room.admit_per_minute,
        longest_wait_seconds=_whole((now - joined_at).total_seconds()) if joined_at else None,
        new_wait_seconds=get_room_status(room, now=now).estimated_wait_seconds,
        line_empty_after_seconds=None if empty_s is None else _whole(empty_s),
        known=told.known,
        counted_at=turnstile.counted_at,
    )


def _whole(seconds: float) -> int:
    return max(round(seconds), 0)


def _read_concerts(concerts: Iterable[Concert], *, now: datetime) -> list[ConcertReading]:
    concerts = list(concerts)
    shows = Performance.objects.filter(
        concert__in=concerts, starts_at__gt=now, called_off_at__isnull=True
    ).values_list("pk", "concert_id")
    concert_of = dict(shows)
    seats: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for performance_id, counts in count_seats(list(concert_of), now=now).items():
        seats[concert_of[performance_id]].update(counts)
    return [
        ConcertReading(
            slug=concert.slug,
            room=concert.room,
            stopped=concert.sale_stopped_at is not None,
            **{state: seats[concert.pk][state] for state in (*STATES, "total")},
        )
        for concert in concerts
    ]


def _count_lapsed(now: datetime) -> int:
    """Return how many holds and unpaid reservations ran out in the last minute, swept or not."""
    since = now - MINUTE
    unswept = Reservation.objects.filter(overdue(now), expires_at__gt=since).count()
    swept = Reservation.objects.filter(end_cause=Reservation.EndCause.DEADLINE)
    return unswept + _lately(swept, "expires_at", since=since).count()


def _sum_paid(now: datetime) -> list[PaidReading]:
    payments = _lately(Payment.objects.all(), "paid_at", since=now - MINUTE).order_by("currency")
    return [
        PaidReading(currency=currency, payments=count, amount=amount)
        for currency, count, amount in payments.values_list("currency").annotate(
            Count("pk"), Sum("amount")
        )
    ]


def _lately(rows: QuerySet[ModelT], moment: str, *, since: datetime) -> QuerySet[ModelT]:
    """Return the rows whose `moment` is after `since`: the newest ids, and none behind the first that
    is older by far."""
    older = rows.filter(**{f"{moment}__lte": since - OUT_OF_ORDER_MAX}).order_by("-pk")
    newest_before = Coalesce(Subquery(older.values("pk")[:1]), 0)
    return rows.filter(**{f"{moment}__gt": since, "pk__gt": newest_before})


def _count_broken() -> dict[int, int]:
    findings = list_open_findings().order_by("invariant").values_list("invariant")
    return dict(findings.annotate(Count("pk")))


def _list_stopped() -> list[StoppedReading]:
    stopped = Concert.objects.filter(sale_stopped_at__isnull=False).order_by("-sale_stopped_at")
    return [
        StoppedReading(slug=slug, reason=reason)
        for slug, reason in stopped.values_list("slug", "sale_stopped_reason")
    ]


def _read_work(now: datetime) -> list[WorkReading]:
    beats = Heartbeat.objects.in_bulk()
    work = []
    for row in read_work(now)["rows"]:
        beat = beats.get(row["name"])
        ran_at = datetime.fromisoformat(row["beat_at"]) if row["beat_at"] else None
        work.append(
            WorkReading(
                name=row["name"],
                state=row["state"],
                ran_seconds_ago=round((now - ran_at).total_seconds(), 1) if ran_at else None,
                last_seconds=round(beat.last_seconds, 3) if beat else 0.0,
                failures=beat.failures if beat else 0,
            )
        )
    return work
