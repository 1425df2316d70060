"""Drop indexes with which others begin: each row that was written went into both."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

DO = """
DROP INDEX reservations_reservation_customer_id_9e54bd39;
DROP INDEX reservations_reservation_performance_id_ecc42e3e;
"""
UNDO = """
CREATE INDEX reservations_reservation_customer_id_9e54bd39 ON reservations_reservation (customer_id);
CREATE INDEX reservations_reservation_performance_id_ecc42e3e ON reservations_reservation (performance_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("concerts", "0008_fewer_indexes"),
        ("reservations", "0005_staff_lists"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="reservation",
                    name="customer",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="customer",
                    ),
                ),
                migrations.AlterField(
                    model_name="reservation",
                    name="performance",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="concerts.performance",
                        verbose_name="performance",
                    ),
                ),
            ],
            database_operations=[migrations.RunSQL(DO, UNDO)],
        ),
    ]
