"""Take away what has moved, and store the hot tables as they are used.

Presence, segments, dispensers and turnstiles are rewritten all the time: with room left in their pages
a new version stays beside the old one and no index is touched (a heap-only tuple). Segments and
departures say nothing that the entries do not say, so they are not logged.
"""

import django.db.models.deletion
from django.db import migrations, models

STORE = """
ALTER TABLE queue_segment SET UNLOGGED;
ALTER TABLE queue_departure SET UNLOGGED;
ALTER TABLE queue_presence SET (fillfactor = 70);
ALTER TABLE queue_segment SET (fillfactor = 40);
ALTER TABLE queue_dispenser SET (fillfactor = 20);
ALTER TABLE queue_turnstile SET (fillfactor = 20);
"""

UNDO = """
ALTER TABLE queue_segment SET LOGGED;
ALTER TABLE queue_departure SET LOGGED;
ALTER TABLE queue_presence RESET (fillfactor);
ALTER TABLE queue_segment RESET (fillfactor);
ALTER TABLE queue_dispenser RESET (fillfactor);
ALTER TABLE queue_turnstile RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("queue", "0004_carry_over")]

    operations = [
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_line",
        ),
        migrations.RemoveIndex(
            model_name="queueentry",
            name="queue_admissions",
        ),
        migrations.RemoveField(
            model_name="queueentry",
            name="last_seen_at",
        ),
        migrations.RemoveField(
            model_name="waitingroom",
            name="admission_checked_at",
        ),
        migrations.RemoveField(
            model_name="waitingroom",
            name="admissions_per_second",
        ),
        migrations.RemoveField(
            model_name="waitingroom",
            name="last_number",
        ),
        migrations.RemoveField(
            model_name="waitingroom",
            name="now_serving",
        ),
        migrations.AlterField(
            model_name="queueentry",
            name="place",
            field=models.BigIntegerField(
                help_text="The order of the line: the number, or what was drawn.",
                verbose_name="place",
            ),
        ),
        migrations.AlterField(
            model_name="queueentry",
            name="room",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="entries",
                to="queue.waitingroom",
                verbose_name="waiting room",
            ),
        ),
        migrations.AddIndex(
            model_name="queueentry",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["room", "place"],
                name="queue_line",
            ),
        ),
        migrations.RunSQL(STORE, UNDO),
    ]
