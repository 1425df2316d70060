"""What beat runs over holds."""

from celery import shared_task

from apps.core.sweeps import run_sweep
from apps.reservations import services


@shared_task
def expire_holds() -> int:
    """Give the seats of overdue holds and reservations back (8.2)."""
    return run_sweep("expire_holds", services.expire_holds)
