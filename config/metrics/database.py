"""Metrics of the business and of the machinery, read from the database when asked."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic

from django.db import DatabaseError, InterfaceError, connection
from django.db.transaction import atomic
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.core.clock import read_clock
from apps.core.db import SNAPSHOT_MEMORY
from config.metrics.integrity import read_integrity
from config.metrics.line import read_line
from config.metrics.sale import read_sale, read_seats
from config.metrics.sweeps import read_sweeps
from config.readiness import CHECKS

logger = logging.getLogger(__name__)

# So old may the figures of a process be. Shorter than anybody's scrape interval, since the next scrape
# may be answered by another process: a counter must not seem to go back.
CACHE_S = 5
# A part of which a statement takes longer is left out.
PART_TIMEOUT_MS = 3_000


@dataclass(frozen=True)
class Part:
    """A part of the metrics: how it is read, and for how many times as long as that took it is kept by
    this process. No part with a counter is kept longer than `CACHE_S`."""

    read: Callable[[datetime], Iterator[Metric]]
    rest: int = 0


PARTS: dict[str, Part] = {
    "line": Part(read_line),
    "sale": Part(read_sale),
    "seats": Part(read_seats, rest=20),
    "sweeps": Part(read_sweeps),
    "integrity": Part(read_integrity),
}


@dataclass(frozen=True)
class Kept:
    """What a part came to, nothing where it could not be read; good until a moment of `monotonic`."""

    metrics: Sequence[Metric] | None
    until: float


class DatabaseCollector(Collector):
    """Makes the metrics from rows, and keeps them for `CACHE_S` seconds at the least."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read_at: float | None = None
        self._metrics: list[Metric] = []
        self._kept: dict[str, Kept] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its values now."""
        with self._lock:
            if self._read_at is None or monotonic() - self._read_at >= CACHE_S:
                self._metrics = list(read_all(self._kept, now=read_clock()))
                self._read_at = monotonic()
            metrics = self._metrics
        yield from metrics

    def forget(self) -> None:
        """Read anew when asked next."""
        self._read_at = None
        self._kept.clear()


def read_all(kept: dict[str, Kept], *, now: datetime) -> Iterator[Metric]:
    """Yield every metric that the database tells; without it, that it is down."""
    ready = GaugeMetricFamily(
        "encore_ready", "1 where this check of /readyz passes, else 0.", labels=["check"]
    )
    passed: dict[str, bool] = {}
    for name, check in CHECKS.items():
        # Without the database nothing is known of the sweeps: asking would only take longer.
        asked = name != "sweeps" or passed["database"]
        passed[name] = asked and is_passed(name, check)
        ready.add_metric([name], passed[name])
    yield ready
    yield GaugeMetricFamily(
        "encore_database_up",
        "1 where the database answered this process, else 0, and then nothing else is told of it.",
        value=passed["database"],
    )
    if passed["database"]:
        yield from read_parts(kept, now=now)


def is_passed(name: str, check: Callable[[], str]) -> bool:
    """Say whether a check of `/readyz` passes."""
    try:
        return not check()
    except Exception as error:
        logger.warning("readiness check %s failed: %s", name, error)
        return False


def read_parts(kept: dict[str, Kept], *, now: datetime) -> Iterator[Metric]:
    """Yield the metrics of every part that can be read, and which can. Read those that are not `kept`."""
    told = GaugeMetricFamily(
        "encore_metrics_read",
        "1 where this part of the metrics was read from the database, 0 where it failed or took "
        "longer than it may and is left out.",
        labels=["part"],
    )
    for name, part in PARTS.items():
        began = monotonic()
        if name not in kept or kept[name].until <= began:
            metrics = read_part(name, part, now=now)
            ended = monotonic()
            kept[name] = Kept(metrics, until=ended + part.rest * (ended - began))
        found = kept[name].metrics
        yield from found or ()
        told.add_metric([name], found is not None)
    yield told


def read_part(name: str, part: Part, *, now: datetime) -> list[Metric] | None:
    """Return the metrics of a part; None where they cannot be read."""
    try:
        with atomic():
            with connection.cursor() as cursor:
                # One core at most: customers come first.
                cursor.execute(
                    f"SET LOCAL statement_timeout = {PART_TIMEOUT_MS};"
                    " SET LOCAL max_parallel_workers_per_gather = 0;"
                    f" SET LOCAL work_mem = '{SNAPSHOT_MEMORY}'"
                )
            return list(part.read(now))
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the metrics of the %s were not read: %s", name, error)
        return None


COLLECTOR = DatabaseCollector()
REGISTRY = CollectorRegistry()
REGISTRY.register(COLLECTOR)
