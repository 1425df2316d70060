"""Finds whom a rehearsal made among a million customers; of all others it holds nothing."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0004_rehearsals")]

    operations = [
        AddIndexConcurrently(
            model_name="user",
            index=models.Index(
                condition=models.Q(("rehearsal__isnull", False)),
                fields=["rehearsal"],
                name="user_rehearsal",
            ),
        ),
    ]
