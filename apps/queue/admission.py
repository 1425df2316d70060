"""Letting people in: strictly in order, by capacity and by a limit a minute together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db.models import BigIntegerField, Count, DateTimeField, QuerySet, Sum

from apps.core.db import lock_rows, transaction
from apps.core.prepared import Prepared, insert_row
from apps.queue import limits
from apps.queue.ending import end_by_clock
from apps.queue.estimates import is_before_opening, measure_rates
from apps.queue.line import count_line
from apps.queue.models import QueueEntry, Turn, Turnstile, WaitingRoom
from apps.queue.opening import draw_order, is_draw_due

TURNSTILE = Prepared(
    lambda room_id: Turnstile.objects.filter(pk=room_id), room_id=BigIntegerField()
)
ROOM = Prepared(lambda room_id: WaitingRoom.objects.filter(pk=room_id), room_id=BigIntegerField())
OVERDUE_INSIDE = Prepared(
    lambda room_id, silent_since, now: QueueEntry.objects.overdue_inside(
        room_id, silent_since=silent_since, now=now
    ),
    room_id=BigIntegerField(),
    silent_since=DateTimeField(),
    now=DateTimeField(),
)
INSIDE = Prepared(
    lambda room_id: (
        QueueEntry.objects.filter(room_id=room_id, state=QueueEntry.State.ADMITTED)
        .values("room_id")
        .annotate(count=Count("pk"))
        .values_list("count", flat=True)
    ),
    room_id=BigIntegerField(),
)
FIRST_WAITING = Prepared(
    lambda room_id: (
        QueueEntry.objects.filter(room_id=room_id, state=QueueEntry.State.WAITING)
        .order_by("place")
        .values_list("pk", flat=True)[:1]
    ),
    room_id=BigIntegerField(),
)
# So many sizes of what enters together are kept.
HEADS_MAX = 16


def lock_turnstile(room_id: int, *, skip_locked: bool) -> Turnstile | None:
    """Lock a room's turnstile and return it with the room. None where somebody else has it and is not
    waited for."""
    turnstile = next(iter(lock_rows(TURNSTILE, skip_locked=skip_locked, room_id=room_id)), None)
    if turnstile is not None:
        # Only now: staff may have changed the room while the lock was waited for.
        turnstile.room = ROOM.fetch(room_id=room_id)[0]
    return turnstile


@dataclass(frozen=True, kw_only=True)
class LetIn:
    """How many entered, and how many sessions had ended since the turn before."""

    entered: int
    finished: int


def fill_freed_place(room_id: int, *, now: datetime) -> None:
    """Let the next in line in, somebody's place inside being free. Where nobody waits it stays free, and
    the next look at the room counts it."""
    if FIRST_WAITING.fetch(room_id=room_id):
        fill_free_places(room_id, now=now)


def fill_free_places(room_id: int, *, now: datetime, wait: bool = False) -> int:
    """Let the next in line in where there are free places; return how many.

    The places of those inside whom the clock has put out are free after the next look at the room. While
    somebody else is at it, wait for them, or leave it to them and return 0.
    """
    with transaction():
        turnstile = lock_turnstile(room_id, skip_locked=not wait)
        if turnstile is None:
            return 0
        flow = let_in(turnstile, now=now)
        waiting = turnstile.waiting - flow.entered
        record_turn(turnstile, flow, waiting=waiting, gave_up=0, now=now)
        turnstile.save()
        return flow.entered


def look_after(room_id: int, *, now: datetime, in_call: bool = False) -> int:
    """Do all that is due in a room: draw its order, let the next in, count the line, measure its pace.

    In a customer's call a long lobby is left to beat, unless beat is late. Return how many entered, 0
    while somebody else is at it.
    """
    with transaction():
        turnstile = lock_turnstile(room_id, skip_locked=True)
        if turnstile is None:
            return 0
        long = in_call and turnstile.waiting > limits.DRAW_IN_CALL_MAX
        patience = timedelta(seconds=limits.DRAW_PATIENCE_S if long else 0)
        if is_draw_due(turnstile, now=now - patience):
            draw_order(turnstile, now=now)
        end_overdue_inside(turnstile.room, now=now)
        flow = let_in(turnstile, now=now)
        tally(turnstile, flow, now=now)
        measure_pace(turnstile, now=now)
        turnstile.counted_at = now
        turnstile.save()
        return flow.entered


def count_room(room_id: int, *, now: datetime) -> None:
    """Count a room's line and let nobody in; leave it to somebody else who is at it."""
    with transaction():
        turnstile = lock_turnstile(room_id, skip_locked=True)
        if turnstile is not None:
            tally(turnstile, LetIn(entered=0, finished=0), now=now)
            turnstile.save()


def tally(turnstile: Turnstile, flow: LetIn, *, now: datetime) -> None:
    """Count the line after these have entered, and write down what has happened. The caller has locked
    the turnstile, and saves it."""
    waited = turnstile.waiting - turnstile.last_number
    waiting = count_line(turnstile)
    gave_up = max(waited + turnstile.last_number - flow.entered - waiting, 0)
    record_turn(turnstile, flow, waiting=waiting, gave_up=gave_up, now=now)


def end_overdue_inside(room: WaitingRoom, *, now: datetime) -> None:
    """End those inside whom the clock has put out, so that their places are free. The caller has locked
    the turnstile."""
    overdue = lock_rows(
        OVERDUE_INSIDE, room_id=room.pk, silent_since=room.silent_since(now), now=now
    )
    end_by_clock(room, overdue, now=now)


