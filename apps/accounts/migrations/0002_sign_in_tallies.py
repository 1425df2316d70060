from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SignInTally",
            fields=[
                (
                    "digest",
                    models.BinaryField(
                        help_text="SHA-256 of the e-mail address, alone or with where it came from.",
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("failures", models.IntegerField()),
                ("since", models.DateTimeField()),
                ("kept_until", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
