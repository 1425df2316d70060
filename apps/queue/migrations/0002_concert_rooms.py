"""Tie each concert to a room that exists; the concerts app cannot, since it stands below this one."""

from django.db import migrations

TIE = """
ALTER TABLE concerts_concert ADD CONSTRAINT concert_room_exists
    FOREIGN KEY (room) REFERENCES queue_waitingroom (slug)
    ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
"""

UNDO = "ALTER TABLE concerts_concert DROP CONSTRAINT concert_room_exists;"


class Migration(migrations.Migration):
    dependencies = [("queue", "0001_initial"), ("concerts", "0001_initial")]

    operations = [migrations.RunSQL(TIE, UNDO)]
