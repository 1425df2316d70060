"""An hour of polling: what noting the calls does to the size of the tables."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.queue.models import QueueEntry
from apps.queue.presence import note_presence
from benchmarks.queue.flat import use_database
from benchmarks.queue.lines import INSIDE, fill_line
from benchmarks.servers import Workbench

DATABASE = "presence"
PEOPLE = 5_000
IDLE_S, POLL_S, HOUR_S = 60, 20, 3_600

_SIZES = """
SELECT pg_relation_size('queue_presence'), pg_indexes_size('queue_presence'),
       pg_total_relation_size('queue_queueentry')
"""
_UPDATES = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'queue_presence'
"""


def run(bench: Workbench, say: Callable[[str], None]) -> dict[str, Any]:
    """Note the calls of everybody in line for an hour of their time; return sizes in bytes, when
    everybody had called for ten minutes and at the end, and how many updates touched no index."""
    say(f"an hour of polls by {PEOPLE:,}…")
    bench.make_database(DATABASE)
    sizes = []
    with bench.connect(DATABASE) as watching:
        fill_line(watching, PEOPLE, idle_s=IDLE_S)
        use_database(DATABASE)
        entries = list(
            QueueEntry.objects.select_related("room", "presence").filter(number__gt=INSIDE)
        )
        began = timezone.now()
        for elapsed_s in range(POLL_S, HOUR_S + 1, POLL_S):
            for entry in entries:
                note_presence(entry, now=began + timedelta(seconds=elapsed_s))
            if elapsed_s % 600 == 0:
                sizes.append(watching.execute(_SIZES).fetchone())
        updates = watching.execute(_UPDATES).fetchone()
    assert updates is not None
    return {
        "people": PEOPLE,
        "calls": len(entries) * (HOUR_S // POLL_S),
        "sizes": sizes,
        "updates": updates[0],
        "share_without_index": updates[1] / updates[0],
    }
