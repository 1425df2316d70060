"""What the page of a room shows of its present, its last hours and its line."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext as _

from apps.accounts.customer_rows import find_customers
from apps.concerts.models import Concert
from apps.core.limits import ID_MAX
from apps.core.subjects import link_to, may_see
from apps.queue import limits
from apps.queue.admin.words import tell_duration, tell_limits, tell_number, tell_time
from apps.queue.glance import (
    HOURS,
    PAGE,
    count_last_minute,
    list_inside,
    list_live_of,
    list_waiting,
    read_history,
)
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.selectors import get_room_status

HOURS_SHOWN = 3
CONCERTS_NAMED = 5


def tell_inside(room: WaitingRoom) -> str:
    """Return how many are inside, of how many."""
    return f"{tell_number(room.turnstile.admitted)} / {tell_number(room.capacity)}"


def tell_concerts(room: WaitingRoom) -> Iterator[str]:
    """Yield which concerts it concerns."""
    titles = Concert.objects.filter(room=room.slug).order_by("-sales_open_at")
    named = list(titles.values_list("title", flat=True)[: CONCERTS_NAMED + 1])
    if named:
        more = " …" if len(named) > CONCERTS_NAMED else ""
        yield _("It concerns: %(concerts)s") % {
            "concerts": ", ".join(named[:CONCERTS_NAMED]) + more
        }


def describe_now(room: WaitingRoom, *, now: datetime) -> dict[str, Any]:
    """Return how a room is that was read with its turnstile, in words."""
    return {
        "state": room.state,
        "figures": _tell_figures(room, now=now),
        "alarm": _tell_alarm(room, now=now),
    }


def describe_history(
    room: WaitingRoom, *, now: datetime, hours: int, since: int | None
) -> dict[str, Any]:
    """Return how a room has been, in numbers; `since` as `read_history` has it."""
    history = read_history(room, hours=hours, now=now, since=since)
    return {
        "first": history.first,
        "step_s": history.step_s,
        "moments": [
            [
                moment.since,
                moment.waiting,
                moment.inside,
                moment.capacity,
                round(moment.entered_per_minute, 1),
            ]
            for moment in history.moments
        ],
    }


def _tell_figures(room: WaitingRoom, *, now: datetime) -> dict[str, str]:
    wait_s = get_room_status(room, now=now).estimated_wait_seconds
    return {
        "state": str(room.get_state_display()),
        "waiting": tell_number(room.turnstile.people_waiting),
        "inside": tell_inside(room),
        "entered": tell_number(count_last_minute(room, now=now)),
        "wait": _("unknown") if wait_s is None else tell_duration(wait_s),
        "served": tell_number(room.turnstile.now_serving),
    }


def _tell_alarm(room: WaitingRoom, *, now: datetime) -> str:
    """Return what is wrong with the numbers; nothing where they are fresh."""
    at = room.turnstile.counted_at
    if at is None:
        return ""
    if abs((now - at).total_seconds()) <= limits.SWEEP_COUNT_OVERDUE_S * 2:
        return ""
    told = _("Last counted at %(time)s: is the scheduled work running?")
    return told % {"time": tell_time(at)}


def read_span(query: Mapping[str, str]) -> dict[str, Any]:
    """Return which hours are asked for, and from when on; what makes no sense is as if not said."""
    hours, since = _read_number(query, "hours"), _read_number(query, "since")
    return {"hours": hours if hours in HOURS else HOURS_SHOWN, "since": since}


def _read_number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    # No id or place has more digits.
    if text.isascii() and text.isdigit() and len(text) < len(str(ID_MAX)):
        return int(text)
    return None


def describe_page(request: HttpRequest, room: WaitingRoom, *, now: datetime) -> dict[str, Any]:
    """Return what the page of a room shows beside its form."""
    texts = {
        "waiting": _("Waiting"),
        "inside": _("Inside"),
        "capacity": _("Capacity"),
        "entered": _("Entries a minute"),
        "stale": _("Not refreshed: the server does not answer. It is tried again."),
        "time_zone": get_current_timezone_name(),
    }
    page = {
        "room_now": describe_now(room, now=now),
        "room_texts": texts,
        "room_limits": list(tell_limits(room)),
        "room_concerts": list(tell_concerts(room)),
        "room_hours": [(hours, hours == HOURS_SHOWN) for hours in HOURS],
        "room_url": reverse("admin:queue_waitingroom_now", args=[room.pk]),
    }
    if may_see(request, "queue.queueentry"):
        page |= _describe_line(request, room, now=now)
    return page


def _describe_line(request: HttpRequest, room: WaitingRoom, *, now: datetime) -> dict[str, Any]:
    """Return a look into the line: what is searched for, or a page of those who wait and of those who
    are inside."""
    email = request.GET.get("email", "").strip()
    line: dict[str, Any] = {"room_line": True, "line_email": email, "line_at": tell_time(now)}
    if email:
        found = list_live_of(room, find_customers(email))
        return line | {"line_found": [_describe(request, room, entry, now=now) for entry in found]}
    behind = {
        "waiting": _read_number(request.GET, "waiting_after") or 0,
        "inside": _read_number(request.GET, "inside_after") or 0,
    }
    waiting = list_waiting(room, after=behind["waiting"])
    inside = list_inside(room, after=behind["inside"])
    return line | {
        "line_waiting": [_describe(request, room, entry, now=now) for entry in waiting[:PAGE]],
        "line_inside": [_describe(request, room, entry, now=now) for entry in inside[:PAGE]],
        **_link_pages(behind, "waiting", [entry.place for entry in waiting]),
        **_link_pages(behind, "inside", [entry.pk for entry in inside]),
    }


def _link_pages(behind: Mapping[str, int], name: str, keys: Sequence[int]) -> dict[str, str]:
    """Return the addresses of a list's beginning and of its next page, where there are any."""

    def link(**changed: int) -> str:
        moved = {f"{part}_after": key for part, key in {**behind, **changed}.items() if key}
        return f"?{urlencode(moved)}#{name}"

    links = {}
    if behind[name]:
        links[f"{name}_first"] = link(**{name: 0})
    if len(keys) > PAGE:
        links[f"{name}_next"] = link(**{name: keys[PAGE - 1]})
    return links


def _describe(
    request: HttpRequest, room: WaitingRoom, entry: QueueEntry, *, now: datetime
) -> dict[str, Any]:
    """Return a row of the line."""
    # So that what the clock has ended need not ask for the room of each.
    entry.room = room
    has_ended = entry.ended_by_clock(now) is not None
    may_remove = request.user.has_perm("queue.remove_queueentry") and not has_ended
    remove = reverse("admin:queue_queueentry_remove", args=[entry.pk]) if may_remove else None
    return {
        "place": entry.place,
        "number": link_to(request, "queue.queueentry", entry.pk, entry.number),
        "customer": link_to(request, "accounts.user", entry.customer_id, entry.customer),
        "name": str(entry.customer),
        "state": entry.get_state_display(),
        "joined_at": tell_time(entry.joined_at),
        "last_call_s": tell_duration(max((now - entry.last_seen_at).total_seconds(), 0)),
        "session_ends": _tell_end(entry, now=now),
        "has_ended": has_ended,
        "remove": remove,
    }


def _tell_end(entry: QueueEntry, *, now: datetime) -> str:
    if entry.session_expires_at is None:
        return "–"
    left_s = (entry.session_expires_at - now).total_seconds()
    return _("in %(time)s") % {"time": tell_duration(left_s)} if left_s > 0 else _("over")
