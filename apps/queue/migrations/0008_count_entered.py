"""Count those whom rooms have let in until now, as far as their history reaches."""

from django.db import migrations
from django.db.models import F, Sum


def count_entered(apps, schema_editor):
    """Add what the turns say. They are read before a turnstile is written, so that letting in waits
    for no more than one row's update."""
    turns = apps.get_model("queue", "Turn").objects.values_list("room_id")
    turnstiles = apps.get_model("queue", "Turnstile").objects
    for room_id, entered in list(turns.annotate(Sum("entered")).order_by()):
        turnstiles.filter(pk=room_id).update(entered=F("entered") + entered)


class Migration(migrations.Migration):
    dependencies = [
        ("queue", "0007_turnstile_entered"),
    ]

    operations = [
        migrations.RunPython(count_entered, migrations.RunPython.noop, elidable=True),
    ]
