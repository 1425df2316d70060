"""What the tests of the invariants share: real purchases, breaking rows past every fence, and looking."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from apps.accounts.models import User
from apps.concerts.models import Seat
from apps.core.db import snapshot
from apps.core.integrity import Finding
from apps.payments.services import PaidReservation, pay_reservation
from apps.queue.models import QueueEntry
from apps.queue.services import issue_token
from apps.reservations.models import Reservation
from apps.reservations.services import reserve_hold
from apps.wallet.services import charge_wallet
from config.integrity import INVARIANTS, check_invariants
from tests.factories import NOW, UserFactory
from tests.reservations.support import hold


def enter(customer: User | None = None, *, now: datetime = NOW, room: str = "main") -> QueueEntry:
    """Return a place in line as the service gives it, inside where there is space."""
    customer_id = (customer or UserFactory()).pk
    issued = issue_token(customer_id=customer_id, room_slug=room, now=now)
    entry: QueueEntry = issued.status.entry
    return entry


def reserve(
    seats: Sequence[Seat], *, customer: User | None = None, now: datetime = NOW
) -> tuple[QueueEntry, Reservation]:
    """Return a new place in line and the unpaid reservation that was made with it."""
    entry = enter(customer, now=now)
    held = hold(entry, seats, now=now)
    return entry, reserve_hold(entry_id=entry.pk, hold_id=held.pk, now=now)


def buy(
    seats: Sequence[Seat], *, customer: User | None = None, now: datetime = NOW
) -> PaidReservation:
    """Buy the seats by the services, from the line to the payment, half a minute after joining."""
    entry, reservation = reserve(seats, customer=customer, now=now)
    paid_at = now + timedelta(seconds=30)
    charge_wallet(customer_id=entry.customer_id, amount=reservation.total + 1, now=now)
    return pay_reservation(entry_id=entry.pk, reservation_id=reservation.pk, now=paid_at)


def run_sql(*statements: str, **parameters: Any) -> None:
    """Run statements as somebody who is no part of Encore would."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in statements:
            cursor.execute(statement, parameters or None)


def write_past_triggers(table: str, *statements: str, **parameters: Any) -> None:
    """Run statements with the table's own triggers switched off for their time."""
    run_sql(
        f"ALTER TABLE {table} DISABLE TRIGGER USER",
        *statements,
        f"ALTER TABLE {table} ENABLE TRIGGER USER",
        **parameters,
    )


def look(*invariants: int, now: datetime = NOW) -> list[Finding]:
    """Return every row that breaks one of the invariants, by default of all."""
    with snapshot() as cursor:
        results = check_invariants(
            cursor, now=now, limit=1_000, invariants=invariants or tuple(INVARIANTS)
        )
    assert all(result.complete for result in results)
    return [finding for result in results for finding in result.named]


def subjects(*invariants: int) -> list[str]:
    """Return the names of the rows that break one of the invariants."""
    return sorted(finding.subject for finding in look(*invariants))
