"""The sweeps' heartbeats: written by each run, read by `/readyz`."""

from datetime import datetime, timedelta

from django.conf import settings

from apps.core.limits import HEARTBEAT_MISSED_BEATS, HEARTBEAT_SILENCE_MIN_S
from apps.core.models import Heartbeat


def record_heartbeat(*, name: str, now: datetime) -> None:
    """Note that the sweep `name` ran."""
    Heartbeat.objects.update_or_create(name=name, defaults={"beat_at": now})


def silent_sweeps(*, names: list[str], now: datetime) -> list[str]:
    """Return those of `names` that have not run for too long, or never."""
    silence_s = max(HEARTBEAT_MISSED_BEATS * settings.SWEEP_SECONDS, HEARTBEAT_SILENCE_MIN_S)
    alive = set(
        Heartbeat.objects.filter(
            name__in=names, beat_at__gt=now - timedelta(seconds=silence_s)
        ).values_list("name", flat=True)
    )
    return [name for name in names if name not in alive]
