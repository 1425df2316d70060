"""Conditional answers: an `ETag` of what is said, and 304 for who has it already."""

import hashlib
import re
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import get_conditional_response, patch_vary_headers
from rest_framework.request import Request

from apps.core.media import encode_json


def answer_unless_known(
    request: Request, answer: Any, *, cache_control: str, tagged: Any = None
) -> HttpResponse:
    """Answer 200 with `answer`, or 304 where `If-None-Match` names what `answer` says.

    `tagged` is the part of the answer that the tag stands for, where that is not all of it.
    """
    body = encode_json(answer)
    digest = hashlib.blake2b(body if tagged is None else encode_json(tagged), digest_size=16)
    etag = f'"{digest.hexdigest()}"'
    response = HttpResponse(body, content_type="application/json")
    response["ETag"] = etag
    response["Cache-Control"] = cache_control
    conditional = get_conditional_response(request._request, etag=etag, response=response)
    return conditional if conditional is not None else response


class Kept(Protocol):
    """An answer that is kept with its tag, and may be had packed."""

    etag: str

    @property
    def plain(self) -> bytes:
        """The answer as it is."""

    @property
    def packed(self) -> bytes | None:
        """The answer by gzip, None where that gains nothing."""


def answer_kept(request: Request, kept: Kept, *, cache_control: str) -> HttpResponse:
    """Answer 200 with what is kept, packed for who takes it so, or 304 where `If-None-Match` names it.

    Its tag has to be a weak one, since it stands for both forms. Nothing in it may be any customer's own:
    who can have their words put beside a secret and packed with it finds it out by the length.
    """
    http = request._request
    response: HttpResponse | None
    if http.META.get("HTTP_IF_NONE_MATCH") == kept.etag and "HTTP_IF_MATCH" not in http.META:
        response = HttpResponseNotModified()  # nearly always so; the rules in full take 15 µs
    else:
        response = get_conditional_response(http, etag=kept.etag)
    if response is None:
        packed = kept.packed if takes_gzip(http) else None
        response = HttpResponse(packed or kept.plain, content_type="application/json")
        if packed:
            response["Content-Encoding"] = "gzip"
    response["ETag"] = kept.etag
    response["Cache-Control"] = cache_control
    patch_vary_headers(response, ("Accept-Encoding",))
    return response


# By its name, and not with a weight of nought.
_GZIP = re.compile(
    r"(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)", re.IGNORECASE
)


def takes_gzip(request: HttpRequest) -> bool:
    """Say whether the client has asked for gzip."""
    accepted = request.META.get("HTTP_ACCEPT_ENCODING", "")
    return _GZIP.search(accepted) is not None
