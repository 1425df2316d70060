"""What beat runs over payments."""

from celery import shared_task

from apps.core.sweeps import run_sweep
from apps.payments import calling_off


@shared_task
def refund_called_off() -> int:
    """Give the money of called-off performances back, and free their seats."""
    return run_sweep("refund_called_off", calling_off.refund_called_off)
