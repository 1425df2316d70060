"""Metrics of the requests: counted in the process that answers them, by django-prometheus.

Where `PROMETHEUS_MULTIPROC_DIR` names a folder, every process writes its figures to a file there, and any
of them can tell the figures of all.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_prometheus import middleware
from django_prometheus.utils import Time, TimeSince
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from apps.core.db import BUSY_REASONS
from apps.core.errors import Busy
from apps.core.problems import status_of

logger = logging.getLogger(__name__)

# Of django-prometheus's twenty. Each answer is one of a counter, and one of the buckets: the rest says
# the same again, or nothing that anybody would look at.
KEPT = (
    "django_http_requests_latency_seconds_by_view_method",
    "django_http_responses_total_by_status_view_method",
)
# Seconds. A poll takes one thousandth, a hold some three.
BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
BUSY_STATUS = status_of(Busy)
# The kinds of metrics here, by the names that prometheus_client gives their files, and how long such a
# file is: as long as it makes the first ones itself, and enough for every address with every method.
FILE_KINDS = ("counter", "histogram")
FILE_BYTES = 1 << 20

REGISTRY = CollectorRegistry()
# When a series began: as many series again, for nothing that Prometheus asks.
disable_created_metrics()  # type: ignore[no-untyped-call]


class HttpMetrics(middleware.Metrics):
    """Those metrics of django-prometheus that are kept, and who was told that we are busy."""

    _instance = None

    def register(self) -> None:
        """Register them."""
        _choose_storage()
        super().register()
        self.busy = Counter(
            "encore_lock_timeouts",
            "Requests answered `busy`, by what did not answer in time: a lock, the database, or "
            "something else.",
            ["reason"],
            registry=REGISTRY,
        )
        for reason in BUSY_REASONS:
            self.busy.labels(reason)

    def register_metric(
        self, metric_cls: Any, name: str, documentation: str, labelnames: Any = (), **options: Any
    ) -> Any:
        """Register a metric where it is one of `KEPT`, with its children made at first need."""
        if name not in KEPT:
            return None
        if metric_cls is Histogram:
            options["buckets"] = BUCKETS
        return metric_cls(name, documentation, labelnames, registry=REGISTRY, **options)


class CountRequests(middleware.PrometheusBeforeMiddleware):
    """Counts and times every request, middlewares included.

    The children of the metrics are kept by what is known of a request without looking anything up: that
    makes it 1.4 µs of processor time a request, and 3.1 with a file that processes share, where
    django-prometheus's own two middlewares take 23 and 31.
    """

    metrics_cls = HttpMetrics
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        self._children: dict[tuple[str | None, str, int], tuple[Any, Any]] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, and count that."""
        began = Time()
        response = self.get_response(request)
        match = request.resolver_match
        method = request.method if request.method in METHODS else OTHER
        key = (match.route if match else None, method, response.status_code // 100)
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = self._make_children(request, method, key[2])
        counter, histogram = children
        counter.inc()
        histogram.observe(TimeSince(began))
        if response.status_code == BUSY_STATUS and (
            reason := getattr(response, "busy_reason", None)
        ):
            self.metrics.busy.labels(reason).inc()
        return response

    def _make_children(
        self, request: HttpRequest, method: str, status_class: int
    ) -> tuple[Any, Any]:
        view = name_view(request)
        return (
            self.metrics.responses_by_status_view_method.labels(
                status=f"{status_class}xx", view=view, method=method
            ),
            self.metrics.requests_latency_by_view_method.labels(view=view, method=method),
        )


def name_view(request: HttpRequest) -> str:
    """Return what the metrics call the view that answered: its address as `urls.py` has it, so that
    nothing of a customer's is in it. The back office's are one, and whatever none has answered."""
    match = request.resolver_match
    if match is None or match.route.startswith("^"):
        return OTHER
    return "/admin" if match.route.startswith("admin/") else f"/{match.route}"


def collect_registry() -> CollectorRegistry:
    """Return the registry that tells the figures of all processes that count together."""
    if not settings.PROMETHEUS_MULTIPROC_DIR:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(  # type: ignore[no-untyped-call]
        registry, path=settings.PROMETHEUS_MULTIPROC_DIR
    )
    return registry


def _choose_storage() -> None:
    """Have the figures kept in a file of this process's in the folder, where there is one.

    The files are written in full before they are mapped: one with holes would end the process when the
    disk is full. On a disk that is full already this process counts for itself. Raise
    `ImproperlyConfigured` where there can be no such folder.
    """
    if not settings.PROMETHEUS_MULTIPROC_DIR:
        # An empty variable is one to prometheus_client, and names the working folder.
        values.ValueClass = values.MutexValue
        return
    folder = Path(settings.PROMETHEUS_MULTIPROC_DIR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"PROMETHEUS_MULTIPROC_DIR must be a folder, or one that can be made, not {folder}: "
            f"{error.strerror}."
        ) from error
    try:
        for kind in FILE_KINDS:
            # An earlier process of this number left one: its figures go on.
            if not (file := folder / f"{kind}_{os.getpid()}.db").exists():
                file.write_bytes(bytes(FILE_BYTES))
    except OSError as error:
        logger.warning("no file for metrics in %s, this process counts alone: %s", folder, error)
        values.ValueClass = values.MutexValue
