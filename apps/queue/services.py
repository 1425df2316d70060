"""Use cases of the line."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts.errors import InvalidAccessToken
from apps.accounts.permissions import require_known_customer
from apps.concerts.limits import MAIN_ROOM
from apps.core.db import lock_row, lock_rows, transaction
from apps.core.errors import Busy
from apps.queue import limits
from apps.queue.errors import QueueTokenInvalid, RoomNotFound, WaitingRoomClosed
from apps.queue.models import QueueEntry, WaitingRoom, hash_token
from apps.queue.selectors import LineStatus, find_entry, get_line_status
from apps.queue.transitions import (
    admit_next,
    end_by_clock,
    end_entry,
    lock_entry,
    measure_admissions_per_second,
    require_live,
    save_room,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A new place in line and its secret, which is nowhere else."""

    token: str
    status: LineStatus


def ensure_main_room() -> None:
    """Make the room `main` from the settings where it does not exist; afterwards it is staff's."""
    with transaction():
        save_room(slug=MAIN_ROOM, name="Encore", room_limits={})


def issue_token(*, customer_id: int, room_slug: str, now: datetime) -> IssuedToken:
    """Put the customer at the end of the room's line with a new token (1.1.1).

    A place that they have there already ends first (1.2.1). Who finds a free place inside and nobody
    ahead is admitted at once. Raise `RoomNotFound` and `WaitingRoomClosed`.
    """
    token = secrets.token_urlsafe(limits.TOKEN_BYTES)
    with transaction():
        room = lock_row(WaitingRoom.objects.filter(slug=room_slug))
        if room is None:
            raise RoomNotFound
        if not room.takes_joins:
            raise WaitingRoomClosed
        own = QueueEntry.objects.select_related("room").filter(
            room=room, customer_id=customer_id, state__in=QueueEntry.LIVE_STATES
        )
        for earlier in lock_rows(own):
            end_entry(earlier, reason=QueueEntry.EndReason.REISSUED, now=now)
        room.last_number += 1
        room.save(update_fields=["last_number"])
        entry = QueueEntry.objects.create(
            room=room,
            customer_id=customer_id,
            number=room.last_number,
            token_hash=hash_token(token),
            state=QueueEntry.State.WAITING,
            joined_at=now,
            last_seen_at=now,
        )
        if admit_next(room, now=now):
            entry.refresh_from_db(fields=["state", "admitted_at", "session_expires_at"])
        return IssuedToken(token=token, status=get_line_status(entry, now=now))


def note_call(*, customer_id: int, token: str, now: datetime) -> QueueEntry:
    """Return the customer's entry of a token, live or ended, and note that they called (8.1.1).

    Raise `InvalidAccessToken` for a customer who is unknown or disabled (2.1.3), and
    `QueueTokenInvalid` for a token that is unknown or somebody else's.
    """
    entry = find_entry(token)
    if entry is None or entry.customer_id != customer_id:
        require_known_customer(customer_id)
        raise QueueTokenInvalid
    if not entry.customer.is_active:
        raise InvalidAccessToken
    live = entry.state in QueueEntry.LIVE_STATES and not entry.ended_by_clock(now)
    if live and now - entry.last_seen_at >= timedelta(seconds=limits.PRESENCE_WRITE_S):
        QueueEntry.objects.filter(pk=entry.pk, state__in=QueueEntry.LIVE_STATES).update(
            last_seen_at=now
        )
        entry.last_seen_at = now
    return entry


def poll_line(*, entry: QueueEntry, now: datetime) -> LineStatus:
    """Return where the caller's entry stands (2.1.1). Raise `QueueTokenExpired` (2.1.2).

    Lets the next in where beat has not for a while, so the line moves with Celery stopped.
    """
    require_live(entry, now=now)
    if entry.state == QueueEntry.State.WAITING and is_admission_overdue(entry.room, now=now):
        admit_room(room_id=entry.room_id, now=now)
        entry.refresh_from_db()
        require_live(entry, now=now)
    return get_line_status(entry, now=now)


def is_admission_overdue(room: WaitingRoom, *, now: datetime) -> bool:
    """Say whether nobody has looked after the room for a while."""
    if not room.lets_in:
        return False
    overdue = timedelta(seconds=limits.ADMISSION_OVERDUE_S)
    return room.admission_checked_at is None or now - room.admission_checked_at >= overdue


def leave_line(*, entry_id: int, now: datetime) -> None:
    """Take the customer out of the line. Raise `QueueTokenExpired` where they are out already."""
    with transaction():
        entry = lock_entry(entry_id)
        require_live(entry, now=now)
        end_entry(entry, reason=QueueEntry.EndReason.LEFT, now=now)


def admit_room(*, room_id: int, now: datetime) -> int:
    """Let the next in line into one room; return how many, 0 while somebody else is at it."""
    with transaction():
        locked = lock_rows(WaitingRoom.objects.filter(pk=room_id), skip_locked=True)
        if not locked:
            return 0
        (room,) = locked
        admitted = admit_next(room, now=now)
        room.admissions_per_second = measure_admissions_per_second(room, now=now)
        room.admission_checked_at = now
        room.save(update_fields=["admissions_per_second", "admission_checked_at"])
        return admitted


def admit_queue(*, now: datetime) -> int:
    """Let the next in line into every room; return how many."""
    return sweep_rooms(lambda room: admit_room(room_id=room.pk, now=now))


def expire_queue(*, now: datetime) -> int:
    """Write down whom the clock has put out of line: the silent and the over-long (8.1.2, 8.1.3).

    Works in batches of `SWEEP_BATCH` and passes over rows that somebody else has locked, so two runs
    at once do no harm. Return how many entries were ended.
    """
    return sweep_rooms(lambda room: expire_room(room, now=now))


def sweep_rooms(sweep: Callable[[WaitingRoom], int]) -> int:
    """Run `sweep` over every room and return the sum.

    A room that is busy does not keep the others waiting: `Busy` is raised after the last of them.
    """
    swept = 0
    busy: Busy | None = None
    for room in WaitingRoom.objects.order_by("pk"):
        try:
            swept += sweep(room)
        except Busy as error:
            logger.warning("room %s is busy: %s", room.slug, error.__cause__)
            busy = error
    if busy is not None:
        raise busy
    return swept


def expire_room(room: WaitingRoom, *, now: datetime) -> int:
    """End the overdue entries of a room, batch by batch; return how many."""
    ended = 0
    for _batch in range(limits.SWEEP_BATCHES_PER_RUN):
        count = expire_batch(room, now=now)
        ended += count
        if count < limits.SWEEP_BATCH:
            break
    return ended


def expire_batch(room: WaitingRoom, *, now: datetime) -> int:
    """End up to `SWEEP_BATCH` overdue entries of a room in one transaction; return how many."""
    with transaction():
        overdue = lock_rows(
            QueueEntry.objects.overdue(room, now).only("pk"),
            limit=limits.SWEEP_BATCH,
            skip_locked=True,
        )
        return end_by_clock(room, [entry.pk for entry in overdue])
