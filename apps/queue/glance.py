"""A room at a glance, for those who run it: how it is, how it has been, and who stands in its line.

Reads alone, each by an index, however long the line and its history are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Sum

from apps.queue.models import QueueEntry, Turn, WaitingRoom

POINTS = 120
PAGE = 25
# The spans that a chart may show: of each of its points, whole seconds.
HOURS = (1, 3, 12)

_HISTORY = """
SELECT floor(extract(epoch FROM at) / %(step_s)s)::bigint * %(step_s)s AS since,
       max(waiting), max(admitted), max(capacity), sum(entered)
  FROM queue_turn
 WHERE room_id = %(room)s AND at >= %(since)s AND at < %(until)s
 GROUP BY since ORDER BY since
"""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What happened in one span of a chart, from `since` (Unix seconds) on: the most who waited and
    were inside, the limit, and how many entered a minute."""

    since: int
    waiting: int
    inside: int
    capacity: int
    entered_per_minute: float


@dataclass(frozen=True, kw_only=True)
class History:
    """The moments in which something was written down, oldest first, among `POINTS` of `step_s`
    seconds each that begin at `first` (Unix seconds)."""

    first: int
    step_s: int
    moments: list[Moment]


def count_last_minute(room: WaitingRoom, *, now: datetime) -> int:
    """Return how many entered in the last minute."""
    turns = Turn.objects.filter(room=room, at__gt=now - timedelta(minutes=1), at__lte=now)
    return int(turns.aggregate(entered=Sum("entered", default=0))["entered"])


def read_history(
    room: WaitingRoom, *, hours: int, now: datetime, since: int | None = None
) -> History:
    """Return how a room has been over the last hours, in `POINTS` points at the most.

    With `since`, leave out what was before that: who has the rest need not ask for it again.
    """
    step_s = hours * 3_600 // POINTS
    last = int(now.timestamp()) // step_s * step_s
    first = last - (POINTS - 1) * step_s
    wanted = max(first, since // step_s * step_s) if since is not None else first
    with connection.cursor() as cursor:
        cursor.execute(
            _HISTORY,
            {
                "room": room.pk,
                "step_s": step_s,
                "since": datetime.fromtimestamp(wanted, UTC),
                "until": datetime.fromtimestamp(last + step_s, UTC),
            },
        )
        rows = cursor.fetchall()
    return History(
        first=first,
        step_s=step_s,
        moments=[
            Moment(
                since=begun,
                waiting=waiting,
                inside=inside,
                capacity=capacity,
                entered_per_minute=entered * 60 / step_s,
            )
            for begun, waiting, inside, capacity, entered in rows
        ],
    )


def list_waiting(room: WaitingRoom, *, after: int = 0) -> list[QueueEntry]:
    """Return the next `PAGE` who wait after a place, in order, and one more where there is one."""
    line = QueueEntry.objects.filter(room=room, state=QueueEntry.State.WAITING, place__gt=after)
    return list(line.order_by("place").select_related("customer", "presence")[: PAGE + 1])


def list_inside(room: WaitingRoom, *, after: int = 0) -> list[QueueEntry]:
    """Return the next `PAGE` inside after an entry's id, as they joined, and one more where there is
    one."""
    inside = QueueEntry.objects.filter(room=room, state=QueueEntry.State.ADMITTED, pk__gt=after)
    return list(inside.order_by("pk").select_related("customer", "presence")[: PAGE + 1])


def list_live_of(room: WaitingRoom, customer_ids: Collection[int]) -> list[QueueEntry]:
    """Return where these customers stand in a room, in the order of the line."""
    live = QueueEntry.objects.filter(
        room=room, customer__in=customer_ids, state__in=QueueEntry.LIVE_STATES
    )
    return sorted(
        live.select_related("customer", "presence"), key=lambda entry: (entry.state, entry.place)
    )
