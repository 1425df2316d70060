"""Carry rooms and lines that exist over into the new tables."""

from django.db import migrations

CARRY_OVER = """
INSERT INTO queue_dispenser (room_id, last_number) SELECT id, last_number FROM queue_waitingroom;
INSERT INTO queue_turnstile (room_id, turn, now_serving, waiting, admitted, free_places, last_number,
                             counted_place, before_shift, leaving_per_s, giving_up_per_s)
SELECT id, 0, now_serving, 0, 0, 0, 0, now_serving, 0, 0, 0 FROM queue_waitingroom;
INSERT INTO queue_presence (entry_id, last_seen_at)
SELECT id, last_seen_at FROM queue_queueentry WHERE state <> 'ended';
UPDATE queue_queueentry
   SET place = number,
       admitted_turn = CASE WHEN admitted_at IS NOT NULL THEN 0 END,
       ended_turn = CASE WHEN ended_at IS NOT NULL THEN -1 END;
SET CONSTRAINTS ALL IMMEDIATE;
"""

UNDO = """
UPDATE queue_waitingroom r SET last_number = d.last_number
  FROM queue_dispenser d WHERE d.room_id = r.id;
UPDATE queue_waitingroom r SET now_serving = t.now_serving
  FROM queue_turnstile t WHERE t.room_id = r.id;
UPDATE queue_queueentry e
   SET last_seen_at = COALESCE(
           (SELECT p.last_seen_at FROM queue_presence p WHERE p.entry_id = e.id),
           e.ended_at, e.joined_at);
DELETE FROM queue_presence;
DELETE FROM queue_dispenser;
DELETE FROM queue_turnstile;
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):
    dependencies = [("queue", "0003_hot_line")]

    operations = [migrations.RunSQL(CARRY_OVER, UNDO)]
