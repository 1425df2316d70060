"""What staff decide about a line: a room's state and limits, and who is taken out. Each with a reason, in
the record of the same commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from django.core.exceptions import ValidationError
from django.db.models import Field, QuerySet
from django.db.transaction import on_commit
from django.utils.translation import gettext_lazy as _

from apps.core.audit import Actor, clean_reason, record_action
from apps.core.db import lock_row, lock_rows, transaction
from apps.core.errors import InvalidRequest
from apps.queue.admission import look_after
from apps.queue.errors import NotInLine, RoomChanged, RoomNotFound
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.transitions import end_entry


class RoomChanges(TypedDict, total=False):
    """What can be steered of a room, times in seconds; what is left out stays."""

    state: str
    capacity: int
    admit_per_minute: int
    session_seconds: int
    idle_seconds: int
    opens_at: datetime | None


STEERED = tuple(RoomChanges.__annotations__)


@dataclass(frozen=True, kw_only=True)
class Steering:
    """What was changed of a room, from what to what; nothing where it was so already."""

    room: WaitingRoom
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def steer_room(
    *,
    room_id: int,
    changes: RoomChanges,
    actor: Actor,
    reason: str,
    now: datetime,
    seen: RoomChanges | None = None,
) -> Steering:
    """Change a room's state or limits from now on, and let the next in by them at once.

    `seen` is what the actor was shown: where that has been changed meanwhile, nothing is written. The
    lock is on the room's row alone, which joins, polls and admissions read without waiting for it.
    Raise `RoomNotFound`, `RoomChanged` and `InvalidRequest`.
    """
    clean_reason(reason)
    with transaction():
        room = lock_row(WaitingRoom.objects.filter(pk=room_id))
        if room is None:
            raise RoomNotFound
        wanted: dict[str, Any] = {**changes}
        require_as_seen(room, seen=seen or {}, wanted=wanted)
        after = {name: value for name, value in wanted.items() if getattr(room, name) != value}
        before = {name: getattr(room, name) for name in after}
        if after:
            check_changes(room, after, now=now)
            for name, value in after.items():
                setattr(room, name, value)
            room.save(update_fields=list(after))
            record_action(
                actor=actor,
                action="steer_room",
                subject=room,
                reason=reason,
                before=before,
                after=after,
                now=now,
            )
            on_commit(lambda: look_after(room.pk, now=now, in_call=True), robust=True)
        return Steering(room=room, before=before, after=after)


def require_as_seen(
    room: WaitingRoom, *, seen: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise `RoomChanged` where the room is neither as the actor saw it nor as they want it."""
    for name, value in seen.items():
        if getattr(room, name) not in (value, wanted.get(name, value)):
            raise RoomChanged


def check_changes(room: WaitingRoom, changes: Mapping[str, Any], *, now: datetime) -> None:
    """Raise `InvalidRequest`, naming each change that cannot be."""
    errors: list[dict[str, Any]] = []
    for name, value in changes.items():
        try:
            field_of(name).clean(value, room)
        except ValidationError as error:
            code = error.error_list[0].code
            errors.append({"field": name, "code": code, "detail": error.messages[0]})
    opens_at = changes.get("opens_at")
    if opens_at is not None and opens_at <= now:
        # Those who came before it would be put in random order at once, though nobody told them.
        detail = _("The opening must be still to come.")
        errors.append({"field": "opens_at", "code": "past", "detail": detail})
    if errors:
        raise InvalidRequest(errors=errors)


def field_of(name: str) -> Field:
    """Return the field of a room that is steered by this name."""
    field = WaitingRoom._meta.get_field(name)
    assert isinstance(field, Field)
    return field


def remove_from_queue(*, entry_id: int, actor: Actor, reason: str, now: datetime) -> QueueEntry:
    """Take somebody out of the line, or out of the room; their token ends. Raise `NotInLine`.

    What they hold stays theirs until its deadline, and they may join again, at the end.
    """
    entries = QueueEntry.objects.filter(pk=entry_id)
    return _remove(entries, actor=actor, reason=reason, now=now)[0]


def remove_customer(
    *, customer_id: int, actor: Actor, reason: str, now: datetime, room_slug: str | None = None
) -> list[QueueEntry]:
    """Take a customer out of every room and line, or out of one, as `remove_from_queue` does."""
    entries = QueueEntry.objects.filter(customer_id=customer_id)
    if room_slug is not None:
        entries = entries.filter(room__slug=room_slug)
    return _remove(entries, actor=actor, reason=reason, now=now)


def _remove(
    entries: QuerySet[QueueEntry], *, actor: Actor, reason: str, now: datetime
) -> list[QueueEntry]:
    live = entries.filter(state__in=QueueEntry.LIVE_STATES)
    with transaction():
        locked = lock_rows(live.select_related("room", "presence"))
        removed = [entry for entry in locked if entry.ended_by_clock(now) is None]
        if not removed:
            raise NotInLine
        for entry in removed:
            before = {
                "state": entry.state,
                "room": entry.room.slug,
                "place": entry.place,
                "customer": entry.customer_id,
            }
            end_entry(entry, reason=QueueEntry.EndReason.REMOVED, now=now)
            record_action(
                actor=actor,
                action="remove_from_queue",
                subject=entry,
                reason=reason,
                before=before,
                after={"state": entry.state, "end_reason": entry.end_reason},
                now=now,
            )
        return removed
