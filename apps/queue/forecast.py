"""What a room's limits will do to its line: how many enter a minute, and when those who wait are in.

Shown before staff change a limit. It goes by what `estimates` has seen: people inside leave at a rate,
people waiting give up at a rate. Nobody knows who will join; whoever does stands behind.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from apps.queue import limits
from apps.queue.estimates import is_before_opening
from apps.queue.models import Turn, WaitingRoom


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The people of a room at one moment. `leaving_per_s` is of each person inside, and None where
    nobody has been seen to leave lately; `giving_up_per_s` is of each who waits."""

    waiting: int
    inside: int
    leaving_per_s: float | None
    giving_up_per_s: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What staff decide; `admit_per_minute` 0 is no limit."""

    lets_in: bool
    capacity: int
    admit_per_minute: int
    session_s: int
    opens_in_s: float = 0.0

    @property
    def entries_per_s_max(self) -> float:
        """The limit a minute, by the second."""
        return self.admit_per_minute / 60 or math.inf


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What will be. Not `known`: nobody has been seen to leave, and the numbers are those of sessions
    that all use their whole time: no fewer enter, and it takes no longer.

    Nobody enters for `starts_after_s`; then so many enter in the `first_minute`, and `per_minute`
    afterwards; those who wait now are in, or have given up, after `line_empty_after_s`. All three are
    None while nobody is let in.
    """

    known: bool
    starts_after_s: float | None
    first_minute: float | None
    per_minute: float | None
    line_empty_after_s: float | None


NOBODY_ENTERS = Forecast(
    known=True, starts_after_s=None, first_minute=None, per_minute=None, line_empty_after_s=None
)


def read_flow(room: WaitingRoom, *, now: datetime) -> Flow:
    """Return what is known of the people of a room that was read with its turnstile."""
    window = Turn.objects.filter(room=room, at__gt=now - timedelta(seconds=limits.RATE_WINDOW_S))
    somebody_left = window.aggregate(finished=Sum("finished", default=0))["finished"] > 0
    turnstile = room.turnstile
    return Flow(
        waiting=turnstile.people_waiting,
        inside=turnstile.admitted,
        leaving_per_s=turnstile.leaving_per_s if somebody_left else None,
        giving_up_per_s=turnstile.giving_up_per_s,
    )


def limits_of(room: WaitingRoom, *, now: datetime) -> Limits:
    """Return the limits of a room with its turnstile, saved or as staff would have it."""
    opens_in_s = 0.0
    if is_before_opening(room):
        assert room.opens_at is not None
        opens_in_s = max((room.opens_at - now).total_seconds(), 0.0)
    return Limits(
        lets_in=room.lets_in,
        capacity=room.capacity,
        admit_per_minute=room.admit_per_minute,
        session_s=room.session_seconds,
        opens_in_s=opens_in_s,
    )


def forecast(flow: Flow, room: Limits) -> Forecast:
    """Return what a room with these limits will do with these people."""
    if not room.lets_in:
        return NOBODY_ENTERS
    leaving = max(flow.leaving_per_s or 0.0, 1 / room.session_s)
    giving_up = flow.giving_up_per_s
    starts_after_s, inside = _wait_for_places(flow, room, leaving=leaving)
    waiting = _left_waiting(flow.waiting, 0.0, giving_up, starts_after_s)

    # Places that are free already are filled as fast as the limit allows, and then each waits for
    # somebody to go.
    fast, steady = room.entries_per_s_max, min(leaving * room.capacity, room.entries_per_s_max)
    at_once, fill_s = _fill(inside, room, leaving=leaving)
    behind = max(waiting - at_once, 0.0)
    served_s = _seconds_to_serve(behind, fast, giving_up)
    if served_s >= fill_s:
        behind = _left_waiting(behind, fast, giving_up, fill_s)
        served_s = fill_s + _seconds_to_serve(behind, steady, giving_up)

    minute_s = min(served_s, 60.0)
    first_minute = min(waiting, at_once) + steady * max(minute_s - fill_s, 0.0)
    if fill_s:
        first_minute += fast * min(minute_s, fill_s)
    return Forecast(
        known=flow.leaving_per_s is not None or _needs_nobody_to_leave(flow, room),
        starts_after_s=starts_after_s,
        first_minute=min(first_minute, waiting),
        per_minute=steady * 60,
        line_empty_after_s=starts_after_s + served_s if flow.waiting else 0.0,
    )


def _needs_nobody_to_leave(flow: Flow, room: Limits) -> bool:
    """Say whether the forecast is the same however fast people inside leave."""
    if flow.inside > room.capacity:
        return False
    all_fit = flow.waiting <= room.capacity - flow.inside
    return all_fit or room.entries_per_s_max <= room.capacity / room.session_s


def _wait_for_places(flow: Flow, room: Limits, *, leaving: float) -> tuple[float, float]:
    """Return the seconds for which nobody enters, because the room is still to open or holds more than
    it may, and how many are inside then."""
    inside = flow.inside * math.exp(-leaving * room.opens_in_s)
    if inside <= room.capacity:
        return room.opens_in_s, inside
    # Those inside leave one after the other, and the last of them when their session is over.
    emptying_s = min(math.log(inside / room.capacity) / leaving, room.session_s)
    return room.opens_in_s + emptying_s, room.capacity


def _fill(inside: float, room: Limits, *, leaving: float) -> tuple[float, float]:
    """Return how many fill the free places at once, and for how many seconds entries go on as fast as
    the limit a minute allows before the room is full."""
    if math.isinf(room.entries_per_s_max):
        return room.capacity - inside, 0.0
    # Entries at a rate r while each of n inside leaves at a rate l: n' = r - l n, which tends to r / l.
    balance = room.entries_per_s_max / leaving
    if balance <= room.capacity:
        return 0.0, math.inf
    return 0.0, math.log((balance - inside) / (balance - room.capacity)) / leaving


def _seconds_to_serve(waiting: float, rate: float, giving_up: float) -> float:
    """Return the seconds until nobody is left of those who enter at a rate, and give up at a rate
    each: w' = -r - g w."""
    if waiting == 0:
        return 0.0
    if giving_up * waiting < rate * 1e-6:
        return waiting / rate
    return math.log1p(giving_up * waiting / rate) / giving_up


def _left_waiting(waiting: float, rate: float, giving_up: float, seconds: float) -> float:
    """Return how many of them are left after so many seconds."""
    if seconds == 0:
        return waiting
    if giving_up * seconds < 1e-9:
        return max(waiting - rate * seconds, 0.0)
    decayed = math.exp(-giving_up * seconds)
    return max(waiting * decayed - rate * (1 - decayed) / giving_up, 0.0)
