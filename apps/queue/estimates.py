"""How long until somebody's turn, and when to ask again."""

import math
import random
from datetime import datetime

from apps.queue import limits
from apps.queue.models import Turnstile, WaitingRoom


def is_before_opening(room: WaitingRoom) -> bool:
    """Say whether the room is still to open: nobody enters, and the order is not drawn."""
    return room.opens_at is not None and room.turnstile.drawn_for != room.opens_at


def estimate_wait_s(room: WaitingRoom, position: int | None, *, now: datetime) -> int | None:
    """Return the seconds until `position` enters; None while nobody is let in.

    A position of None is one that is still to be drawn: every one is as likely, and the estimate is
    that of the middle.
    """
    if not room.lets_in:
        return None
    if position is not None:
        wait_s = seconds_to_enter(room, position)
    else:
        wait_s = seconds_to_enter(room, (room.turnstile.people_waiting + 1) / 2)
    if is_before_opening(room):
        assert room.opens_at is not None
        wait_s += max((room.opens_at - now).total_seconds(), 0)
    return min(math.ceil(wait_s), limits.ESTIMATE_MAX_S)


def seconds_to_enter(room: WaitingRoom, position: float) -> float:
    """Return the seconds that those ahead of `position`, and itself, take to enter.

    First the places that are free now are filled, as fast as the limit a minute allows. Then each
    waits for somebody inside to go, at the rate seen over the last minutes. Meanwhile some ahead give
    up: with entries at a rate r and each of those waiting giving up at a rate g, p' = -r - g p.
    """
    turnstile = room.turnstile
    rate_limit = room.admit_per_minute / 60 or math.inf
    free = max(room.capacity - turnstile.admitted, 0)
    at_once = min(position, free)
    behind = position - at_once
    wait_s = at_once / rate_limit
    rate = min(places_freed_per_s(room), rate_limit)
    giving_up = turnstile.giving_up_per_s
    if giving_up * behind < rate * 1e-6:
        return wait_s + behind / rate
    return wait_s + math.log1p(giving_up * behind / rate) / giving_up


def places_freed_per_s(room: WaitingRoom) -> float:
    """Return how many places a full room frees a second: as seen lately, and at the least as many as
    sessions that all use their whole time."""
    return room.capacity * max(room.turnstile.leaving_per_s, 1 / room.session_seconds)


def measure_rates(
    turnstile: Turnstile, *, finished: int, inside_s: float, gave_up: int, waiting_s: float
) -> None:
    """Take over what happened in the window of the estimates; the caller saves the turnstile.

    Sessions that ended, for the time that people were inside: so the burst that fills an empty room,
    and a room that is half full, say the same about a full one. One session of full length is added,
    which is all that is known at first.
    """
    session_s = turnstile.room.session_seconds
    turnstile.leaving_per_s = (finished + 1) / (inside_s + session_s)
    turnstile.giving_up_per_s = gave_up / waiting_s if waiting_s else 0.0


def soonest_turn_s(room: WaitingRoom, position: int) -> float:
    """Return the seconds within which nobody at `position` can expect a turn: everybody inside would
    have to be gone after `SESSION_MIN_S`, again and again."""
    rate_limit = room.admit_per_minute / 60 or math.inf
    return position / min(room.capacity / limits.SESSION_MIN_S, rate_limit)


def poll_interval_s(
    room: WaitingRoom,
    *,
    wait_s: int | None,
    position: int | None = None,
    jitter: float | None = None,
) -> int:
    """Return after how many whole seconds to ask again; a wait of None is one that nobody can tell.

    An estimate may be too long, at first above all, when nobody has been inside yet. So nobody is sent
    away for longer than until the soonest turn: places would stay empty that are theirs already.
    `jitter` is 0 for the longest time and 1 for the shortest, by default drawn.
    """
    if jitter is None:
        jitter = random.random()  # noqa: S311  it spreads load and guards nothing
    interval_s = room.idle_seconds * limits.POLL_IDLE_FRACTION
    if wait_s is not None:
        interval_s = min(interval_s, wait_s * limits.POLL_WAIT_FRACTION)
        if position is not None:
            interval_s = min(interval_s, soonest_turn_s(room, position))
    return max(int(interval_s * (1 - jitter * limits.POLL_JITTER)), limits.POLL_MIN_S)
