"""The beat schedules of the sweeps. Made once, then staff's: the admin may change or switch off each."""

from django.conf import settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask

# name of the schedule, task, what it does
SWEEPS = (
    ("admit-queue", "apps.queue.tasks.admit_queue", "Lets the next in line into every room."),
    ("expire-queue", "apps.queue.tasks.expire_queue", "Ends silent and over-long queue entries."),
    (
        "expire-holds",
        "apps.reservations.tasks.expire_holds",
        "Gives the seats of overdue holds back.",
    ),
)
# A sweep that waited this many periods for a worker says nothing that the next one does not say.
EXPIRE_PERIODS = 10


def ensure_schedules() -> None:
    """Make the schedules that are missing, every `SWEEP_SECONDS` seconds; leave those that exist as they are."""
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=settings.SWEEP_SECONDS, period=IntervalSchedule.SECONDS
    )
    for name, task, description in SWEEPS:
        PeriodicTask.objects.get_or_create(
            name=name,
            defaults={
                "task": task,
                "interval": interval,
                "description": description,
                "expire_seconds": settings.SWEEP_SECONDS * EXPIRE_PERIODS,
            },
        )
