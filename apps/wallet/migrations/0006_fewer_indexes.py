"""Drop indexes with which others begin: each row that was written went into both."""

import django.db.models.deletion
from django.db import migrations, models

DO = """
DROP INDEX wallet_walletentry_wallet_id_a011d2cc;
"""
UNDO = """
CREATE INDEX wallet_walletentry_wallet_id_a011d2cc ON wallet_walletentry (wallet_id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0005_rehearsals"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="walletentry",
                    name="wallet",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="wallet.wallet",
                        verbose_name="wallet",
                    ),
                ),
            ],
            database_operations=[migrations.RunSQL(DO, UNDO)],
        ),
    ]
