"""The one place where an error becomes an HTTP answer: `application/problem+json` (RFC 9457)."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from apps.core import errors
from apps.core.db import busy_reason
from apps.core.limits import BUSY_RETRY_SECONDS
from apps.core.media import encode_json

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"

STATUS_BY_CATEGORY: dict[type[errors.DomainError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.PaymentNeeded: 402,
    errors.Refused: 403,
    errors.Missing: 404,
    errors.Conflict: 409,
    errors.Over: 410,
    errors.Mismatch: 422,
    errors.TooMany: 429,
    errors.Overloaded: 503,
}


class MethodNotAllowed(errors.Invalid):
    """The address exists, but not for this method."""

    code = "method_not_allowed"
    title = _("Method not allowed")
    detail = _("This address does not answer this method.")


class UnsupportedMediaType(errors.Invalid):
    """The body is of another type than JSON."""

    code = "unsupported_media_type"
    title = _("Unsupported media type")
    detail = _("Send the body as “application/json”.")


class RequestTooLarge(errors.Invalid):
    """The body is larger than any request needs to be."""

    code = "request_too_large"
    title = _("Request too large")
    detail = _("The body is too large.")


class InternalError(errors.Overloaded):
    """A fault of ours."""

    code = "internal_error"
    title = _("Internal error")
    detail = _("Something went wrong on our side. Nothing was changed.")


# Where HTTP is finer than its category.
STATUS_BY_ERROR: dict[type[errors.DomainError], int] = {
    MethodNotAllowed: 405,
    RequestTooLarge: 413,
    UnsupportedMediaType: 415,
    InternalError: 500,
}


def status_of(error: errors.DomainError | type[errors.DomainError]) -> int:
    """Return the HTTP status of a domain error."""
    kind = error if isinstance(error, type) else type(error)
    if kind in STATUS_BY_ERROR:
        return STATUS_BY_ERROR[kind]
    return next(STATUS_BY_CATEGORY[base] for base in kind.__mro__ if base in STATUS_BY_CATEGORY)


def problem_body(
    error: errors.DomainError | type[errors.DomainError], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the members of the problem document."""
    return {
        "type": f"urn:encore:problem:{error.code}",
        "title": error.title,
        "status": status_of(error),
        "detail": error.detail,
        "code": error.code,
        **fields,
    }


class ProblemResponse(HttpResponse):
    """An answer that tells an error. What was busy is for the metrics; customers are not told."""

    busy_reason: str | None = None


def problem_response(error: errors.DomainError) -> HttpResponse:
    """Return the answer that tells `error`."""
    status = status_of(error)
    response = ProblemResponse(
        encode_json(problem_body(error, error.fields)), status=status, content_type=CONTENT_TYPE
    )
    response["Cache-Control"] = "no-store"
    if isinstance(error, errors.TooManyRequests):
        response["Retry-After"] = str(error.retry_after_seconds)
    elif isinstance(error, errors.Busy):
        response["Retry-After"] = str(BUSY_RETRY_SECONDS)
        response.busy_reason = busy_reason(error)
    elif isinstance(error, errors.Unauthenticated):
        response["WWW-Authenticate"] = "Bearer"
    return response


def _list_field_errors(detail: Any, field: str = "") -> Iterator[dict[str, str | Promise]]:
    """Yield one entry for each wrong field of DRF's nested validation detail."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            if name == "non_field_errors":
                yield from _list_field_errors(inner, field)
            else:
                path = f"[{name}]" if isinstance(name, int) else f".{name}" if field else str(name)
                yield from _list_field_errors(inner, f"{field}{path}")
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list) and bool(inner)
            yield from _list_field_errors(inner, f"{field}[{index}]" if nested else field)
    else:
        code = getattr(detail, "code", "invalid")
        yield {"field": field, "code": code, "detail": detail}


def to_domain_error(error: BaseException) -> errors.DomainError | None:
    """Return what `error`, raised by Django, DRF or the database, means in the domain's words."""
    match error:
        case errors.DomainError():
            return error
        case exceptions.ValidationError():
            return errors.InvalidRequest(errors=list(_list_field_errors(error.detail)))
        case exceptions.ParseError():
            return errors.InvalidRequest.of("", "malformed", _("The body must be a JSON object."))
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed()
        case exceptions.UnsupportedMediaType():
            return UnsupportedMediaType()
        case RequestDataTooBig():
            return RequestTooLarge()
        case SuspiciousOperation():
            return errors.InvalidRequest(errors=[])
        case Http404() | exceptions.NotFound():
            return errors.NotFound()
        case OperationalError() | InterfaceError():
            logger.warning("the database did not answer: %s", error)
            busy = errors.Busy()
            busy.__cause__ = error
            return busy
    return None


def answer_exception(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Answer an exception that left an API view (DRF's `EXCEPTION_HANDLER`)."""
    known = to_domain_error(error)
    if known is None:
        request = context.get("request")
        logger.error("unhandled error at %s", getattr(request, "path", "?"), exc_info=error)
        known = InternalError()
    response = problem_response(known)
    if isinstance(error, exceptions.MethodNotAllowed):
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)


def answer_bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django refused before a view saw it (`handler400`)."""
    if _is_api(request):
        return problem_response(to_domain_error(exception) or errors.InvalidRequest(errors=[]))
    return defaults.bad_request(request, exception)


@csrf_exempt
def answer_unknown_api(request: HttpRequest, unknown: str = "") -> HttpResponse:
    """Answer an address below `/api/` that nobody else has taken."""
    return problem_response(errors.NotFound())


def answer_server_error(request: HttpRequest) -> HttpResponse:
    """Answer an error that no view caught (`handler500`)."""
    if _is_api(request):
        return problem_response(InternalError())
    return defaults.server_error(request)