def let_in(turnstile: Turnstile, *, now: datetime) -> LetIn:
    """Let in as many as the room has places and its rate allows, in order.

    The caller has locked the turnstile, since two admitters would each see the same free places, and
    saves it. Whoever is passed over is ended here and now: a call of theirs that is on its way must not
    bring them back behind those who took their turn.
    """
    room = turnstile.room
    inside = sum(INSIDE.fetch(room_id=room.pk))
    free = count_free_places(room, inside=inside, now=now)
    entered = 0
    batch = free
    for _batch in range(limits.ADMISSION_BATCHES_MAX):
        if entered == free:
            break
        head = lock_head(room, batch)
        silent = [entry for entry in head if entry.last_seen_at <= room.silent_since(now)]
        end_by_clock(room, silent, now=now)
        passed_over = {entry.pk for entry in silent}
        next_in = [entry for entry in head if entry.pk not in passed_over][: free - entered]
        entered += enter(turnstile, next_in, now=now)
        if not head:
            break
        if silent:
            # They are rare at the head, and then there are a lot of them.
            batch = max(free, limits.SWEEP_BATCH)
    finished = max(turnstile.admitted - inside, 0)
    turnstile.admitted = inside + entered
    turnstile.free_places = free - entered
    turnstile.entered += entered
    return LetIn(entered=entered, finished=finished)


def lock_head(room: WaitingRoom, count: int) -> list[QueueEntry]:
    """Lock the first `count` in line and return them in order; fewer where some have just left."""
    head = lock_rows(head_of(count), room_id=room.pk)
    return sorted(head, key=lambda entry: entry.place)


@lru_cache(HEADS_MAX)
def head_of(count: int) -> Prepared[QueueEntry]:
    """Return the query of the first `count` in a room's line."""

    def head(room_id: Any) -> QuerySet[QueueEntry]:
        line = QueueEntry.objects.filter(room_id=room_id, state=QueueEntry.State.WAITING)
        first = line.order_by("place").values("pk")[:count]
        return line.select_related("presence").filter(pk__in=first)

    return Prepared(head, room_id=BigIntegerField())


def enter(turnstile: Turnstile, entries: Sequence[QueueEntry], *, now: datetime) -> int:
    """Let these entries in, which the caller has locked; return how many."""
    if not entries:
        return 0
    room = turnstile.room
    turnstile.turn += 1
    turnstile.now_serving = max(entries[-1].place, turnstile.now_serving)
    return QueueEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(
        state=QueueEntry.State.ADMITTED,
        admitted_at=now,
        admitted_turn=turnstile.turn,
        session_expires_at=now + timedelta(seconds=room.session_seconds),
    )


def count_free_places(room: WaitingRoom, *, inside: int, now: datetime) -> int:
    """Return how many may enter now, by capacity and by the entries of the last minute; none where
    the room lets nobody in or is still to open. The caller has locked the turnstile."""
    if not room.lets_in or is_before_opening(room):
        return 0
    free = room.capacity - inside
    if room.admit_per_minute:
        last_minute = Turn.objects.filter(room=room, at__gt=now - timedelta(minutes=1))
        entered = last_minute.aggregate(sum=Sum("entered", default=0))["sum"]
        free = min(free, room.admit_per_minute - entered)
    return max(free, 0)


def record_turn(
    turnstile: Turnstile, flow: LetIn, *, waiting: int, gave_up: int, now: datetime
) -> None:
    """Write down what has happened since the turn before, where anything has, and in any case every
    `SAMPLE_S` seconds while somebody is there. The caller has locked the turnstile, and saves it."""
    since_s = (now - (turnstile.sampled_at or now)).total_seconds()
    elapsed_s = min(max(since_s, 0), limits.RATE_WINDOW_S)
    inside_before = turnstile.admitted - flow.entered + flow.finished
    happened = flow.entered or flow.finished or waiting != turnstile.waiting
    if happened or (elapsed_s >= limits.SAMPLE_S and (waiting or turnstile.admitted)):
        turn = Turn(
            room=turnstile.room,
            turn=turnstile.turn,
            at=now,
            entered=flow.entered,
            finished=flow.finished,
            gave_up=gave_up,
            waiting=max(waiting, 0),
            admitted=turnstile.admitted,
            capacity=turnstile.room.capacity,
            waiting_s=turnstile.people_waiting * elapsed_s,
            inside_s=inside_before * elapsed_s,
        )
        insert_row(turn)
        # The clocks of calls differ a little, and no time may be counted twice; but one that was far
        # ahead must not keep all others waiting.
        if not turnstile.sampled_at or not -limits.SAMPLE_S <= since_s <= 0:
            turnstile.sampled_at = now
    turnstile.waiting = waiting


def measure_pace(turnstile: Turnstile, *, now: datetime) -> None:
    """Measure the room's pace over the last `RATE_WINDOW_S` seconds."""
    window = Turn.objects.filter(
        room=turnstile.room, at__gt=now - timedelta(seconds=limits.RATE_WINDOW_S)
    )
    measure_rates(
        turnstile,
        **window.aggregate(
            finished=Sum("finished", default=0),
            inside_s=Sum("inside_s", default=0.0),
            gave_up=Sum("gave_up", default=0),
            waiting_s=Sum("waiting_s", default=0.0),
        ),
    )
