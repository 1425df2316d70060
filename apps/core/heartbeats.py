"""The sweeps' heartbeats: written by each run, read by `/readyz` and by the metrics."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.transaction import atomic

from apps.core.limits import HEARTBEAT_MISSED_BEATS, HEARTBEAT_SILENCE_MIN_S
from apps.core.models import Heartbeat


def record_heartbeat(*, name: str, now: datetime, rows: int = 0, seconds: float = 0.0) -> None:
    """Note that the sweep `name` ran: how many rows it touched, and how long it took."""
    _add_run(name, seconds=seconds, beat_at=now, rows_touched=F("rows_touched") + rows)


def record_failure(*, name: str, seconds: float) -> None:
    """Note that the sweep `name` failed after so long. Raises what the database raises."""
    if not connection.in_atomic_block:
        # What failed may have been the connection, and the database may be there again.
        connection.close_if_unusable_or_obsolete()
    # Of its own: where this fails, what the caller does around it is not lost.
    with atomic():
        _add_run(name, seconds=seconds, failures=F("failures") + 1)


def _add_run(name: str, *, seconds: float, **figures: Any) -> None:
    figures |= {
        "runs": F("runs") + 1,
        "seconds": F("seconds") + seconds,
        "last_seconds": seconds,
    }
    row = Heartbeat.objects.filter(pk=name)
    if not row.update(**figures):
        Heartbeat.objects.bulk_create([Heartbeat(name=name)], ignore_conflicts=True)
        row.update(**figures)


def silent_sweeps(*, names: list[str], now: datetime) -> list[str]:
    """Return those of `names` that have not run for too long, or never."""
    silence_s = max(HEARTBEAT_MISSED_BEATS * settings.SWEEP_SECONDS, HEARTBEAT_SILENCE_MIN_S)
    alive = set(
        Heartbeat.objects.filter(
            name__in=names, beat_at__gt=now - timedelta(seconds=silence_s)
        ).values_list("name", flat=True)
    )
    return [name for name in names if name not in alive]
