"""Metrics of the guard: what it found, whose sale it stopped.

Cheap: open findings are found by a partial index that holds no others, and concerts are few.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily, Metric

from apps.concerts.models import Concert
from apps.core.findings import list_open_findings
from apps.core.models import Heartbeat
from config.guard import NAME as GUARD
from config.integrity import INVARIANTS


def read_integrity(now: datetime) -> Iterator[Metric]:
    """Yield what is broken and stopped, and when the guard last looked."""
    open_findings = list_open_findings().order_by().values_list("invariant")
    counts = dict(open_findings.annotate(count=Count("pk")))
    broken = GaugeMetricFamily(
        "encore_integrity_broken",
        "Rows that break an invariant, as the guard last found them.",
        labels=["invariant"],
    )
    for invariant in INVARIANTS:
        broken.add_metric([str(invariant)], counts.get(invariant, 0))
    yield broken
    yield GaugeMetricFamily(
        "encore_sales_stopped",
        "Concerts whose sale is stopped.",
        value=Concert.objects.filter(sale_stopped_at__isnull=False).count(),
    )
    ran_at: datetime | None = (
        Heartbeat.objects.beaten().filter(name=GUARD).values_list("beat_at", flat=True).first()
    )
    yield GaugeMetricFamily(
        "encore_guard_last_run_timestamp_seconds",
        "When the guard last checked the invariants, in Unix time; 0 for never.",
        value=ran_at.timestamp() if ran_at else 0,
    )
