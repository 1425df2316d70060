"""Removing what rehearsals made, and nothing else: rows that belong to somebody who bears their mark.

The database itself refuses to give the mark to anybody who exists, and to let go of ledger entries of
anybody without it. Each commit takes customers away whole, so that all invariants hold after every one.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.concerts.models import Concert, ConcertPrice, Performance, Seat, Venue
from apps.concerts.services import unpublish_concert
from apps.core.audit import Actor, record_action
from apps.core.clock import read_clock
from apps.core.db import lock_rows, transaction
from apps.core.errors import Busy
from apps.core.models import IdempotencyKey
from apps.core.pruning import delete_in_batches
from apps.payments.models import Payment
from apps.queue.admission import lock_turnstile
from apps.queue.models import (
    Departure,
    Dispenser,
    Draw,
    Presence,
    QueueEntry,
    Segment,
    Turn,
    Turnstile,
    WaitingRoom,
)
from apps.queue.steering import steer_room
from apps.reservations.models import Reservation, ReservationSeat
from apps.wallet.models import Wallet, WalletEntry
from config.rehearsal.making import REASON

BATCH = 500
SEAT_BATCH = 1_000
# A sweep may have a row for a moment.
TRIES = 5
RETRY_S = 0.5

NoteProgress = Callable[[int, int], None]


def list_rehearsals() -> list[str]:
    """Return the names of the rehearsals of which anything is there."""
    users = User.objects.filter(rehearsal__isnull=False).values_list("rehearsal", flat=True)
    concerts = Concert.objects.filter(rehearsal__isnull=False).values_list("rehearsal", flat=True)
    return sorted({name for name in (*users.distinct(), *concerts) if name})


def remove_rehearsal(name: str, *, actor: Actor, note_progress: NoteProgress) -> "Removal":
    """Remove all that one rehearsal made, and record who did it. Running it again goes on where it was
    stopped. Raise `Busy`."""
    removal = Removal(name)
    removal.run(actor=actor, note_progress=note_progress)
    return removal


class Removal:
    """The removal of one rehearsal: what went, and what had to stay."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.removed: Counter[str] = Counter()
        # What customers of the house have there: it is theirs, and with it stays what it stands on.
        self.kept: list[str] = []
        self._customers: list[int] = []

    def run(self, *, actor: Actor, note_progress: NoteProgress) -> None:
        """Remove in order: nobody comes in any more; then customers whole, the concert, the room."""
        concert = Concert.objects.filter(rehearsal=self.name).first()
        if concert:
            self._close(concert, actor)
        self._remove_customers(note_progress)
        if concert:
            # It is made first and goes last: whatever stops a removal, it is found again.
            self.kept = self._find_foreign(concert)
            if not self.kept:
                self._remove_concert(concert, actor)

    def count_left(self) -> dict[str, int]:
        """Return how many rows are left of the rehearsal, by table; empty where none is."""
        left = {
            "accounts_user": User.objects.filter(rehearsal=self.name).count(),
            "concerts_concert": Concert.objects.filter(rehearsal=self.name).count(),
            "concerts_venue": Venue.objects.filter(name=self.name).count(),
            "queue_waitingroom": WaitingRoom.objects.filter(slug=self.name).count(),
            # The only rows that point to a customer without the database knowing it.
            "core_idempotencykey": IdempotencyKey.objects.filter(
                customer_id__in=self._customers
            ).count(),
        }
        return {table: count for table, count in left.items() if count}

    def _close(self, concert: Concert, actor: Actor) -> None:
        now = read_clock()
        reason = f"{REASON} is over: {self.name}"
        room = WaitingRoom.objects.get(slug=concert.room)
        insist(
            lambda: unpublish_concert(concert_id=concert.pk, actor=actor, reason=reason, now=now)
        )
        insist(
            lambda: steer_room(
                room_id=room.pk,
                changes={"state": WaitingRoom.State.CLOSED.value},
                actor=actor,
                reason=reason,
                now=now,
            )
        )

    def _remove_customers(self, note_progress: NoteProgress) -> None:
        mine = User.objects.filter(rehearsal=self.name)
        total = mine.count()
        while True:
            batch = list(mine.order_by("pk").values_list("pk", flat=True)[:BATCH])
            if not batch:
                return
            self.removed.update(insist(partial(remove_customers, batch)))
            self._customers += batch
            note_progress(min(len(self._customers), total), total)

    def _find_foreign(self, concert: Concert) -> list[str]:
        """Return what customers of the house have of the concert."""
        foreign = Reservation.objects.filter(performance__concert=concert).order_by("pk")
        return [
            f"reservation {pk} of customer {customer}, {status}"
            for pk, customer, status in foreign.values_list("pk", "customer_id", "status")
        ]

    def _remove_concert(self, concert: Concert, actor: Actor) -> None:
        performances = list(
            Performance.objects.filter(concert=concert).values_list("pk", flat=True)
        )
        seats = Seat.objects.filter(performance__in=performances)
        for deleted in delete_in_batches(seats, batch=SEAT_BATCH):
            self.removed["concerts_seat"] += deleted
        self.removed.update(insist(lambda: self._remove_rest(concert, actor)))

    def _remove_rest(self, concert: Concert, actor: Actor) -> Counter[str]:
        with transaction():
            removed = remove_rest(concert, venue=self.name)
            record_action(
                actor=actor,
                action="remove_rehearsal",
                subject=concert,
                reason=f"{REASON} is over: {self.name}",
                before={},
                after={"removed": dict(self.removed + removed)},
                now=read_clock(),
            )
            return removed


