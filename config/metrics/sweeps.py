"""Metrics of what beat has run, the guard included, from the heartbeats that the workers write.

Cheap: a row for each of them, and the schedules beside.
"""

import math
from collections.abc import Iterator
from datetime import datetime

from django_celery_beat.models import PeriodicTask
from prometheus_client.core import Metric

from apps.core.models import Heartbeat
from config.metrics.families import Column, make_metrics
from config.schedules import GUARD, SWEEPS

COLUMNS = (
    Column("encore_sweep_runs_total", "Runs, with those that failed."),
    Column("encore_sweep_failures_total", "Runs that ended with an error."),
    Column("encore_sweep_rows_total", "Rows touched by runs that did not fail."),
    Column("encore_sweep_seconds_total", "Seconds that all runs took."),
    Column("encore_sweep_last_seconds", "Seconds that the last run took."),
    Column(
        "encore_sweep_lag_seconds",
        "Seconds since the beginning of the last run that did not fail; +Inf where there was none.",
    ),
    Column(
        "encore_sweep_interval_seconds",
        "How many seconds apart it is to run; 0 where it is switched off.",
    ),
)
# How a sweep is called in its schedule, which is staff's, and in its heartbeat.
SCHEDULES = {name: task.rpartition(".")[2] for name, task, _description in (*SWEEPS, GUARD)}


def read_sweeps(now: datetime) -> Iterator[Metric]:
    """Yield the metrics of every sweep that Encore has, whether it has run or not."""
    heartbeats = Heartbeat.objects.in_bulk(list(SCHEDULES.values()))
    intervals = read_intervals()
    yield from make_metrics(
        COLUMNS,
        ["sweep"],
        (
            (
                [name],
                (*figures_of(heartbeats.get(name), now=now), intervals.get(name, 0)),
            )
            for name in SCHEDULES.values()
        ),
    )


def figures_of(heartbeat: Heartbeat | None, *, now: datetime) -> tuple[float, ...]:
    """Return the figures of a sweep in the order of `COLUMNS`, all but the last."""
    if heartbeat is None:
        return (0, 0, 0, 0, 0, math.inf)
    ever = heartbeat.beat_at > Heartbeat.NEVER
    # Clocks of other machines may be ahead.
    lag_s = max((now - heartbeat.beat_at).total_seconds(), 0) if ever else math.inf
    return (
        heartbeat.runs,
        heartbeat.failures,
        heartbeat.rows_touched,
        heartbeat.seconds,
        heartbeat.last_seconds,
        lag_s,
    )


def read_intervals() -> dict[str, float]:
    """Return how many seconds apart the sweeps that are switched on are to run."""
    schedules = PeriodicTask.objects.filter(
        name__in=SCHEDULES, enabled=True, interval__isnull=False
    ).select_related("interval")
    return {
        SCHEDULES[schedule.name]: schedule.interval.schedule.run_every.total_seconds()
        for schedule in schedules
    }
