"""Find the seats that have changed, without a look at every seat of the house."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("concerts", "0006_rehearsals")]

    operations = [
        AddIndexConcurrently(
            model_name="seat",
            index=models.Index(fields=["performance", "changed_in"], name="seat_changes"),
        ),
    ]