def insist(act: Callable[[], Any]) -> Any:
    """Do something, and again where the database was busy. Raise `Busy` where it stays so."""
    for _attempt in range(TRIES - 1):
        with suppress(Busy):
            return act()
        time.sleep(RETRY_S)
    return act()


def remove_customers(customer_ids: Sequence[int]) -> Counter[str]:
    """Delete these customers with all that is theirs, in one commit; return how many rows of each table.

    Locks in the order of ranks, so that a sweep may be at them meanwhile. The ledger refuses where one of
    them was not made by a rehearsal.
    """
    entries = QueueEntry.objects.filter(customer_id__in=customer_ids)
    reservations = Reservation.objects.filter(customer_id__in=customer_ids)
    payments = Payment.objects.filter(customer_id__in=customer_ids)
    wallets = Wallet.objects.filter(pk__in=customer_ids)
    with transaction():
        entry_ids = [entry.pk for entry in lock_rows(entries.only("pk"))]
        lock_rows(reservations.only("pk"))
        lock_rows(payments.only("pk"))
        lock_rows(wallets.only("pk"))
        return delete_all(
            IdempotencyKey.objects.filter(customer_id__in=customer_ids),
            payments,
            ReservationSeat.objects.filter(reservation__in=reservations),
            reservations,
            WalletEntry.objects.filter(wallet__in=customer_ids),
            wallets,
            Presence.objects.filter(pk__in=entry_ids),
            entries,
            User.objects.filter(pk__in=customer_ids, rehearsal__isnull=False),
        )


def remove_rest(concert: Concert, *, venue: str) -> Counter[str]:
    """Delete a concert without seats, its room with whoever is in line there, and its venue. The caller
    holds a transaction."""
    room = WaitingRoom.objects.get(slug=concert.room)
    # Whoever sweeps the room is done now, or finds that it is gone.
    lock_turnstile(room.pk, skip_locked=False)
    in_room = QueueEntry.objects.filter(room=room)
    in_line = (Departure, Segment, Turn, Draw, Dispenser, Turnstile)
    return delete_all(
        ConcertPrice.objects.filter(concert=concert),
        Performance.objects.filter(concert=concert),
        Concert.objects.filter(pk=concert.pk),
        Venue.objects.filter(name=venue, concerts__isnull=True, plans__isnull=True),
        Presence.objects.filter(pk__in=in_room.values("pk")),
        in_room,
        *(model._default_manager.filter(room=room) for model in in_line),
        WaitingRoom.objects.filter(pk=room.pk),
    )


def delete_all(*rows: QuerySet[Any]) -> Counter[str]:
    """Delete rows of several tables in this order; return how many of each. The caller holds a
    transaction."""
    deleted: Counter[str] = Counter()
    for queryset in rows:
        # `delete()` would first read every row, to look for others that go with it.
        # It answers None where Django knows by itself that there is no such row.
        deleted[queryset.model._meta.db_table] += queryset._raw_delete(queryset.db) or 0
    return +deleted
