"""What the sweeps' runs came to, for the metrics."""

import datetime

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0003_staff_action_order"),
    ]

    operations = [
        migrations.AlterField(
            model_name="heartbeat",
            name="beat_at",
            field=models.DateTimeField(
                default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.UTC)
            ),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="runs",
            field=models.BigIntegerField(
                db_default=0, help_text="Those that failed are counted too."
            ),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="failures",
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="rows_touched",
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="seconds",
            field=models.FloatField(db_default=0.0, help_text="Of all runs together."),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="last_seconds",
            field=models.FloatField(db_default=0.0, help_text="Of the last run."),
        ),
    ]
