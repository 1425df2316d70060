"""Which concert a rehearsal made."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("concerts", "0005_seating_plans")]

    operations = [
        migrations.AddField(
            model_name="concert",
            name="rehearsal",
            field=models.CharField(editable=False, max_length=50, null=True),
        ),
    ]
