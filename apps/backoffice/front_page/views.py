"""The front page, and the address that it asks again and again."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.backoffice.front_page.sections import read_sections
from apps.backoffice.front_page.words import list_words
from apps.core.clock import read_clock


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the page with its first figures: Unfold's `DASHBOARD_CALLBACK`."""
    return {
        **context,
        "title": _("Overview"),
        "figures": read_sections(request, now=read_clock()),
        "words": list_words(),
    }


@require_safe
def answer_data(request: HttpRequest) -> HttpResponse:
    """Answer the figures as of now."""
    return JsonResponse(read_sections(request, now=read_clock()))
