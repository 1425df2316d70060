"""Use cases of the line."""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts.errors import InvalidAccessToken
from apps.accounts.permissions import require_known_customer
from apps.concerts.limits import MAIN_ROOM
from apps.core.db import lock_rows, transaction
from apps.core.errors import Busy
from apps.queue import limits
from apps.queue.admission import count_room, fill_free_places, lock_turnstile, look_after
from apps.queue.ending import end_by_clock
from apps.queue.errors import QueueTokenInvalid
from apps.queue.estimates import is_before_opening
from apps.queue.joining import take_place
from apps.queue.line import find_quiet_segments, find_silent, note_oldest_calls
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.presence import note_presence
from apps.queue.receipts import sign_receipt
from apps.queue.selectors import (
    LineStatus,
    RoomStatus,
    find_entry,
    get_entry,
    get_line_status,
    get_room,
    get_room_status,
)
from apps.queue.transitions import end_entry, lock_entry, require_live, save_room

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A new place in line, its secret, which is nowhere else, and the signed receipt of it."""

    token: str
    receipt: str
    status: LineStatus


def ensure_main_room(*, now: datetime) -> None:
    """Make the room `main` from the settings where it does not exist; afterwards it is staff's."""
    with transaction():
        save_room(slug=MAIN_ROOM, name="Encore", room_limits={}, now=now)


def issue_token(*, customer_id: int, room_slug: str, now: datetime) -> IssuedToken:
    """Put the customer at the end of the room's line with a new token (1.1.1).

    A place that they have there already ends first (1.2.1). Who finds a free place inside and nobody
    ahead is admitted at once. Raise `RoomNotFound` and `WaitingRoomClosed`, and `QueueTokenExpired`
    where the same customer has joined again meanwhile.
    """
    token = secrets.token_urlsafe(limits.TOKEN_BYTES)
    entry = get_entry(
        take_place(customer_id=customer_id, room_slug=room_slug, token=token, now=now)
    )
    if is_count_overdue(entry.room, now=now):
        tend_room(entry.room, now=now)
        entry = get_entry(entry.pk)
    if may_enter(entry):
        # The place is taken. That the room is busy is no reason to refuse it.
        with suppress(Busy):
            fill_free_places(entry.room_id, now=now, wait=True)
        entry = get_entry(entry.pk)
    require_live(entry, now=now)
    return IssuedToken(
        token=token,
        receipt=sign_receipt(entry),
        status=get_line_status(entry, now=now),
    )


def may_enter(entry: QueueEntry) -> bool:
    """Say whether somebody who has just joined might enter: where places were free by the last look at
    the room, or where they are the first in line, since one may have become free."""
    room = entry.room
    if entry.state != QueueEntry.State.WAITING or not room.lets_in or is_before_opening(room):
        return False
    turnstile = room.turnstile
    counted_free = turnstile.admitted < room.capacity and (
        not room.admit_per_minute or turnstile.free_places > 0
    )
    return counted_free or entry.ahead == 0


def note_call(*, customer_id: int, token: str, now: datetime) -> QueueEntry:
    """Return the customer's entry of a token, live or ended, and note that they called (8.1.1).

    Raise `InvalidAccessToken` for a customer who is unknown or disabled (2.1.3), and
    `QueueTokenInvalid` for a token that is unknown or somebody else's.
    """
    entry = find_entry(token)
    if entry is None or entry.customer_id != customer_id:
        require_known_customer(customer_id)
        raise QueueTokenInvalid
    if not entry.customer_is_active:
        raise InvalidAccessToken
    if entry.state in QueueEntry.LIVE_STATES and not entry.ended_by_clock(now):
        note_presence(entry, now=now)
    return entry


def poll_line(*, entry: QueueEntry, now: datetime) -> LineStatus:
    """Return where the caller's entry stands (2.1.1). Raise `QueueTokenExpired` (2.1.2).

    Looks after the room where beat has not for a while, so the line moves, and the silent go, with
    Celery stopped.
    """
    require_live(entry, now=now)
    if entry.state == QueueEntry.State.WAITING and is_count_overdue(entry.room, now=now):
        tend_room(entry.room, now=now)
        entry = get_entry(entry.pk)
        require_live(entry, now=now)
    return get_line_status(entry, now=now)


def see_room(*, slug: str, now: datetime) -> RoomStatus:
    """Return how a room is doing, no more than `COUNT_OVERDUE_S` ago. Raise `RoomNotFound`."""
    room = get_room(slug)
    if is_count_overdue(room, now=now):
        tend_room(room, now=now)
        room = get_room(slug)
    return get_room_status(room, now=now)


