"""Steps on queue entries and rooms that the caller has locked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import BigIntegerField, Subquery
from django.db.transaction import on_commit

from apps.concerts.models import Concert
from apps.core.audit import Actor, record_action
from apps.core.db import ask_locked, lock_row
from apps.core.prepared import Prepared, Question
from apps.queue.admission import fill_freed_place
from apps.queue.ending import write_end
from apps.queue.errors import (
    QueueNotAdmitted,
    QueueTokenExpired,
    QueueTokenInvalid,
    WrongWaitingRoom,
)
from apps.queue.line import mark_departures
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.selectors import get_entry, get_line_status

# Who changes a room by loading a concert file, and why.
CONCERT_FILE = "concert file"
FILE_REASON = "the concert file was loaded"

ENTRY = Prepared(
    lambda entry_id: QueueEntry.objects.select_related("room", "presence").filter(pk=entry_id),
    entry_id=BigIntegerField(),
)


def require_live(entry: QueueEntry, *, now: datetime) -> None:
    """Raise `QueueTokenExpired` where the entry is out of the line, by a sweep or by the clock."""
    if entry.state == QueueEntry.State.ENDED:
        raise QueueTokenExpired(reason=entry.end_reason)
    if end := entry.ended_by_clock(now):
        raise QueueTokenExpired(reason=end[1].value)


def require_admitted(entry: QueueEntry, *, now: datetime) -> None:
    """Raise `QueueTokenExpired` or `QueueNotAdmitted` unless the entry is inside."""
    require_live(entry, now=now)
    if entry.state != QueueEntry.State.ADMITTED:
        status = get_line_status(entry, now=now)
        raise QueueNotAdmitted(
            position=status.position,
            estimated_wait_seconds=status.estimated_wait_seconds,
            poll_after_seconds=status.poll_after_seconds,
        )


def require_room_of(entry: QueueEntry, concert: Concert) -> None:
    """Raise `WrongWaitingRoom` unless the entry's room is the concert's."""
    if entry.room.slug != concert.room:
        raise WrongWaitingRoom(room=concert.room)


def lock_entry(entry_id: int) -> QueueEntry:
    """Lock an entry and return it with its room. Raise `QueueTokenInvalid` where it is gone."""
    entry = lock_row(ENTRY, entry_id=entry_id)
    if entry is None:
        raise QueueTokenInvalid
    return entry


def ask_entry(entry_id: int) -> Question[QueueEntry]:
    """Return the question that locks an entry, to be asked before all others that lock rows."""
    return ask_locked(ENTRY, entry_id=entry_id)


def lock_admitted_entry(entry_id: int, *, now: datetime) -> QueueEntry:
    """Lock the caller's entry, so that one customer's requests in a room follow one another.

    Raise `QueueTokenExpired` and `QueueNotAdmitted`. The caller holds a transaction and no other row.
    """
    return require_found_admitted([lock_entry(entry_id)], now=now)


def require_found_admitted(found: Sequence[QueueEntry], *, now: datetime) -> QueueEntry:
    """Return the entry that `ask_entry` has found. Raise `QueueTokenInvalid` where there is none,
    `QueueTokenExpired` and `QueueNotAdmitted`."""
    if not found:
        raise QueueTokenInvalid
    (entry,) = found
    if entry.state == QueueEntry.State.WAITING:
        entry = get_entry(entry.pk)
    require_admitted(entry, now=now)
    return entry


def customer_of(entry_id: Any) -> Subquery:
    """Return in SQL whose an entry is, for questions that are asked beside `ask_entry`."""
    return Subquery(QueueEntry.objects.filter(pk=entry_id).values("customer_id"))


def end_entry(entry: QueueEntry, *, reason: QueueEntry.EndReason, now: datetime) -> None:
    """End a live entry that the caller has locked; where the clock was first, its reason stands.

    The place of somebody inside is given to the next in line as soon as the caller's transaction has
    committed.
    """
    ended_at, end_reason = entry.ended_by_clock(now) or (now, reason)
    was_waiting = entry.state == QueueEntry.State.WAITING
    write_end(entry.pk, ended_at=ended_at, end_reason=end_reason)
    entry.state = QueueEntry.State.ENDED
    entry.ended_at = ended_at
    entry.end_reason = end_reason
    if was_waiting:
        mark_departures(entry.room_id, [entry.place])
    else:
        # No `partial`: where this fails, Django logs it by its name.
        on_commit(lambda: fill_freed_place(entry.room_id, now=now), robust=True)


def save_room(*, slug: str, name: str, room_limits: Mapping[str, int], now: datetime) -> str:
    """Make a room, or change the limits of the one that exists; its state and its line stay.

    A new room has the settings' limits where none are given, and only a new one takes `name`. What is
    changed is recorded as the concert file's doing. The caller holds a transaction. Return what
    happened: `made`, `updated` or `unchanged`.
    """
    defaults = {
        "capacity": settings.ROOM_CAPACITY,
        "admit_per_minute": settings.ROOM_ADMIT_PER_MINUTE,
        "session_seconds": settings.ROOM_SESSION_SECONDS,
        "idle_seconds": settings.ROOM_IDLE_SECONDS,
    }
    room, made = WaitingRoom.objects.get_or_create(
        slug=slug, defaults={"name": name, **defaults, **room_limits}
    )
    if made:
        return "made"
    room = lock_row(WaitingRoom.objects.filter(pk=room.pk)) or room
    after = {limit: value for limit, value in room_limits.items() if getattr(room, limit) != value}
    if not after:
        return "unchanged"
    record_action(
        actor=Actor(name=CONCERT_FILE),
        action="steer_room",
        subject=room,
        reason=FILE_REASON,
        before={limit: getattr(room, limit) for limit in after},
        after=after,
        now=now,
    )
    WaitingRoom.objects.filter(pk=room.pk).update(**after)
    return "updated"
