"""Drop indexes with which others begin: each row that was written went into both."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

DO = """
DROP INDEX payments_payment_customer_id_8b4d6141;
"""
UNDO = """
CREATE INDEX payments_payment_customer_id_8b4d6141 ON payments_payment (customer_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0003_staff_lists"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="payment",
                    name="customer",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="customer",
                    ),
                ),
            ],
            database_operations=[migrations.RunSQL(DO, UNDO)],
        ),
    ]
