"""One world twice: rows in the database, and the model that says what should become of them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.core.cache import cache
from django.db import connection

from apps.accounts.models import User
from apps.queue.models import Dispenser, WaitingRoom
from tests.factories import (
    NOW,
    ConcertFactory,
    PerformanceFactory,
    RoomFactory,
    UserFactory,
    make_seats,
)
from tests.stateful import line, sales

CUSTOMERS = 6
KEY_KEPT = timedelta(hours=24)
# So the line of `main` goes over the end of a segment, with which positions are counted.
NUMBERS_GIVEN_OUT = line.SEGMENT - 6


@dataclass(kw_only=True)
class KeptAnswer:
    """The answer to the first request with a customer's key, and what the request was."""

    request: tuple[str, dict[str, Any]]
    body: dict[str, Any]
    at: datetime


@dataclass(kw_only=True)
class World:
    """The model: rooms, sales and kept answers, with the ids that the database gave them."""

    customers: list[int]
    rooms: list[line.Room]
    sales: sales.Sales
    kept: dict[tuple[int, str], KeptAnswer] = field(default_factory=dict)

    @property
    def entries(self) -> list[line.Entry]:
        return [entry for room in self.rooms for entry in room.entries]

    def room_of(self, performance: sales.Performance) -> line.Room:
        return next(room for room in self.rooms if room.slug == performance.concert.room)

    def latest_entry(self, customer: int, room: line.Room) -> line.Entry | None:
        return next((e for e in reversed(room.entries) if e.customer == customer), None)

    def find_kept(self, customer: int, key: str | None, now: datetime) -> KeptAnswer | None:
        kept = self.kept.get((customer, key or ""))
        return kept if kept and kept.at > now - KEY_KEPT else None

    def moments_after(self, now: datetime) -> list[datetime]:
        """Return when something is to change by the clock alone, the next first."""
        moments = {kept.at + KEY_KEPT for kept in self.kept.values()}
        for entry in self.entries:
            if entry.state != "ended":
                moments |= {entry.last_seen_at + entry.room.idle, entry.session_expires_at or now}
            if entry.room.per_minute and entry.admitted_at:
                moments.add(entry.admitted_at + timedelta(minutes=1))
        moments |= {room.looked_at + line.LOOK_OVERDUE for room in self.rooms if room.looked_at}
        for claim in self.sales.claims:
            moments |= {claim.expires_at, claim.expires_at + sales.LAPSES_COUNT_FOR}
        for show in self.sales.performances:
            moments |= {show.cut_off, show.starts_at, show.concert.sales_close_at}
        return sorted(moment for moment in moments if moment > now)


def empty_database() -> None:
    """Take away what the example before has left."""
    ours = [model for model in apps.get_models() if model.__module__.startswith("apps.")]
    tables = ", ".join(model._meta.db_table for model in ours)
    with connection.cursor() as cursor:
        # Also what refers to them, in tables of others.
        cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
    cache.clear()


def build_world() -> World:
    """Empty the database and return a new world: two rooms, and in each a concert with few seats."""
    empty_database()
    customers = User.objects.bulk_create(UserFactory.build_batch(CUSTOMERS))
    rooms = [
        build_room("main", capacity=2, per_minute=0, session_s=600, idle_s=120),
        build_room("club", capacity=1, per_minute=2, session_s=150, idle_s=60),
    ]
    Dispenser.objects.filter(room__slug="main").update(last_number=NUMBERS_GIVEN_OUT)
    rooms[0].last_number = NUMBERS_GIVEN_OUT
    concerts = [
        # Two shows on one date. The sale closes before they begin.
        build_concert(
            room="main",
            limit=2,
            cancel_until_hours=24,
            closes_after=timedelta(hours=29),
            shows={
                timedelta(hours=30): [10_000, 10_000, 20_000],
                timedelta(hours=33): [10_000, 20_000],
            },
        ),
        # A sale that would go on after the beginning, and a cut-off that is the beginning.
        build_concert(
            room="club",
            limit=1,
            cancel_until_hours=0,
            closes_after=timedelta(hours=60),
            shows={timedelta(hours=50): [15_000, 15_000]},
        ),
    ]
    return World(
        customers=[customer.pk for customer in customers],
        rooms=rooms,
        sales=sales.Sales(concerts=concerts),
    )


def build_room(
    slug: str, *, capacity: int, per_minute: int, session_s: int, idle_s: int
) -> line.Room:
    assert not WaitingRoom.objects.filter(slug=slug).exists()
    RoomFactory(
        slug=slug,
        capacity=capacity,
        admit_per_minute=per_minute,
        session_seconds=session_s,
        idle_seconds=idle_s,
    )
    return line.Room(
        slug=slug,
        capacity=capacity,
        per_minute=per_minute,
        session=timedelta(seconds=session_s),
        idle=timedelta(seconds=idle_s),
        last_number=0,
    )


def build_concert(
    *,
    room: str,
    limit: int,
    cancel_until_hours: int,
    closes_after: timedelta,
    shows: dict[timedelta, list[int]],
) -> sales.Concert:
    """Make a concert with a show after each of these times, its seats at these prices."""
    row = ConcertFactory(
        room=room,
        seats_per_customer=limit,
        cancel_until_hours=cancel_until_hours,
        sales_close_at=NOW + closes_after,
    )
    concert = sales.Concert(
        id=row.pk,
        room=room,
        limit=limit,
        sales_open_at=row.sales_open_at,
        sales_close_at=row.sales_close_at,
        cancel_until=timedelta(hours=cancel_until_hours),
    )
    for after, prices in shows.items():
        show = PerformanceFactory(concert=row, starts_at=NOW + after)
        performance = sales.Performance(
            id=show.pk,
            name=f"{room} show {len(concert.performances)}",
            concert=concert,
            starts_at=show.starts_at,
            date=show.date,
        )
        concert.performances.append(performance)
        for row_number, price in enumerate(prices, start=1):
            [seat] = make_seats(show, 1, price=price, row=str(row_number))
            performance.seats.append(sales.Seat(id=seat.pk, performance=performance, price=price))
    return concert
