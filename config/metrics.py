"""`/metrics`: what the guard knows, for Prometheus. Read from the database when asked, so that any
number of processes say the same."""

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from secrets import compare_digest

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from apps.concerts.models import Concert
from apps.core.findings import list_open_findings
from apps.core.models import Heartbeat
from config.guard import NAME as GUARD
from config.integrity import INVARIANTS


class DatabaseCollector(Collector):
    """Makes the metrics from rows."""

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its values now."""
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
            Heartbeat.objects.filter(name=GUARD).values_list("beat_at", flat=True).first()
        )
        yield GaugeMetricFamily(
            "encore_guard_last_run_timestamp_seconds",
            "When the guard last checked the invariants, in Unix time; 0 for never.",
            value=ran_at.timestamp() if ran_at else 0,
        )


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer the metrics to who may read them, and to everybody else that there is nothing here."""
    if not may_read(request):
        return HttpResponseNotFound()
    registry = CollectorRegistry()
    registry.register(DatabaseCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def may_read(request: HttpRequest) -> bool:
    """Say whether the request shows `METRICS_TOKEN`; where there is none, whether it comes from this
    machine, and through no proxy."""
    if settings.METRICS_TOKEN:
        shown = request.headers.get("Authorization", "")
        return compare_digest(shown.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    if settings.PROXY_COUNT or "X-Forwarded-For" in request.headers:
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:
        return False
