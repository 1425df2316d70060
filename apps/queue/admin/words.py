"""A room's limits and what they will do, in the words of the box office."""

import math
from collections.abc import Iterator
from copy import copy
from datetime import datetime

from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from apps.queue import limits
from apps.queue.estimates import is_before_opening
from apps.queue.forecast import Flow, Forecast, forecast, limits_of, read_flow
from apps.queue.models import WaitingRoom
from apps.queue.steering import STEERED, RoomChanges

# One line of the forecast: what it is, now, and after the change.
Row = tuple[str, str, str]

# Whoever follows the time to ask again may have been silent for so much of the idle limit: the call
# before the last one may be the one that was written down.
OBEDIENT_SILENCE = limits.PRESENCE_IDLE_FRACTION + limits.POLL_IDLE_FRACTION


def tell_number(value: float) -> str:
    """Return a whole number in the reader's way."""
    return number_format(round(value), force_grouping=True)


def tell_duration(seconds: float) -> str:
    """Return a time in the greatest units that say enough."""
    if seconds > limits.ESTIMATE_MAX_S:
        return _("more than a day")
    whole = math.ceil(seconds)
    if whole < 120:
        return _("%(count)d s") % {"count": whole}
    minutes = math.ceil(whole / 60)
    if minutes < 120:
        return _("%(count)d min") % {"count": minutes}
    return _("%(hours)d h %(minutes)d min") % {"hours": minutes // 60, "minutes": minutes % 60}


def tell_time(at: datetime) -> str:
    """Return a moment to the second, by the clocks of the house."""
    return f"{date_format(localtime(at), 'SHORT_DATE_FORMAT')} {localtime(at):%H:%M:%S}"


def tell_limits(room: WaitingRoom) -> Iterator[tuple[str, str]]:
    """Yield the names and the values of a room's limits."""
    yield _("Capacity"), tell_number(room.capacity)
    per_minute = room.admit_per_minute
    yield _("Entries a minute"), tell_number(per_minute) if per_minute else _("no limit")
    yield _("Session"), tell_duration(room.session_seconds)
    yield _("Idle limit"), tell_duration(room.idle_seconds)
    if room.opens_at is not None:
        yield _("Opens at"), tell_time(room.opens_at)


def with_changes(room: WaitingRoom, changes: RoomChanges) -> WaitingRoom:
    """Return the room as it would be, unsaved."""
    changed = copy(room)
    for name, value in changes.items():
        assert name in STEERED, name
        setattr(changed, name, value)
    return changed


def tell_forecast(room: WaitingRoom, changes: RoomChanges, *, now: datetime) -> list[Row]:
    """Return what will be of a room that was read with its turnstile, as it is and with the changes."""
    flow = read_flow(room, now=now)
    columns = [
        _tell_one(forecast(flow, limits_of(room, now=now)), flow)
        for room in (room, with_changes(room, changes))
    ]
    labels = (
        _("The first enters"),
        _("Enter in the first minute"),
        _("Enter a minute afterwards"),
        _("All who wait now are in"),
    )
    return list(zip(labels, *columns, strict=True))


def _tell_one(told: Forecast, flow: Flow) -> tuple[str, str, str, str]:
    if told.starts_after_s is None:
        never = _("never") if flow.waiting else _("nobody waits")
        return never, tell_number(0), tell_number(0), never
    assert told.first_minute is not None
    assert told.per_minute is not None
    assert told.line_empty_after_s is not None
    first_minute, per_minute = tell_number(told.first_minute), _tell_rate(told.per_minute)
    nobody = None if flow.waiting else _("nobody waits")
    if told.known or told.starts_after_s == 0:
        starts = _in(told.starts_after_s)
    else:
        starts = _at_most(told.starts_after_s)
    if told.known:
        return starts, first_minute, per_minute, nobody or _in(told.line_empty_after_s)
    # Nobody has been seen to leave, so all that is known is how long a session may last.
    at_least = _("unknown yet; at least %(least)s")
    return (
        starts,
        at_least % {"least": first_minute},
        at_least % {"least": per_minute},
        nobody or _at_most(told.line_empty_after_s),
    )


def _at_most(seconds: float) -> str:
    return _("unknown yet; at most %(most)s") % {"most": tell_duration(seconds)}


def _in(seconds: float) -> str:
    return _("in %(time)s") % {"time": tell_duration(seconds)} if seconds >= 1 else _("at once")


def _tell_rate(per_minute: float) -> str:
    return tell_number(per_minute) if per_minute >= 1 else f"{per_minute:.2g}"


def tell_state(room: WaitingRoom, state: str) -> Iterator[str]:
    """Yield what will happen where a room is set to a state."""
    changed = with_changes(room, {"state": state})
    waiting = {"count": tell_number(room.turnstile.people_waiting)}
    if changed.takes_joins:
        yield _("Whoever comes can join the line.")
    else:
        yield _("Nobody can join the line; whoever tries is told that it is closed.")
    if not changed.lets_in:
        yield _("Nobody is let in any more. How long it takes is shown as unknown.")
        yield _("Waiting now: %(count)s. They keep their places while they keep asking.") % waiting
    elif is_before_opening(changed):
        assert room.opens_at is not None
        yield _("Nobody enters before %(time)s.") % {"time": tell_time(room.opens_at)}
    else:
        yield _("Waiting now: %(count)s. They are let in, in order, as places come free.") % waiting
    yield _("Whoever is inside stays, and can go on buying until their session is over.")


def tell_changes(room: WaitingRoom, changes: RoomChanges) -> Iterator[str]:
    """Yield what will happen by changes of a room's limits, and what to beware of."""
    inside, waiting = room.turnstile.admitted, room.turnstile.people_waiting
    capacity = changes.get("capacity", room.capacity)
    if capacity < inside:
        yield _(
            "%(inside)s are inside, more than will be allowed. Nobody is put out; nobody enters until "
            "there are fewer than %(capacity)s."
        ) % {"inside": tell_number(inside), "capacity": tell_number(capacity)}
    if changes.get("session_seconds", room.session_seconds) != room.session_seconds:
        yield _("The new length of a session is for those who enter from now on.")
    idle_s = changes.get("idle_seconds", room.idle_seconds)
    if idle_s <= room.idle_seconds * OBEDIENT_SILENCE:
        yield _(
            "Beware: those in line have been told to ask again only after up to %(told)s. With so short "
            "an idle limit some of them lose their places although they did as told."
        ) % {"told": tell_duration(room.idle_seconds * limits.POLL_IDLE_FRACTION)}
    elif idle_s < room.idle_seconds:
        yield _("Whoever has been silent for longer than the new idle limit is out at once.")
    if "opens_at" in changes and changes["opens_at"] != room.opens_at:
        yield from _tell_opening(room, changes["opens_at"], waiting=waiting)


def _tell_opening(room: WaitingRoom, opens_at: datetime | None, *, waiting: int) -> Iterator[str]:
    if opens_at is None:
        if is_before_opening(room):
            yield _("The room opens at once. Nobody is drawn: they enter in the order they came.")
        return
    yield _("Nobody enters before %(time)s; those inside stay.") % {"time": tell_time(opens_at)}
    yield _("At that moment all who wait without a drawn place are put in random order.")
    if waiting and not is_before_opening(room):
        yield _(
            "Beware: %(count)s wait already, and know their places. Those whose places were not drawn "
            "lose their order."
        ) % {"count": tell_number(waiting)}
