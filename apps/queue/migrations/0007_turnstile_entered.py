"""How many a room has ever let in, which pruning its history does not change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("queue", "0006_staff_permissions"),
    ]

    operations = [
        migrations.AddField(
            model_name="turnstile",
            name="entered",
            field=models.BigIntegerField(
                default=0,
                db_default=0,
                help_text="People let in so far. Pruning the turns leaves it as it is.",
            ),
        ),
    ]
