"""`/healthz`: the process is up. `/readyz`: what it stands on is up.

Probes ask by address, not by name, and without HTTPS: they are answered before anything looks at that.
"""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe

from config.metrics.views import metrics
from config.readiness import CHECKS

logger = logging.getLogger(__name__)


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
