"""Steps on queue entries and rooms that the caller has locked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import (
    Case,
    Count,
    DateTimeField,
    ExpressionWrapper,
    F,
    Min,
    Q,
    Value,
    When,
)
from django.db.models.functions import Least

from apps.concerts.models import Concert
from apps.core.db import lock_row, lock_rows
from apps.queue import limits
from apps.queue.errors import (
    QueueNotAdmitted,
    QueueTokenExpired,
    QueueTokenInvalid,
    WrongWaitingRoom,
)
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.selectors import get_line_status


def require_live(entry: QueueEntry, *, now: datetime) -> None:
    """Raise `QueueTokenExpired` where the entry is out of the line, by a sweep or by the clock."""
    if entry.state == QueueEntry.State.ENDED:
        raise QueueTokenExpired(reason=entry.end_reason)
    if end := entry.ended_by_clock(now):
        raise QueueTokenExpired(reason=end[1].value)


def require_admitted(entry: QueueEntry, *, now: datetime) -> None:
    """Raise `QueueTokenExpired` or `QueueNotAdmitted` unless the entry is inside."""
    require_live(entry, now=now)
    if entry.state != QueueEntry.State.ADMITTED:
        status = get_line_status(entry, now=now)
        raise QueueNotAdmitted(
            position=status.position,
            estimated_wait_seconds=status.estimated_wait_seconds,
            poll_after_seconds=status.poll_after_seconds,
        )


def require_room_of(entry: QueueEntry, concert: Concert) -> None:
    """Raise `WrongWaitingRoom` unless the entry's room is the concert's."""
    if entry.room.slug != concert.room:
        raise WrongWaitingRoom(room=concert.room)


def lock_entry(entry_id: int) -> QueueEntry:
    """Lock an entry and return it with its room. Raise `QueueTokenInvalid` where it is gone."""
    entry = lock_row(QueueEntry.objects.select_related("room").filter(pk=entry_id))
    if entry is None:
        raise QueueTokenInvalid
    return entry


def lock_admitted_entry(entry_id: int, *, now: datetime) -> QueueEntry:
    """Lock the caller's entry, so that one customer's requests in a room follow one another.

    Raise `QueueTokenExpired` and `QueueNotAdmitted`. The caller holds a transaction and no other row.
    """
    entry = lock_entry(entry_id)
    require_admitted(entry, now=now)
    return entry


def end_entry(entry: QueueEntry, *, reason: QueueEntry.EndReason, now: datetime) -> None:
    """End a live entry that the caller has locked; where the clock was first, its reason stands."""
    ended_at, end_reason = entry.ended_by_clock(now) or (now, reason)
    entry.state = QueueEntry.State.ENDED
    entry.ended_at = ended_at
    entry.end_reason = end_reason
    entry.save(update_fields=["state", "ended_at", "end_reason"])


def end_by_clock(room: WaitingRoom, entry_ids: Collection[int]) -> int:
    """Write down that the clock has ended these entries of the room, which the caller has locked:
    when, and by which of their limits. Return how many."""
    idle_at = ExpressionWrapper(
        F("last_seen_at") + timedelta(seconds=room.idle_seconds), output_field=DateTimeField()
    )
    return QueueEntry.objects.filter(pk__in=entry_ids).update(
        state=QueueEntry.State.ENDED,
        ended_at=Least(idle_at, F("session_expires_at")),
        end_reason=Case(
            When(Q(session_expires_at__lt=idle_at), then=Value(QueueEntry.EndReason.SESSION_OVER)),
            default=Value(QueueEntry.EndReason.IDLE),
        ),
    )


def admit_next(room: WaitingRoom, *, now: datetime) -> int:
    """Let in as many as the room has places and its rate allows, in order; return how many.

    The caller has locked the room: two admitters would each see the same free places. Whoever is
    passed over, or whose place is given away, is ended here and now: a call of theirs that is on its
    way must not bring them back beside, or behind, those who took their turn.
    """
    if not room.lets_in:
        return 0
    free = count_free_places(room, now=now)
    admitted = 0
    batch = free
    for _batch in range(limits.ADMISSION_BATCHES_MAX):
        if admitted == free:
            break
        head = lock_rows(
            QueueEntry.objects.filter(room=room, state=QueueEntry.State.WAITING), limit=batch
        )
        silent = {entry.pk for entry in head if entry.last_seen_at <= room.silent_since(now)}
        end_by_clock(room, silent)
        next_in = [entry for entry in head if entry.pk not in silent][: free - admitted]
        admitted += enter(room, next_in, now=now)
        if len(head) < batch:
            break
        # Many silent people at the head are rare, and then there are a lot of them.
        batch = max(free, limits.SWEEP_BATCH)
    return admitted


def enter(room: WaitingRoom, entries: Sequence[QueueEntry], *, now: datetime) -> int:
    """Let these entries in, which the caller has locked; return how many."""
    if not entries:
        return 0
    QueueEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(
        state=QueueEntry.State.ADMITTED,
        admitted_at=now,
        session_expires_at=now + timedelta(seconds=room.session_seconds),
    )
    room.now_serving = entries[-1].number
    room.save(update_fields=["now_serving"])
    return len(entries)


def count_free_places(room: WaitingRoom, *, now: datetime) -> int:
    """Return how many may enter now, by capacity and by the entries of the last minute.

    Ends those inside whom the clock has put out. The caller has locked the room.
    """
    inside = QueueEntry.objects.filter(room=room, state=QueueEntry.State.ADMITTED)
    over = QueueEntry.objects.overdue(room, now).filter(state=QueueEntry.State.ADMITTED)
    end_by_clock(room, [entry.pk for entry in lock_rows(over.only("pk"))])
    free = room.capacity - inside.count()
    if room.admit_per_minute:
        last_minute = QueueEntry.objects.filter(
            room=room, admitted_at__gt=now - timedelta(minutes=1)
        ).count()
        free = min(free, room.admit_per_minute - last_minute)
    return max(free, 0)


def measure_admissions_per_second(room: WaitingRoom, *, now: datetime) -> float:
    """Return the rate of admission over the last `RATE_WINDOW_S` seconds, 0 where nobody entered."""
    window_start = now - timedelta(seconds=limits.RATE_WINDOW_S)
    entered = QueueEntry.objects.filter(room=room, admitted_at__gt=window_start)
    seen = entered.aggregate(count=Count("pk"), first_at=Min("admitted_at"))
    if not seen["count"]:
        return 0.0
    elapsed_s = max((now - seen["first_at"]).total_seconds(), limits.RATE_WINDOW_MIN_S)
    return float(seen["count"] / elapsed_s)


def save_room(*, slug: str, name: str, room_limits: Mapping[str, int]) -> str:
    """Make a room, or change the limits of the one that exists; its state and its line stay.

    A new room has the settings' limits where none are given, and only a new one takes `name`. The
    caller holds a transaction and no lock of the ranks below a room. Return what happened: `made`,
    `updated` or `unchanged`.
    """
    defaults = {
        "capacity": settings.ROOM_CAPACITY,
        "admit_per_minute": settings.ROOM_ADMIT_PER_MINUTE,
        "session_seconds": settings.ROOM_SESSION_SECONDS,
        "idle_seconds": settings.ROOM_IDLE_SECONDS,
    }
    room, made = WaitingRoom.objects.get_or_create(
        slug=slug, defaults={"name": name, **defaults, **room_limits}
    )
    if made:
        return "made"
    if all(getattr(room, limit) == value for limit, value in room_limits.items()):
        return "unchanged"
    # Only now: a line that moves waits for this lock.
    rooms = WaitingRoom.objects.filter(pk=room.pk)
    lock_row(rooms)
    rooms.update(**room_limits)
    return "updated"
