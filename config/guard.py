"""The guard: checks the invariants again and again, and stops what must not go on."""

import logging
from collections.abc import Sequence
from datetime import datetime
from time import perf_counter

from apps.concerts.services import stop_sales
from apps.core.db import lock_name, snapshot, transaction, try_name
from apps.core.findings import note_findings
from apps.core.heartbeats import record_heartbeat
from apps.core.models import IntegrityFinding
from config.integrity import Result, check_invariants

logger = logging.getLogger(__name__)

NAME = "guard_integrity"
# Rows of one check that are written down; every concert that is concerned has one of them, up to this.
NAMED_MAX = 1_000


def guard_integrity(*, now: datetime) -> int | None:
    """Check every invariant, write down what is broken, and stop the sale of the concerts concerned.

    Return how many rows are newly broken; None where another guard is at it, who does the same.
    """
    began = perf_counter()
    with snapshot() as cursor:
        if not try_name(NAME):
            return None
        # One core at most: customers come first.
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        results = check_invariants(cursor, now=now, limit=NAMED_MAX)
    with transaction():
        # Two that come here one after the other find and write the same once.
        lock_name(f"{NAME}: findings")
        new = write_down(results, now=now)
        seconds = perf_counter() - began
        record_heartbeat(name=NAME, now=now, rows=len(new), seconds=seconds)
    return len(new)


def write_down(results: Sequence[Result], *, now: datetime) -> list[IntegrityFinding]:
    """Note what was found, and stop the sales that what is new concerns; return that.

    What staff have seen and let go on stays on sale. The caller holds a transaction.
    """
    new = note_findings(
        [finding for result in results for finding in result.named],
        complete={result.invariant for result in results if result.complete},
        now=now,
    )
    for finding in new:
        logger.error(
            "invariant %d is broken: %s %s", finding.invariant, finding.subject, finding.detail
        )
    reasons = {
        finding.concert_id: f"invariant {finding.invariant} is broken: {finding.subject}"
        for finding in reversed(new)
        if finding.concert_id is not None
    }
    for concert in stop_sales(reasons=reasons, now=now):
        logger.error("the sale of %s is stopped: %s", concert.slug, concert.sale_stopped_reason)
    return new
