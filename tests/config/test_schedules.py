"""The beat schedules of the sweeps."""

import pytest
from celery import current_app
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config.schedules import ensure_schedules

pytestmark = pytest.mark.django_db


def test_a_migration_makes_every_schedule_with_a_task_that_exists():
    made = PeriodicTask.objects.exclude(task__startswith="celery.")
    assert sorted(made.values_list("name", flat=True)) == [
        "admit-queue",
        "expire-holds",
        "expire-queue",
        "guard-integrity",
        "refund-called-off",
    ]
    every = {task.name: (task.interval.every, task.interval.period) for task in made}
    assert every.pop("guard-integrity") == (60, "seconds")
    assert set(every.values()) == {(1, "seconds")}
    current_app.loader.import_default_modules()
    assert {task.task for task in made} <= set(current_app.tasks)


def test_what_staff_changed_stays():
    slower = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.filter(name="admit-queue").update(interval=slower, enabled=False)
    ensure_schedules()
    changed = PeriodicTask.objects.get(name="admit-queue")
    assert (changed.interval, changed.enabled) == (slower, False)
