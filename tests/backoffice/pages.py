"""Every address of the admin, as it is registered now."""

import re
from collections.abc import Iterator

from django.contrib import admin
from django.urls import URLPattern, URLResolver

# Served to whoever has not signed in wholly: the sign-in itself, and what stands before its second step.
BEFORE = {"login", "two_step", "two_step_leave", "two_step_set_up"}
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def list_patterns() -> Iterator[tuple[str, str]]:
    """Yield the name and the route of each pattern: `concerts_concert_change`, `/admin/…/<path:object_id>/…`."""
    yield from _walk(admin.site.get_urls(), "/admin/")


def list_pages() -> list[str]:
    """Return an address of each pattern that is served only to staff who have signed in wholly."""
    return [
        PARAMETER.sub("1", route)
        for name, route in list_patterns()
        if name not in BEFORE and "(?P<" not in route
    ]


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield pattern.name or "", route
