"""How every sweep runs, by beat or by hand: its result and its errors logged, its heartbeat noted."""

import logging
from collections.abc import Callable
from datetime import datetime

from apps.core.clock import read_clock
from apps.core.heartbeats import record_heartbeat

logger = logging.getLogger(__name__)


def run_sweep(name: str, sweep: Callable[..., int]) -> int:
    """Run `sweep(now=…)` once and return how many rows it touched.

    An error is logged and raised again; the next run goes on where this one stopped (8.3.1).
    """
    now: datetime = read_clock()
    try:
        count = sweep(now=now)
        record_heartbeat(name=name, now=now)
    except Exception:
        logger.exception("sweep %s failed", name)
        raise
    # A line a second that says "nothing" would hide the others.
    logger.log(logging.INFO if count else logging.DEBUG, "sweep %s touched %d rows", name, count)
    return count
