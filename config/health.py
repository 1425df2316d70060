"""`/healthz`: the process is up. `/readyz`: what it stands on is up.

Probes ask by address, not by name, and without HTTPS: they are answered before anything looks at that.
"""

import logging
from collections.abc import Callable

import psycopg
from celery import current_app
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe

from apps.core.clock import read_clock
from apps.core.heartbeats import silent_sweeps
from config.metrics import metrics
from config.schedules import SWEEPS

logger = logging.getLogger(__name__)

BROKER_TIMEOUT_S = 2


def check_database() -> str:
    """Return what is wrong with the database, nothing where it answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def check_broker() -> str:
    """Return what is wrong with Celery's broker, nothing where it takes a connection."""
    if settings.BROKER_IS_PGMQ:
        # Kombu would make a pool for this one question and wait for it longer than who asks does.
        psycopg.connect(settings.BROKER_CONNINFO, connect_timeout=BROKER_TIMEOUT_S).close()
        return ""
    with current_app.connection_for_write(connect_timeout=BROKER_TIMEOUT_S) as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)
    return ""


def check_sweeps() -> str:
    """Return which sweeps have stopped, nothing where all have run lately."""
    names = [task.rpartition(".")[2] for _name, task, _description in SWEEPS]
    silent = silent_sweeps(names=names, now=read_clock())
    return f"silent: {', '.join(silent)}" if silent else ""


CHECKS: dict[str, Callable[[], str]] = {
    "database": check_database,
    "broker": check_broker,
    "sweeps": check_sweeps,
}


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200: the process serves."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 where all checks pass, else 503 with each check's state.

    `?check=database` asks for one of them alone, and may be repeated: customers are served by web and
    database, so that is what a load balancer should ask for.
    """
    asked = request.GET.getlist("check") or list(CHECKS)
    results: dict[str, str] = {}
    for name in asked:
        if name not in CHECKS:
            known = ", ".join(CHECKS)
            return JsonResponse({"status": "unknown check", "checks": known}, status=400)
        try:
            results[name] = CHECKS[name]() or "ok"
        except Exception as error:
            logger.warning("readiness check %s failed: %s", name, error)
            results[name] = "failed"
    ready = all(result == "ok" for result in results.values())
    return JsonResponse(
        {"status": "ok" if ready else "not ready", "checks": results}, status=200 if ready else 503
    )


PATHS = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}


def answer_probes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return the middleware that answers probes and passes everything else on."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        answer = PATHS.get(request.path)
        return answer(request) if answer else get_response(request)

    return middleware
