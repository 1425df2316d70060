"""The answer to `/metrics`, and who gets one."""

from ipaddress import ip_address
from secrets import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.http import require_safe
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from config.metrics.database import REGISTRY
from config.metrics.http import collect_registry


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer the metrics to who may read them, and to everybody else that there is nothing here."""
    if not may_read(request):
        return HttpResponseNotFound()
    told = generate_latest(collect_registry()) + generate_latest(REGISTRY)
    return HttpResponse(told, content_type=CONTENT_TYPE_PLAIN_0_0_4)


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
