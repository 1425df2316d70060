"""Writing down that places in line have ended."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    DateTimeField,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Least

from apps.core.prepared import PreparedUpdate, Question, fetch_together
from apps.queue.line import mark_departures
from apps.queue.models import Presence, QueueEntry, Turnstile, WaitingRoom


def end_by_clock(room: WaitingRoom, entries: Collection[QueueEntry], *, now: datetime) -> int:
    """Write down that the clock has ended these entries of the room, which the caller has locked:
    when, and by which of their limits. Return how many."""
    if not entries:
        return 0
    last_seen_at = Presence.objects.filter(entry=OuterRef("pk")).values("last_seen_at")
    idle_at = ExpressionWrapper(
        Subquery(last_seen_at) + timedelta(seconds=room.idle_seconds),
        output_field=DateTimeField(),
    )
    waiting = [entry.place for entry in entries if entry.state == QueueEntry.State.WAITING]
    mark_departures(room.pk, waiting)
    return write_ends(
        [entry.pk for entry in entries],
        # Not later than now: a call that was on its way may just have been noted.
        ended_at=Least(idle_at, F("session_expires_at"), Value(now)),
        end_reason=Case(
            When(Q(session_expires_at__lt=idle_at), then=Value(QueueEntry.EndReason.SESSION_OVER)),
            default=Value(QueueEntry.EndReason.IDLE),
        ),
    )


def write_ends(entry_ids: Collection[int], *, ended_at: Any, end_reason: Any) -> int:
    """Write the ends of entries that the caller has locked; return how many.

    `ended_turn` is the last turn that was committed before: who entered by a later one has not
    overtaken whoever left here, whatever the clocks of the two say.
    """
    changes = describe_end(ended_at=ended_at, end_reason=end_reason)
    ended = QueueEntry.objects.filter(pk__in=entry_ids).update(**changes)
    Presence.objects.filter(pk__in=entry_ids).delete()
    return ended


def describe_end(*, ended_at: Any, end_reason: Any) -> dict[str, Any]:
    """Return what the fields of an entry become that ends."""
    turn = Turnstile.objects.filter(room=OuterRef("room")).values("turn")
    return {
        "state": QueueEntry.State.ENDED,
        "ended_at": ended_at,
        "ended_turn": Subquery(turn),
        "end_reason": end_reason,
    }


END = PreparedUpdate(
    lambda entry_id, ended_at, end_reason: (
        QueueEntry.objects.filter(pk=entry_id),
        describe_end(ended_at=ended_at, end_reason=end_reason),
    ),
    entry_id=BigIntegerField(),
    ended_at=DateTimeField(),
    end_reason=CharField(),
)


def write_end(entry_id: int, *, ended_at: datetime, end_reason: str) -> None:
    """Write the end of one entry as `write_ends` does."""
    fetch_together(
        END.ask(entry_id=entry_id, ended_at=ended_at, end_reason=end_reason),
        Question("DELETE FROM queue_presence WHERE entry_id = %s", [entry_id]),
    )
