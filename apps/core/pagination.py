"""Cursor pages: stable while rows are added, the same cost on every page."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from apps.core.errors import InvalidRequest
from apps.core.limits import ID_MAX, PAGE_SIZE, PAGE_SIZE_MAX

# As many as an id has: the length is checked before the number is read.
DIGITS = re.compile(r"[0-9]{1,19}")


class CursorPages(CursorPagination):
    """Pages by id, newest first, `?limit=` rows each; a wrong `limit` or `cursor` is a 400."""

    page_size = PAGE_SIZE
    page_size_query_param = "limit"
    max_page_size = PAGE_SIZE_MAX
    ordering = "-id"

    def get_page_size(self, request: Request) -> int:
        """Return the asked number of rows."""
        text = request.query_params.get(self.page_size_query_param)
        if text is None:
            return PAGE_SIZE
        if not (DIGITS.fullmatch(text) and 1 <= int(text) <= PAGE_SIZE_MAX):
            raise InvalidRequest.of("limit", "invalid", _("The limit is 1 to 200."))
        return int(text)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return where the page starts."""
        try:
            cursor = super().decode_cursor(request)
        except exceptions.NotFound:
            cursor = Cursor(0, False, "?")  # type: ignore[arg-type]
        if cursor and cursor.position is not None:
            position = str(cursor.position)
            if not (DIGITS.fullmatch(position) and int(position) <= ID_MAX):
                raise InvalidRequest.of(
                    "cursor", "invalid", _("The cursor is not one of “next” or “previous”.")
                )
        return cursor

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe `?cursor=` and `?limit=` for the API schema."""
        cursor, limit = super().get_schema_operation_parameters(view)
        sizes = {"minimum": 1, "maximum": PAGE_SIZE_MAX, "default": PAGE_SIZE}
        return [cursor, {**limit, "schema": {"type": "integer", **sizes}}]

    def get_paginated_response_schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Describe the page for the API schema."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {
                "results": schema,
                "next": {**link, "description": "The next page, or null."},
                "previous": {**link, "description": "The page before, or null."},
            },
        }
