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
    (
        "refund-called-off",
        "apps.payments.tasks.refund_called_off",
        "Gives the money of called-off performances back.",
    ),
)
# Not one of the sweeps that `/readyz` asks for: customers are served without it, and it may take longer
# than they do. Whether it runs is told on the admin's front page and in the metrics.
GUARD = (
    "guard-integrity",
    "config.tasks.guard_integrity",
    "Checks the invariants; stops the sale of a concert where one is broken.",
)
GUARD_SECONDS = 60
# A sweep that waited this many periods for a worker says nothing that the next one does not say.
EXPIRE_PERIODS = 10


def ensure_schedules() -> None:
    """Make the schedules that are missing: the sweeps' every `SWEEP_SECONDS` seconds, the guard's every
    `GUARD_SECONDS`. Leave those that exist as they are."""
    for sweep in SWEEPS:
        _ensure(*sweep, every_s=settings.SWEEP_SECONDS)
    _ensure(*GUARD, every_s=GUARD_SECONDS)


def _ensure(name: str, task: str, description: str, *, every_s: int) -> None:
    interval, _ = IntervalSchedule.objects.get_or_create(
        every=every_s, period=IntervalSchedule.SECONDS
    )
    PeriodicTask.objects.get_or_create(
        name=name,
        defaults={
            "task": task,
            "interval": interval,
            "description": description,
            "expire_seconds": every_s * EXPIRE_PERIODS,
        },
    )
