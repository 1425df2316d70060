"""Reads of rooms and lines."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model

from apps.accounts.models import User
from apps.core.prepared import fetch_prepared, make_instance
from apps.queue import limits
from apps.queue.errors import RoomNotFound
from apps.queue.estimates import estimate_wait_s, is_before_opening, poll_interval_s
from apps.queue.models import Draw, Presence, QueueEntry, Turnstile, WaitingRoom, hash_token


@dataclass(frozen=True, kw_only=True)
class LineStatus:
    """Where an entry stands; times in seconds. Before the room opens nobody has a position."""

    entry: QueueEntry
    position: int | None
    estimated_wait_seconds: int | None
    poll_after_seconds: int

    @property
    def place(self) -> int | None:
        """Where in the order of the line the entry is, None before that is drawn."""
        return None if self.position is None else self.entry.place


@dataclass(frozen=True, kw_only=True)
class RoomStatus:
    """How a room is doing, for anybody to see."""

    room: WaitingRoom
    estimated_wait_seconds: int | None
    draws: list[Draw]


def get_room(slug: str) -> WaitingRoom:
    """Return a room with its turnstile. Raise `RoomNotFound`."""
    rooms = WaitingRoom.objects.select_related("turnstile")
    # PostgreSQL refuses a NUL in a text, and no slug has one.
    room = None if "\0" in slug else rooms.filter(slug=slug).first()
    if room is None:
        raise RoomNotFound
    return room


def _columns(alias: str, model: type[Model]) -> str:
    return ", ".join(f"{alias}.{field.column}" for field in model._meta.concrete_fields)


# Most requests of an on-sale are polls, and this is all that one reads: an entry, its room, and how
# many wait ahead, in one statement that the server has prepared. A poll by the ORM took 1.9 ms of
# processor time; with this it takes a quarter of that.
#
# Ahead are those before the segment when the line was last counted, and those in the segment now. A
# segment that is not counted yet is counted from the nearest before it that is.
_FIND = f"""
SELECT {_columns("e", QueueEntry)}, {_columns("r", WaitingRoom)}, {_columns("t", Turnstile)},
       p.last_seen_at, c.is_active,
       CASE WHEN e.state = 'waiting' THEN COALESCE(
           (SELECT s.before - t.before_shift + (SELECT count(*) FROM queue_queueentry a
                                WHERE a.room_id = e.room_id AND a.state = 'waiting'
                                  AND a.place >= s.segment * {limits.SEGMENT_PLACES}
                                  AND a.place < e.place)
              FROM queue_segment s
             WHERE s.room_id = e.room_id AND s.segment <= e.place / {limits.SEGMENT_PLACES}
             ORDER BY s.segment DESC LIMIT 1),
           (SELECT count(*) FROM queue_queueentry a
             WHERE a.room_id = e.room_id AND a.state = 'waiting' AND a.place < e.place)) END
  FROM queue_queueentry e
  JOIN queue_waitingroom r ON r.id = e.room_id
  JOIN queue_turnstile t ON t.room_id = e.room_id
  JOIN {User._meta.db_table} c ON c.id = e.customer_id
  LEFT JOIN queue_presence p ON p.entry_id = e.id
 WHERE """  # noqa: S608  column names alone
FIND_BY_TOKEN = _FIND + "e.token_hash = %s"
FIND_BY_ID = _FIND + "e.id = %s"


def find_entry(token: str) -> QueueEntry | None:
    """Return the entry of a token, live or ended, with its room, its customer's standing
    (`customer_is_active`), and for one who waits how many are ahead."""
    return _read_entry(fetch_prepared(FIND_BY_TOKEN, [hash_token(token)]))


def get_entry(entry_id: int) -> QueueEntry:
    """Return an entry that exists as `find_entry` does."""
    entry = _read_entry(fetch_prepared(FIND_BY_ID, [entry_id]))
    assert entry is not None, "queue entries are not deleted while somebody asks for them"
    return entry


def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


_ENTRY, _ROOM, _TURNSTILE = _names(QueueEntry), _names(WaitingRoom), _names(Turnstile)
_PRESENCE = _names(Presence)


def _read_entry(rows: list[tuple[Any, ...]]) -> QueueEntry | None:
    if not rows:
        return None
    row = rows[0]
    entry_end = len(_ENTRY)
    room_end = entry_end + len(_ROOM)
    turnstile_end = room_end + len(_TURNSTILE)
    entry = make_instance(QueueEntry, _ENTRY, row[:entry_end])
    room = make_instance(WaitingRoom, _ROOM, row[entry_end:room_end])
    room.turnstile = make_instance(Turnstile, _TURNSTILE, row[room_end:turnstile_end])
    entry.room = room
    last_seen_at, entry.customer_is_active, entry.ahead = row[turnstile_end:]
    if last_seen_at is not None:
        entry.presence = make_instance(Presence, _PRESENCE, (entry.pk, last_seen_at))
    return entry


def get_line_status(entry: QueueEntry, *, now: datetime) -> LineStatus:
    """Return where a live entry of `find_entry` or `get_entry` stands: 1 is the next to enter, 0 is
    inside."""
    room = entry.room
    position: int | None
    wait_s: int | None
    if entry.state == QueueEntry.State.ADMITTED:
        position, wait_s = 0, 0
        poll_after_s = poll_interval_s(room, wait_s=None)
    else:
        assert entry.ahead is not None, "whoever waits was found with those ahead"
        position = None if is_before_opening(room) else entry.ahead + 1
        wait_s = estimate_wait_s(room, position, now=now)
        poll_after_s = poll_interval_s(room, wait_s=wait_s, position=position)
    return LineStatus(
        entry=entry,
        position=position,
        estimated_wait_seconds=wait_s,
        poll_after_seconds=poll_after_s,
    )


def get_room_status(room: WaitingRoom, *, now: datetime) -> RoomStatus:
    """Return how a room is doing by the last look at it, and the wait of somebody who joined now."""
    turnstile = room.turnstile
    joins_a_line = turnstile.people_waiting > 0 or turnstile.admitted >= room.capacity
    position = turnstile.people_waiting + 1 if joins_a_line else 0
    return RoomStatus(
        room=room,
        estimated_wait_seconds=estimate_wait_s(
            room, None if is_before_opening(room) else position, now=now
        ),
        draws=list(room.draws.order_by("-drawn_at")) if turnstile.drawn_for else [],
    )
