"""Taking a place at the end of a line."""

from datetime import datetime

from django.db.models import BigIntegerField, CharField

from apps.core.db import flush_commits, lock_name, lock_rows, transaction
from apps.core.prepared import Prepared, fetch_prepared
from apps.queue.errors import RoomNotFound, WaitingRoomClosed
from apps.queue.models import QueueEntry, WaitingRoom, hash_token
from apps.queue.transitions import end_entry

# The number is the last thing that a join takes, in the statement before its commit, since everybody
# else who joins waits until then. By the ORM that would be three statements, with Python between them.
# The commit itself does not wait for the disk: `flush_commits` does, with the number given on.
_TAKE = """
WITH number AS (
    UPDATE queue_dispenser d SET last_number = d.last_number + 1
      FROM queue_waitingroom r
     WHERE r.id = d.room_id AND r.slug = %(slug)s AND r.state IN ('open', 'paused')
       AND set_config('synchronous_commit', 'off', true) <> ''
 RETURNING d.room_id, d.last_number),
entry AS (
    INSERT INTO queue_queueentry
           (room_id, customer_id, number, place, token_hash, state, joined_at, end_reason)
    SELECT room_id, %(customer)s::bigint, last_number, last_number, %(hash)s::bytea, 'waiting',
           %(now)s::timestamptz, ''
      FROM number
 RETURNING id)
INSERT INTO queue_presence (entry_id, last_seen_at) SELECT id, %(now)s::timestamptz FROM entry
RETURNING entry_id
"""
EARLIER = Prepared(
    lambda room_slug, customer_id: QueueEntry.objects.select_related("room", "presence").filter(
        room__slug=room_slug, customer_id=customer_id, state__in=QueueEntry.LIVE_STATES
    ),
    room_slug=CharField(),
    customer_id=BigIntegerField(),
)


def take_place(*, customer_id: int, room_slug: str, token: str, now: datetime) -> int:
    """Put the customer at the end of the room's line, ending an earlier place of theirs (1.2.1), and
    return the entry's id. Raise `RoomNotFound` and `WaitingRoomClosed`."""
    # PostgreSQL refuses a NUL in a text, and no slug has one.
    if "\0" in room_slug:
        raise RoomNotFound
    with transaction():
        # One join of a customer at a time: two would each see no earlier place to end.
        lock_name(f"join {room_slug} {customer_id}")
        for entry in lock_rows(EARLIER, room_slug=room_slug, customer_id=customer_id):
            end_entry(entry, reason=QueueEntry.EndReason.REISSUED, now=now)
        taken = fetch_prepared(
            _TAKE,
            {"slug": room_slug, "customer": customer_id, "hash": hash_token(token), "now": now},
        )
        if not taken:
            known = WaitingRoom.objects.filter(slug=room_slug).exists()
            raise WaitingRoomClosed if known else RoomNotFound
    flush_commits()
    return int(taken[0][0])
