"""The language of answers."""

from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware


class AnswerLocaleMiddleware(LocaleMiddleware):
    """Chooses the language as Django does, and says so only where an answer depends on it.

    What the API answers to a good request is the same in every language: a cache between here and a
    million people must not keep it once for each.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add `Vary` and `Content-Language` to pages and to errors."""
        if request.path.startswith("/api/") and response.status_code < 400:
            return response
        return super().process_response(request, response)
