"""How many wait ahead, without counting them: the line in segments of `SEGMENT_PLACES` places.

Both tables are unlogged: they say nothing that the entries do not say. After a crash they are empty,
and the next look at the room fills them again.
"""

from django.db import models

from apps.queue.models.room import WaitingRoom


class Segment(models.Model):
    """One segment of a room's line, as of the last count."""

    pk = models.CompositePrimaryKey("room_id", "segment")
    room = models.ForeignKey(WaitingRoom, models.CASCADE, db_index=False, related_name="segments")
    segment = models.BigIntegerField(help_text="A place's, divided by the places of a segment.")
    waiting = models.IntegerField()
    before = models.BigIntegerField(
        help_text="How many wait in the segments before, and the turnstile's `before_shift`."
    )
    oldest_call_at = models.DateTimeField(
        null=True, help_text="Nobody in it called before; null where nobody has looked."
    )

    def __str__(self) -> str:
        return f"{self.room_id}: {self.segment}"


class Departure(models.Model):
    """Somebody has left a segment without being let in: it is to be counted again.

    Rows are only added, by those who leave, and taken away by the next count, so nobody waits here.
    """

    room = models.ForeignKey(
        WaitingRoom, models.CASCADE, db_constraint=False, related_name="departures"
    )
    segment = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.room_id}: {self.segment}"
