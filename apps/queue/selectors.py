"""Reads of rooms and lines."""

import math
from dataclasses import dataclass
from datetime import datetime

from apps.queue import limits
from apps.queue.errors import RoomNotFound
from apps.queue.models import QueueEntry, WaitingRoom, hash_token


@dataclass(frozen=True, kw_only=True)
class LineStatus:
    """Where an entry stands; times in seconds."""

    entry: QueueEntry
    position: int
    estimated_wait_seconds: int | None
    poll_after_seconds: int


@dataclass(frozen=True, kw_only=True)
class RoomStatus:
    """How a room is doing, for anybody to see."""

    room: WaitingRoom
    waiting: int
    admitted: int
    estimated_wait_seconds: int | None


def get_room(slug: str) -> WaitingRoom:
    """Return a room. Raise `RoomNotFound`."""
    # PostgreSQL refuses a NUL in a text, and no slug has one.
    room = None if "\0" in slug else WaitingRoom.objects.filter(slug=slug).first()
    if room is None:
        raise RoomNotFound
    return room


def find_entry(token: str) -> QueueEntry | None:
    """Return the entry of a token, live or ended, with its room and customer."""
    return (
        QueueEntry.objects.select_related("room", "customer")
        .filter(token_hash=hash_token(token))
        .first()
    )


def get_line_status(entry: QueueEntry, *, now: datetime) -> LineStatus:
    """Return where a live entry stands: 1 is the next to enter, 0 is inside."""
    room = entry.room
    if entry.state == QueueEntry.State.ADMITTED:
        return LineStatus(
            entry=entry,
            position=0,
            estimated_wait_seconds=0,
            poll_after_seconds=poll_interval_s(room, wait_s=None),
        )
    ahead = QueueEntry.objects.waiting(room, now).filter(pk__lt=entry.pk).count()
    position = ahead + 1
    wait_s = estimate_wait_s(room, position)
    return LineStatus(
        entry=entry,
        position=position,
        estimated_wait_seconds=wait_s,
        poll_after_seconds=poll_interval_s(room, wait_s=wait_s),
    )


def get_room_status(slug: str, *, now: datetime) -> RoomStatus:
    """Return how a room is doing, and the wait of somebody who joined now. Raise `RoomNotFound`."""
    room = get_room(slug)
    waiting = QueueEntry.objects.waiting(room, now).count()
    admitted = QueueEntry.objects.admitted(room, now).count()
    full = waiting > 0 or admitted >= room.capacity
    return RoomStatus(
        room=room,
        waiting=waiting,
        admitted=admitted,
        estimated_wait_seconds=estimate_wait_s(room, waiting + 1 if full else 0),
    )


def estimate_wait_s(room: WaitingRoom, position: int) -> int | None:
    """Return the seconds until `position` enters, by the rate seen lately; None while nobody enters.

    Where nobody has entered lately, every place inside is taken to be used for a whole session.
    """
    if not room.lets_in:
        return None
    per_second = room.admissions_per_second or room.capacity / room.session_seconds
    if room.admit_per_minute:
        per_second = min(per_second, room.admit_per_minute / 60)
    return min(math.ceil(position / per_second), limits.ESTIMATE_MAX_S)


def poll_interval_s(room: WaitingRoom, *, wait_s: int | None) -> int:
    """Return after how many seconds to ask again; a wait of None is one that nobody can tell."""
    longest_s = max(int(room.idle_seconds * limits.POLL_IDLE_FRACTION), limits.POLL_MIN_S)
    if wait_s is None:
        return longest_s
    return min(max(int(wait_s * limits.POLL_WAIT_FRACTION), limits.POLL_MIN_S), longest_s)
