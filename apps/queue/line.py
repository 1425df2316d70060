"""Counting the line: `before` of each segment, so that a poll need not count everybody ahead.

A row that leaves the line without being let in marks its segment, in its own commit, by a `Departure`.
A count takes the marks away, counts those segments again, and adds up. A mark that is committed later
than the count looked stays for the next one, so no error outlives it.
"""

from collections.abc import Collection
from datetime import datetime

from django.db import connection

from apps.core.db import lock_rows
from apps.queue import limits
from apps.queue.models import Departure, Segment, Turnstile, WaitingRoom

# The last number given out, the first place waiting, the first segment counted.
_ENDS = """
SELECT (SELECT last_number FROM queue_dispenser WHERE room_id = %(room)s),
       (SELECT place FROM queue_queueentry WHERE room_id = %(room)s AND state = 'waiting'
         ORDER BY place LIMIT 1),
       (SELECT segment FROM queue_segment WHERE room_id = %(room)s ORDER BY segment LIMIT 1)
"""

_FORGET = "DELETE FROM queue_segment WHERE room_id = %(room)s AND segment < %(head)s"

# A segment at a time, by index alone. Plain SQL, since the ORM would ask for each of them by itself, and
# a line of a million has 4,000.
_COUNT = f"""
INSERT INTO queue_segment (room_id, segment, waiting, before)
SELECT %(room)s, s.segment,
       (SELECT count(*) FROM queue_queueentry e
         WHERE e.room_id = %(room)s AND e.state = 'waiting'
           AND e.place >= s.segment * {limits.SEGMENT_PLACES}
           AND e.place < (s.segment + 1) * {limits.SEGMENT_PLACES}), 0
  FROM unnest(%(segments)s::bigint[]) AS s (segment)
    ON CONFLICT (room_id, segment) DO UPDATE SET waiting = excluded.waiting
"""  # noqa: S608  numbers alone

# Whoever enters was before all the others: that shifts every `before` alike, and instead of thousands
# of rows one number is written, by which they are all too great. It is the one that most rows are.
_ADD_UP = """
WITH summed AS (
    SELECT segment, waiting, before AS written,
           (sum(waiting) OVER (ORDER BY segment) - waiting)::bigint AS before
      FROM queue_segment WHERE room_id = %(room)s),
shift AS (SELECT mode() WITHIN GROUP (ORDER BY written - before) AS by FROM summed),
changed AS (
    UPDATE queue_segment s SET before = summed.before + shift.by
      FROM summed, shift
     WHERE s.room_id = %(room)s AND s.segment = summed.segment
       AND s.before <> summed.before + shift.by)
SELECT COALESCE((SELECT by FROM shift), 0), COALESCE((SELECT sum(waiting) FROM summed), 0)::bigint
"""

# Presence is looked up for each entry, by its key: the planner would otherwise read all of it.
_SILENT = f"""
SELECT e.id
  FROM unnest(%(segments)s::bigint[]) AS s (segment)
  JOIN queue_queueentry e ON e.room_id = %(room)s AND e.state = 'waiting'
   AND e.place >= s.segment * {limits.SEGMENT_PLACES}
   AND e.place < (s.segment + 1) * {limits.SEGMENT_PLACES}
 WHERE (SELECT p.last_seen_at FROM queue_presence p WHERE p.entry_id = e.id) <= %(silent_since)s
"""  # noqa: S608  numbers alone

_OLDEST = f"""
UPDATE queue_segment s
   SET oldest_call_at =
       (SELECT min((SELECT p.last_seen_at FROM queue_presence p WHERE p.entry_id = e.id))
          FROM queue_queueentry e
         WHERE e.room_id = %(room)s AND e.state = 'waiting'
           AND e.place >= s.segment * {limits.SEGMENT_PLACES}
           AND e.place < (s.segment + 1) * {limits.SEGMENT_PLACES})
 WHERE s.room_id = %(room)s AND s.segment = ANY(%(segments)s)
"""  # noqa: S608  numbers alone


def segment_of(place: int) -> int:
    """Return the segment in which a place is."""
    return place // limits.SEGMENT_PLACES


def count_line(turnstile: Turnstile) -> int:
    """Count the segments in which something has changed, and return how many wait in all.

    The caller has locked the turnstile, and saves it.
    """
    room_id = turnstile.room_id
    # Whose places were let in is known, and so is who joined; all others have left marks.
    changed = take_marks(room_id)
    with connection.cursor() as cursor:
        cursor.execute(_ENDS, {"room": room_id})
        last_number, head, first_counted = cursor.fetchone()
        head = last_number + 1 if head is None else head
        first_new = head if first_counted is None else turnstile.last_number + 1
        if first_new <= last_number:
            changed.update(range(segment_of(first_new), segment_of(last_number) + 1))
        if turnstile.now_serving != turnstile.counted_place:
            served = range(
                segment_of(turnstile.counted_place), segment_of(turnstile.now_serving) + 1
            )
            changed.update(served)
        turnstile.last_number = last_number
        turnstile.counted_place = turnstile.now_serving
        passed = first_counted is not None and first_counted < segment_of(head)
        if not changed and not passed:
            # Nobody at all, where a crash has emptied the segments and nobody waits.
            return 0 if first_counted is None else turnstile.waiting
        segments = sorted(segment for segment in changed if segment >= segment_of(head))
        cursor.execute(_FORGET, {"room": room_id, "head": segment_of(head)})
        cursor.execute(_COUNT, {"room": room_id, "segments": segments})
        cursor.execute(_ADD_UP, {"room": room_id})
        turnstile.before_shift, waiting = cursor.fetchone()
    return int(waiting)


def take_marks(room_id: int) -> set[int]:
    """Take the room's marks away and return the segments that were marked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM queue_departure WHERE room_id = %s RETURNING segment", [room_id]
        )
        return {segment for (segment,) in cursor.fetchall()}


def mark_departures(room_id: int, places: Collection[int]) -> None:
    """Mark the segments of these places, whose people leave the line in the caller's transaction."""
    segments = sorted({segment_of(place) for place in places})
    Departure.objects.bulk_create(
        Departure(room_id=room_id, segment=segment) for segment in segments
    )


def find_quiet_segments(room: WaitingRoom, *, after: int, now: datetime) -> list[int]:
    """Return the first `SWEEP_SEGMENTS` segments after one in which somebody may have been silent for
    too long."""
    quiet = Segment.objects.filter(room=room, segment__gt=after, waiting__gt=0).exclude(
        oldest_call_at__gt=room.silent_since(now)
    )
    found = quiet.order_by("segment").values_list("segment", flat=True)
    return list(found[: limits.SWEEP_SEGMENTS])


def find_silent(room: WaitingRoom, segments: Collection[int], *, now: datetime) -> list[int]:
    """Return the ids of those who wait in these segments and have been silent for too long."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SILENT,
            {
                "room": room.pk,
                "segments": list(segments),
                "silent_since": room.silent_since(now),
            },
        )
        return [entry_id for (entry_id,) in cursor.fetchall()]


def note_oldest_calls(room: WaitingRoom, segments: Collection[int]) -> None:
    """Write down since when nobody in these segments has called, so that they are left alone until
    somebody can have been silent for too long. Those that are being counted are left for later."""
    free = lock_rows(Segment.objects.filter(room=room, segment__in=segments), skip_locked=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _OLDEST, {"room": room.pk, "segments": [segment.segment for segment in free]}
        )
