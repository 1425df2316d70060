"""Conditional answers: an `ETag` of what is said, and 304 for who has it already."""

import hashlib
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
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
