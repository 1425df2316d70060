"""The opening of a room: those who came before it are put in random order, once."""

import hashlib
import secrets
from datetime import datetime

from django.db import connection

from apps.queue.models import Draw, Segment, Turnstile

SEED_BYTES = 32

# Those who are drawn share out the places that they have already, so nobody else's place changes.
# One statement: a million are put in order at once, or not at all.
_DRAW = """
WITH lobby AS (
    SELECT id, number, place FROM queue_queueentry
     WHERE room_id = %(room)s AND state = 'waiting' AND draw_id IS NULL AND joined_at < %(opens_at)s),
drawn AS (
    SELECT id, row_number() OVER (
               ORDER BY sha256(convert_to(%(seed)s || ':' || number, 'UTF8')), number) AS rank
      FROM lobby),
places AS (SELECT place, row_number() OVER (ORDER BY place) AS rank FROM lobby)
UPDATE queue_queueentry e SET place = places.place, draw_id = %(draw)s
  FROM drawn JOIN places USING (rank)
 WHERE e.id = drawn.id AND e.state = 'waiting'
"""


def is_draw_due(turnstile: Turnstile, *, now: datetime) -> bool:
    """Say whether the room's opening has come and its order is still to be drawn."""
    opens_at = turnstile.room.opens_at
    return opens_at is not None and opens_at <= now and turnstile.drawn_for != opens_at


def draw_order(turnstile: Turnstile, *, now: datetime) -> None:
    """Put those who wait and came before the opening in random order, from a seed drawn now.

    Who has a drawn place from an earlier opening keeps it. The caller has locked the turnstile, and
    saves it.
    """
    room = turnstile.room
    assert room.opens_at is not None, "a draw is due at an opening"
    draw, made = Draw.objects.get_or_create(
        room=room,
        opens_at=room.opens_at,
        defaults={"seed": secrets.token_hex(SEED_BYTES), "drawn_at": now},
    )
    if made:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(
                _DRAW,
                {
                    "room": room.pk,
                    "opens_at": room.opens_at,
                    "seed": draw.seed,
                    "draw": draw.pk,
                },
            )
            draw.entries = cursor.rowcount
        draw.save(update_fields=["entries"])
        # Who is where has changed, and with them since when nobody in a segment has called.
        Segment.objects.filter(room=room).delete()
    turnstile.drawn_for = room.opens_at


def drawn_key(*, seed: str, number: int) -> bytes:
    """Return what the order of a draw ascends by: the SHA-256 of `seed:number`."""
    return hashlib.sha256(f"{seed}:{number}".encode()).digest()
