"""What beat runs over all apps together."""

import logging
from time import perf_counter

from celery import shared_task

from apps.core.clock import read_clock
from apps.core.sweeps import note_failure
from config import guard

logger = logging.getLogger(__name__)


@shared_task
def guard_integrity() -> int | None:
    """Check the invariants, and stop the sale of the concerts where one is broken."""
    began = perf_counter()
    try:
        return guard.guard_integrity(now=read_clock())
    except Exception:
        logger.exception("the guard failed")
        note_failure(guard.NAME, seconds=perf_counter() - began)
        raise
