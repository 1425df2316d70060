"""Drop indexes with which others begin: each row that was written went into both."""

import django.db.models.deletion
from django.db import migrations, models

DO = """
DROP INDEX concerts_seat_performance_id_4e126f81;
"""
UNDO = """
CREATE INDEX concerts_seat_performance_id_4e126f81 ON concerts_seat (performance_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("concerts", "0007_seat_changes_index"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="seat",
                    name="performance",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="seats",
                        to="concerts.performance",
                        verbose_name="performance",
                    ),
                ),
            ],
            database_operations=[migrations.RunSQL(DO, UNDO)],
        ),
    ]
