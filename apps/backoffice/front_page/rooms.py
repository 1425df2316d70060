"""The waiting rooms: how many wait, are inside and enter, now and over the last hours."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Sum
from django.urls import reverse

from apps.backoffice.front_page.limits import POINT_S, POINTS, ROOMS_MAX
from apps.queue.models import Turn, WaitingRoom

# One point of a room's lines: who waited and was inside at the end of its time, who entered within it.
_POINTS = """
SELECT room_id, floor(extract(epoch FROM at - %(since)s) / %(point_s)s)::int AS point,
       (array_agg(waiting ORDER BY at DESC, id DESC))[1],
       (array_agg(admitted ORDER BY at DESC, id DESC))[1],
       sum(entered)
  FROM queue_turn
 WHERE room_id = ANY(%(rooms)s) AND at >= %(since)s AND at <= %(now)s
 GROUP BY room_id, point
"""

# waiting, inside, entered
Point = tuple[int, int, int]


def read_rooms(now: datetime) -> dict[str, Any]:
    """Return the rooms, the longest line first."""
    rooms = list(
        WaitingRoom.objects.select_related("turnstile").order_by(
            "-turnstile__waiting", "-turnstile__admitted", "pk"
        )[:ROOMS_MAX]
    )
    last_minute = Turn.objects.filter(
        room__in=rooms, at__gt=now - timedelta(minutes=1), at__lte=now
    )
    entered = dict(last_minute.values_list("room_id").annotate(Sum("entered")))
    first = _first_point(now)
    points = _read_points([room.pk for room in rooms], since=first, now=now)
    return {
        "rows": [
            _describe(room, entered=entered.get(room.pk, 0), points=points[room.pk])
            for room in rooms
        ],
        "more": WaitingRoom.objects.count() - len(rooms),
        "url": reverse("admin:queue_waitingroom_changelist"),
        "points_from": first.isoformat(),
        "point_s": POINT_S,
    }


def _describe(room: WaitingRoom, *, entered: int, points: dict[int, Point]) -> dict[str, Any]:
    lines = _draw_lines(points)
    # The time of the last point still runs; a minute that is over says more.
    lines["entered"][-1] = entered
    counted_at = room.turnstile.counted_at
    return {
        "id": room.pk,
        "name": room.name,
        "url": reverse("admin:queue_waitingroom_change", args=[room.pk]),
        "state": room.state,
        "waiting": room.turnstile.people_waiting,
        "inside": room.turnstile.admitted,
        "capacity": room.capacity,
        "entered": entered,
        "admit_per_minute": room.admit_per_minute,
        "counted_at": counted_at.isoformat() if counted_at else None,
        "lines": lines,
    }


def _first_point(now: datetime) -> datetime:
    """Return where the lines begin: the points stay where they are while time goes on."""
    this = int(now.timestamp()) // POINT_S
    return datetime.fromtimestamp((this - POINTS + 1) * POINT_S, UTC)


def _read_points(
    room_ids: list[int], *, since: datetime, now: datetime
) -> defaultdict[int, dict[int, Point]]:
    points: defaultdict[int, dict[int, Point]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, {"rooms": room_ids, "since": since, "now": now, "point_s": POINT_S})
        for room_id, point, *figures in cursor.fetchall():
            points[room_id][point] = tuple(figures)
    return points


def _draw_lines(points: dict[int, Point]) -> dict[str, list[float | None]]:
    """Return the lines, entries a minute. Turns are written down while anybody is there: without one,
    an empty room stays empty, and of any other nothing is known."""
    lines: dict[str, list[float | None]] = {"waiting": [], "inside": [], "entered": []}
    empty = False
    for number in range(POINTS):
        if number in points:
            waiting, inside, entered = points[number]
            empty = waiting == inside == 0
            lines["waiting"].append(waiting)
            lines["inside"].append(inside)
            lines["entered"].append(round(entered * 60 / POINT_S, 1))
        else:
            for line in lines.values():
                line.append(0 if empty else None)
    return lines
