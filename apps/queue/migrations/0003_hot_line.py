"""What moves in a room gets tables of its own: numbers, turnstiles, presence, segments of the line."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('queue', '0002_concert_rooms'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # Given up in the migration after the next; going back fills it from `Presence`.
        migrations.AlterField(
            model_name='queueentry',
            name='last_seen_at',
            field=models.DateTimeField(null=True, verbose_name='last seen at'),
        ),
        migrations.CreateModel(
            name='Departure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('segment', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Dispenser',
            fields=[
                ('room', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='queue.waitingroom')),
                ('last_number', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='Draw',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('opens_at', models.DateTimeField()),
                ('drawn_at', models.DateTimeField()),
                ('seed', models.CharField(max_length=64)),
                ('entries', models.PositiveIntegerField(default=0, help_text='How many were put in order.')),
            ],
        ),
        migrations.CreateModel(
            name='Presence',
            fields=[
                ('entry', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='presence', serialize=False, to='queue.queueentry')),
                ('last_seen_at', models.DateTimeField(verbose_name='last seen at')),
            ],
        ),
        migrations.CreateModel(
            name='Segment',
            fields=[
                ('pk', models.CompositePrimaryKey('room_id', 'segment', blank=True, editable=False, primary_key=True, serialize=False)),
                ('room', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='segments', to='queue.waitingroom')),
                ('segment', models.BigIntegerField(help_text="A place's, divided by the places of a segment.")),
                ('waiting', models.IntegerField()),
                ('before', models.BigIntegerField(help_text="How many wait in the segments before, and the turnstile's `before_shift`.")),
                ('oldest_call_at', models.DateTimeField(help_text='Nobody in it called before; null where nobody has looked.', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Turn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('turn', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('entered', models.PositiveIntegerField(help_text='People let in.')),
                ('finished', models.PositiveIntegerField(help_text='Sessions that ended.')),
                ('gave_up', models.PositiveIntegerField(help_text='People who stopped waiting.')),
                ('waiting', models.PositiveIntegerField(help_text='People who wait, afterwards.')),
                ('admitted', models.PositiveIntegerField(help_text='People inside, afterwards.')),
                ('capacity', models.PositiveIntegerField(help_text="The room's limit then.")),
                ('waiting_s', models.FloatField(help_text='Seconds that people have waited, all together.')),
                ('inside_s', models.FloatField(help_text='Seconds that people were inside, all together.')),
            ],
        ),
        migrations.CreateModel(
            name='Turnstile',
            fields=[
                ('room', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='queue.waitingroom')),
                ('turn', models.BigIntegerField(default=0, help_text="How often people were let in: the room's own clock, which never errs.")),
                ('now_serving', models.BigIntegerField(default=0, help_text='The highest place let in so far.')),
                ('waiting', models.IntegerField(default=0, help_text='When last counted, less those let in since: below 0 where they had just joined.')),
                ('admitted', models.PositiveIntegerField(default=0)),
                ('free_places', models.PositiveIntegerField(default=0, help_text='How many more might have entered, had they been there.')),
                ('last_number', models.BigIntegerField(default=0, help_text="The dispenser's, when counted.")),
                ('counted_place', models.BigIntegerField(default=0, help_text='`now_serving`, when counted.')),
                ('before_shift', models.BigIntegerField(default=0, help_text="By how many the segments' `before` is too great.")),
                ('counted_at', models.DateTimeField(help_text='When the line was last counted.', null=True)),
                ('sampled_at', models.DateTimeField(help_text='When a turn was last written down.', null=True)),
                ('drawn_for', models.DateTimeField(help_text='The opening whose order is drawn.', null=True)),
                ('leaving_per_s', models.FloatField(default=0, help_text='Sessions that end a second, for each person inside, as seen lately.')),
                ('giving_up_per_s', models.FloatField(default=0, help_text='Places given up a second, for each person waiting, as seen lately.')),
            ],
        ),
        migrations.AddField(
            model_name='queueentry',
            name='admitted_turn',
            field=models.BigIntegerField(help_text='The turn that let them in.', null=True),
        ),
        migrations.AddField(
            model_name='queueentry',
            name='ended_turn',
            field=models.BigIntegerField(help_text='The last turn before the end.', null=True),
        ),
        migrations.AddField(
            model_name='queueentry',
            name='place',
            field=models.BigIntegerField(null=True, help_text='The order of the line: the number, or what was drawn.', verbose_name='place'),
        ),
        migrations.AddField(
            model_name='waitingroom',
            name='opens_at',
            field=models.DateTimeField(blank=True, help_text='Nobody enters before. Those who came before it are put in random order at that moment.', null=True, verbose_name='opens at'),
        ),
        migrations.AddField(
            model_name='departure',
            name='room',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='departures', to='queue.waitingroom'),
        ),
        migrations.AddField(
            model_name='draw',
            name='room',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='draws', to='queue.waitingroom'),
        ),
        migrations.AddField(
            model_name='queueentry',
            name='draw',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='queue.draw', verbose_name='draw'),
        ),
        migrations.AddField(
            model_name='turn',
            name='room',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='turns', to='queue.waitingroom'),
        ),
        migrations.AddConstraint(
            model_name='draw',
            constraint=models.UniqueConstraint(fields=('room', 'opens_at'), name='queue_draw_once'),
        ),
        migrations.AddIndex(
            model_name='turn',
            index=models.Index(fields=['room', 'at'], name='queue_turns'),
        ),
    ]
