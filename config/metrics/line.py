"""Metrics of the waiting rooms.

Cheap however long the lines are: a room is three rows, each found by its key, and what moves in it is
counted by its turnstile as it moves.
"""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from apps.queue.models import WaitingRoom
from config.metrics.families import Column, make_metrics

# The rooms with the longest lines; more are left out.
ROOMS_MAX = 100

COLUMNS = (
    Column("encore_queue_waiting", "People who wait, when the line was last counted."),
    Column("encore_queue_admitted", "People inside, by the last look at the room."),
    Column("encore_room_capacity", "How many may be inside at once."),
    Column("encore_room_lets_in", "1 where people may enter: by staff, and by when it opens."),
    Column("encore_room_admit_per_minute", "How many may enter a minute; 0 is no limit."),
    Column("encore_admissions_total", "People let in. Pruning history leaves it as it is."),
    Column("encore_joins_total", "Places taken in line, by people who come again as well."),
)


def read_line(now: datetime) -> Iterator[Metric]:
    """Yield the metrics of every room."""
    rooms = list(
        WaitingRoom.objects.select_related("turnstile", "dispenser").order_by(
            "-turnstile__waiting", "pk"
        )[:ROOMS_MAX]
    )
    yield from make_metrics(
        COLUMNS,
        ["room"],
        (
            (
                [room.slug],
                (
                    room.turnstile.people_waiting,
                    room.turnstile.admitted,
                    room.capacity,
                    room.lets_in and (room.opens_at is None or room.opens_at <= now),
                    room.admit_per_minute,
                    room.turnstile.entered,
                    room.dispenser.last_number,
                ),
            )
            for room in rooms
        ),
    )
    states = GaugeMetricFamily(
        "encore_room_state", "1 for the state that a room is in, else 0.", labels=["room", "state"]
    )
    for room in rooms:
        for state in WaitingRoom.State:
            states.add_metric([room.slug, state.value], room.state == state)
    yield states
