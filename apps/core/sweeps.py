"""How every sweep runs, by beat or by hand: its result and its errors logged, its heartbeat noted."""

import logging
from collections.abc import Callable
from datetime import datetime
from time import perf_counter

from apps.core.clock import read_clock
from apps.core.heartbeats import record_failure, record_heartbeat

logger = logging.getLogger(__name__)


def run_sweep(name: str, sweep: Callable[..., int]) -> int:
    """Run `sweep(now=…)` once and return how many rows it touched.

    An error is logged and raised again; the next run goes on where this one stopped (8.3.1).
    """
    now: datetime = read_clock()
    began = perf_counter()
    try:
        count = sweep(now=now)
        record_heartbeat(name=name, now=now, rows=count, seconds=perf_counter() - began)
    except Exception:
        logger.exception("sweep %s failed", name)
        note_failure(name, seconds=perf_counter() - began)
        raise
    # A line a second that says "nothing" would hide the others.
    logger.log(logging.INFO if count else logging.DEBUG, "sweep %s touched %d rows", name, count)
    return count


def note_failure(name: str, *, seconds: float) -> None:
    """Count a failure of a sweep after so long, as far as the database lets it: the error that the
    caller is about to raise again must not be hidden by another."""
    try:
        record_failure(name=name, seconds=seconds)
    except Exception as error:
        logger.warning("the failure of %s was not counted: %s", name, error)
