"""Noting that a customer called (8.1.1), without writing a row for each call."""

from datetime import datetime, timedelta

from apps.core.prepared import execute_prepared
from apps.queue import limits
from apps.queue.models import Presence, QueueEntry

# A call need not survive a power cut, so it does not wait for the disk: the statement that notes it is
# its own transaction, and switches that off for itself alone.
_NOTE = """
UPDATE queue_presence SET last_seen_at = %s
 WHERE entry_id = %s AND last_seen_at < %s AND set_config('synchronous_commit', 'off', true) <> ''
"""


def note_presence(entry: QueueEntry, *, now: datetime) -> None:
    """Note that the customer of a live entry called, unless that was noted a short while ago."""
    if entry.state == QueueEntry.State.WAITING:
        pause_s = entry.room.idle_seconds * limits.PRESENCE_IDLE_FRACTION
    else:
        pause_s = limits.PRESENCE_INSIDE_S
    if now - entry.last_seen_at >= timedelta(seconds=pause_s):
        execute_prepared(_NOTE, [now, entry.pk, now])
        entry.presence = Presence(entry_id=entry.pk, last_seen_at=now)
