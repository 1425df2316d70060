"""The pages: each a frame in the reader's language, which its script fills from the public API.

Nothing here knows who asks or reads the database: all of that is the API's.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from apps.storefront.texts import TEXTS

# Scripts, styles and data from this host alone, none of them inline; nobody frames a page.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# A frame is the same for everybody who reads one language.
CACHE_CONTROL = "private, no-cache"


@require_safe
def show(request: HttpRequest, *, page: str, **address: Any) -> HttpResponse:
    """Answer the frame of `page`, with what the address names for its script."""
    answer = render(
        request,
        f"storefront/{page}.html",
        {
            "page": page,
            "page_data": {
                "page": page,
                "language": get_language(),
                "texts": {key: str(text) for key, text in TEXTS.items()},
                "time_zone": settings.TIME_ZONE,
                **address,
            },
        },
    )
    answer["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    answer["Cache-Control"] = CACHE_CONTROL
    answer["Referrer-Policy"] = "same-origin"
    return answer
