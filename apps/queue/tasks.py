"""What beat runs in the line."""

from celery import shared_task

from apps.core.sweeps import run_sweep
from apps.queue import services


@shared_task
def admit_queue() -> int:
    """Let the next in line into every room."""
    return run_sweep("admit_queue", services.admit_queue)


@shared_task
def expire_queue() -> int:
    """End the entries of silent and over-long customers (8.1)."""
    return run_sweep("expire_queue", services.expire_queue)
