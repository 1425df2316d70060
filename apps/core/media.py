"""JSON in and out. Broken, foreign or oversized bodies become a precise 4xx before a view sees them."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.functional import Promise
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer


def _encode_other(value: Any) -> Any:
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def encode_json(value: Any) -> bytes:
    """Return `value` as UTF-8 JSON, times as RFC 3339 in UTC with a `Z`."""
    return orjson.dumps(
        value,
        default=_encode_other,
        option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS,
    )


class JsonRenderer(BaseRenderer):
    """Renders answers with orjson."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; no body at all for None."""
        return b"" if data is None else encode_json(data)


class JsonNegotiation(DefaultContentNegotiation):
    """Answers JSON to everybody: there is nothing to choose, and nothing to refuse."""

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the one renderer."""
        return renderers[0], renderers[0].media_type


class JsonParser(BaseParser):
    """Parses one JSON object. Raise `ParseError` on anything else, `RequestDataTooBig` on an oversized body."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the object; an empty body is an empty object."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise RequestDataTooBig
        if not body.strip():
            return {}
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(str(error)) from error
        if not isinstance(value, dict):
            raise ParseError("not a JSON object")
        return value