def is_count_overdue(
    room: WaitingRoom, *, now: datetime, limit_s: int = limits.COUNT_OVERDUE_S
) -> bool:
    """Say whether nobody has looked after the room for so long; also where the last one's clock went
    wrong, and was ahead."""
    counted_at = room.turnstile.counted_at
    return counted_at is None or abs(now - counted_at) >= timedelta(seconds=limit_s)


def tend_room(room: WaitingRoom, *, now: datetime) -> None:
    """Do for one room what beat does, in the little time that a customer's call has for it; leave it to
    somebody else who is at it. Nobody's call fails by it."""
    with suppress(Busy), transaction():
        if lock_turnstile(room.pk, skip_locked=True) is not None:
            count_where_nobody_has(room, now=now)
            expire_line(room, now=now, batches=limits.SWEEP_BATCHES_PER_CALL)
            look_after(room.pk, now=now, in_call=True)


def leave_line(*, entry_id: int, now: datetime) -> None:
    """Take the customer out of the line. Raise `QueueTokenExpired` where they are out already."""
    with transaction():
        entry = lock_entry(entry_id)
        require_live(entry, now=now)
        end_entry(entry, reason=QueueEntry.EndReason.LEFT, now=now)


def admit_queue(*, now: datetime) -> int:
    """Let the next in line into every room, and count its line without the silent; return how many
    entered."""

    def look(room: WaitingRoom) -> int:
        expire_line(room, now=now, batches=limits.SWEEP_BATCHES_PER_LOOK)
        return look_after(room.pk, now=now)

    return sweep_rooms(look)


def expire_queue(*, now: datetime) -> int:
    """Write down whom the clock has put out of line: the silent and the over-long (8.1.2, 8.1.3).

    Works in batches and passes over rows that somebody else has locked, so two runs at once do no
    harm. Return how many entries were ended.
    """
    return sweep_rooms(lambda room: expire_room(room, now=now))


def sweep_rooms(sweep: Callable[[WaitingRoom], int]) -> int:
    """Run `sweep` over every room and return the sum.

    A room that is busy does not keep the others waiting: `Busy` is raised after the last of them.
    """
    swept = 0
    busy: Busy | None = None
    for room in WaitingRoom.objects.select_related("turnstile").order_by("pk"):
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
    count_where_nobody_has(room, now=now)
    for _batch in range(limits.SWEEP_BATCHES_PER_RUN):
        count = expire_inside(room, now=now)
        ended += count
        if count < limits.SWEEP_BATCH:
            break
    return ended + expire_line(
        room, now=now, batches=limits.SWEEP_BATCHES_PER_RUN, rest=limits.SWEEP_REST
    )


def count_where_nobody_has(room: WaitingRoom, *, now: datetime) -> None:
    """Count the line where that is long overdue: the silent are found by its segments."""
    if is_count_overdue(room, now=now, limit_s=limits.SWEEP_COUNT_OVERDUE_S):
        count_room(room.pk, now=now)


def expire_line(room: WaitingRoom, *, now: datetime, batches: int, rest: float = 0.0) -> int:
    """End the silent who wait in a room, in up to so many batches; return how many.

    `rest` is how long to rest after each batch, as a share of the time that it took.
    """
    ended = 0
    swept_to = -1
    for _batch in range(batches):
        began = time.monotonic()
        segments = find_quiet_segments(room, after=swept_to, now=now)
        if not segments:
            break
        ended += expire_segments(room, segments, now=now)
        swept_to = segments[-1]
        if rest:
            time.sleep((time.monotonic() - began) * rest)
    return ended


def expire_inside(room: WaitingRoom, *, now: datetime) -> int:
    """End up to `SWEEP_BATCH` of those inside whom the clock has put out; return how many."""
    with transaction():
        overdue = QueueEntry.objects.overdue_inside(
            room.pk, silent_since=room.silent_since(now), now=now
        )
        locked = lock_rows(overdue, limit=limits.SWEEP_BATCH, skip_locked=True)
        return end_by_clock(room, locked, now=now)


def expire_segments(room: WaitingRoom, segments: list[int], *, now: datetime) -> int:
    """End the silent in these segments of the line, in one transaction; return how many."""
    with transaction():
        silent = QueueEntry.objects.silent_waiting(room, now).filter(
            pk__in=find_silent(room, segments, now=now)
        )
        ended = end_by_clock(room, lock_rows(silent, skip_locked=True), now=now)
        note_oldest_calls(room, segments)
        return ended
