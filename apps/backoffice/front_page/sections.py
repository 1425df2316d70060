"""The parts of the front page: who may see each, and what it shows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest

from apps.backoffice.front_page.limits import FRESH_S, STALE_S
from apps.backoffice.front_page.rooms import read_rooms
from apps.backoffice.front_page.sales import read_concerts, read_lapses, read_money
from apps.backoffice.front_page.watch import read_guard, read_work


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part. Its figures are the same for everybody who may see them, in every language."""

    name: str
    permissions: tuple[str, ...]
    read: Callable[[datetime], dict[str, Any]]


CONCERTS = ("concerts.view_concert", "concerts.change_concert")
SECTIONS = (
    Section(name="concerts", permissions=CONCERTS, read=read_concerts),
    Section(
        name="rooms",
        permissions=("queue.view_waitingroom", "queue.change_waitingroom"),
        read=read_rooms,
    ),
    Section(
        name="money",
        permissions=("payments.view_payment", "payments.change_payment"),
        read=read_money,
    ),
    Section(name="lapses", permissions=CONCERTS, read=read_lapses),
    Section(name="guard", permissions=("core.view_integrityfinding",), read=read_guard),
    Section(name="work", permissions=("core.view_integrityfinding",), read=read_work),
)


def read_sections(request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    """Return the figures that this member of staff may see, and in `at` as of when they are."""
    seen = {
        section.name: _read(section, now=now) for section in SECTIONS if _may_see(request, section)
    }
    figures = {name: figures for name, (_at, figures) in seen.items()}
    return {**figures, "at": min((at for at, _figures in seen.values()), default=now).isoformat()}


def _may_see(request: HttpRequest, section: Section) -> bool:
    return any(request.user.has_perm(permission) for permission in section.permissions)


def _read(section: Section, *, now: datetime) -> tuple[datetime, dict[str, Any]]:
    """Return the figures and as of when they are. However many look, one computes them."""
    key = f"front_page:{section.name}"
    # Whoever is the first in this time computes; the others take what there is.
    is_first = cache.add(f"{key}:fresh", True, FRESH_S)
    kept: tuple[datetime, dict[str, Any]] | None = cache.get(key)
    if kept is not None and not is_first:
        return kept
    read = (now, section.read(now))
    cache.set(key, read, STALE_S)
    return read
