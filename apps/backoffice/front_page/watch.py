"""The machinery: what the guard of the invariants found, and whether the scheduled work runs."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import PeriodicTask

from apps.backoffice.front_page.limits import FINDINGS_MAX
from apps.concerts.models import Concert
from apps.core.findings import list_open_findings
from apps.core.limits import HEARTBEAT_MISSED_BEATS, HEARTBEAT_SILENCE_MIN_S
from apps.core.models import Heartbeat

GUARD = "guard_integrity"
# The heartbeats, each with what its work is.
WORK: dict[str, str | Promise] = {
    "admit_queue": _("Letting people in"),
    "expire_queue": _("Ending silent and over-long places in line"),
    "expire_holds": _("Giving the seats of overdue holds back"),
    "refund_called_off": _("Refunding called-off performances"),
    GUARD: _("Checking the invariants"),
}


def read_guard(now: datetime) -> dict[str, Any]:
    """Return when the invariants were last checked, what is broken and whose sale is stopped."""
    findings = list_open_findings()
    stopped = Concert.objects.filter(sale_stopped_at__isnull=False).order_by("-sale_stopped_at")
    ran_at = Heartbeat.objects.beaten().filter(name=GUARD).values_list("beat_at", flat=True).first()
    return {
        "ran_at": ran_at.isoformat() if ran_at else None,
        "broken": findings.count(),
        "url": reverse("admin:core_integrityfinding_changelist") + "?gone_at__isempty=1",
        "findings": [
            {
                "id": finding.pk,
                "invariant": finding.invariant,
                "subject": finding.subject,
                "detail": finding.detail,
                "url": reverse("admin:core_integrityfinding_change", args=[finding.pk]),
            }
            for finding in findings[:FINDINGS_MAX]
        ],
        "stopped": [
            {
                "id": concert.pk,
                "title": concert.title,
                "reason": concert.sale_stopped_reason,
                "at": concert.sale_stopped_at.isoformat() if concert.sale_stopped_at else None,
                "url": reverse("admin:concerts_concert_change", args=[concert.pk]),
            }
            for concert in stopped[:FINDINGS_MAX]
        ],
    }


def read_work(now: datetime) -> dict[str, Any]:
    """Return each kind of scheduled work with its last heartbeat, and whether that is late."""
    beats = dict(Heartbeat.objects.beaten().filter(name__in=WORK).values_list("name", "beat_at"))
    schedules = {
        schedule.task.rpartition(".")[2]: schedule
        for schedule in PeriodicTask.objects.select_related("interval")
    }
    return {
        "rows": [
            {
                "name": name,
                "beat_at": beats[name].isoformat() if name in beats else None,
                "state": _judge(beats.get(name), schedules.get(name), now=now),
            }
            for name in WORK
        ]
    }


def _judge(beat_at: datetime | None, schedule: PeriodicTask | None, *, now: datetime) -> str:
    """Return "on_time", "late", or "off" where staff have switched the schedule off."""
    interval = schedule.interval.schedule.run_every if schedule and schedule.interval else None
    period = interval or timedelta(seconds=settings.SWEEP_SECONDS)
    silence = max(HEARTBEAT_MISSED_BEATS * period, timedelta(seconds=HEARTBEAT_SILENCE_MIN_S))
    if beat_at is not None and beat_at > now - silence:
        return "on_time"
    return "off" if schedule and not schedule.enabled else "late"
