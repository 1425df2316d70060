"""Making what a rehearsal needs: a concert with a room of its own, and customers with money."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.accounts.tokens import issue_access_token
from apps.concerts.models import Concert
from apps.core.audit import Actor, record_action
from apps.core.clock import read_clock
from apps.core.db import transaction
from apps.core.rehearsals import LIFETIME
from apps.queue.models import WaitingRoom
from apps.reservations.catalogue import load_concerts, parse_concerts
from config.customers import make_customers
from config.rehearsal.journey import Ticket
from config.rehearsal.plan import PRICE, SEATS_EACH, Plan

# Customers of one transaction.
BATCH = 1_000
SEATS_PER_ROW = 40
# Nobody is put out of the room for being slow, but whoever waits asks at least every four seconds: a
# step must not be over before they know that it is their turn.
SESSION_SECONDS = 300
IDLE_SECONDS = 12
REASON = "a rehearsal of an on-sale"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What was made: the concert, its room, and who is going to buy."""

    name: str
    concert_id: int
    room_id: int
    tickets: list[Ticket]


def make_stage(plan: Plan, *, actor: Actor, note_progress: Callable[[int, int], None]) -> Stage:
    """Make all of it, and record who began it. What is made bears the rehearsal's name, so that it is
    found again whatever happens. Raise `Busy`."""
    now = read_clock()
    with transaction():
        report = load_concerts(parse_concerts(write_concert(plan, now=now)), now=now)
        concert = Concert.objects.get(slug=report.concerts[0].slug)
        Concert.objects.filter(pk=concert.pk).update(rehearsal=plan.name)
        room = WaitingRoom.objects.get(slug=plan.name)
        record_action(
            actor=actor,
            action="begin_rehearsal",
            subject=concert,
            reason=f"{REASON}: {plan.name}",
            before={},
            after={"customers": plan.customers, "seats": plan.performances * plan.seats},
            now=now,
        )
    tickets = list(make_players(plan, note_progress))
    return Stage(name=plan.name, concert_id=concert.pk, room_id=room.pk, tickets=tickets)


def make_players(plan: Plan, note_progress: Callable[[int, int], None]) -> Iterator[Ticket]:
    """Make the customers in batches, and yield for each an access token that outlasts the rehearsal."""
    emails = [f"{plan.name}-{n:06}@customers.encore.example" for n in range(1, plan.customers + 1)]
    for start in range(0, len(emails), BATCH):
        batch = emails[start : start + BATCH]
        made = make_customers(
            emails=batch, balance=PRICE * SEATS_EACH, now=read_clock(), rehearsal=plan.name
        )
        for number, email in enumerate(batch, start=start):
            yield Ticket(
                number=number, access=issue_access_token(made.ids[email], lifetime=LIFETIME)
            )
        note_progress(start + len(batch), len(emails))


def write_concert(plan: Plan, *, now: datetime) -> bytes:
    """Return the concert file of the rehearsal. Each performance has a date of its own."""
    rows, rest = divmod(plan.seats, SEATS_PER_ROW)
    shapes = (("A", rows, SEATS_PER_ROW), ("B", 1, rest))
    sections = [
        {"name": name, "grade": "R", "price": PRICE, "rows": rows, "seats_per_row": width}
        for name, rows, width in shapes
        if rows and width
    ]
    first = (now + timedelta(days=30)).replace(microsecond=0)
    concert: dict[str, Any] = {
        "slug": plan.name,
        "title": f"Rehearsal, not for sale ({plan.name})",
        "artist": "Encore",
        "venue": {"name": plan.name},
        "sales_open_at": (now - timedelta(hours=1)).isoformat(timespec="seconds"),
        "sales_close_at": (now + timedelta(days=1)).isoformat(timespec="seconds"),
        "seats_per_customer": SEATS_EACH,
        # Not on the public list: see `apps/concerts/selectors.py`.
        "published": True,
        "room": {
            "slug": plan.name,
            "capacity": 1,
            "admit_per_minute": 0,
            "session_seconds": SESSION_SECONDS,
            "idle_seconds": IDLE_SECONDS,
        },
        "performances": [
            {"starts_at": (first + timedelta(days=day)).isoformat(), "sections": sections}
            for day in range(plan.performances)
        ],
    }
    return json.dumps({"concerts": [concert]}).encode()
