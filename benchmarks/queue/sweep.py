"""A million people fall silent: how long the sweep takes, and what the polls of the others feel."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import wrk
from benchmarks.queue.lines import INSIDE, fill_line, write_tokens
from benchmarks.servers import ROOT, Workbench

DATABASE = "silence"
SILENT = 1_000_000
STAYING = 2_000
# So many ask, each ten times a second: about what one machine should serve at the most.
CONNECTIONS, PAUSE_MS = 20, 100
WINDOW_S = 10

_FALL_SILENT = f"""
UPDATE queue_presence SET last_seen_at = last_seen_at - interval '1 day'
 WHERE entry_id IN (SELECT id FROM queue_queueentry WHERE number BETWEEN {INSIDE + 1} AND %s);
UPDATE queue_segment SET oldest_call_at = NULL;
VACUUM ANALYZE queue_presence;
CHECKPOINT
"""
_LEFT = "SELECT count(*) FROM queue_queueentry WHERE state = 'waiting'"


_SETUP = """
import django, os, time
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()
from django.utils import timezone
from apps.queue.services import admit_queue, expire_queue
"""
# As beat has the worker do it: every second, and run after run until nobody silent is left.
_BEAT = f"""{_SETUP}
due = time.monotonic()
while True:
    admit_queue(now=timezone.now())
    due = max(due + 1, time.monotonic())
    time.sleep(max(due - time.monotonic(), 0))
"""
_SWEEP = f"""{_SETUP}
while expire_queue(now=timezone.now()):
    pass
"""


def run(bench: Workbench, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure polls in quiet and during the sweep; return both, and how long the sweep took."""
    say(f"a line of {SILENT:,} that falls silent, and {STAYING:,} who stay…")
    bench.make_database(DATABASE)
    tokens = folder / "staying"
    last_silent = INSIDE + SILENT
    with bench.connect(DATABASE) as line:
        fill_line(line, SILENT + STAYING)
        write_tokens(
            tokens,
            range(last_silent + 1, last_silent + STAYING + 1),
            secret_key=bench.secret_key,
        )
        with bench.serve(DATABASE) as address:

            def poll() -> wrk.Load:
                return wrk.load(
                    address,
                    "/api/v1/queue/tokens/current",
                    lines=tokens,
                    seconds=WINDOW_S,
                    connections=CONNECTIONS,
                    pause_ms=PAUSE_MS,
                )

            beat = subprocess.Popen(
                [sys.executable, "-c", _BEAT], cwd=ROOT, env=bench.environment(DATABASE)
            )
            poll()
            quiet = [poll() for _window in range(3)]
            with bench.connect(DATABASE, user="postgres") as superuser:
                for number, statement in enumerate(_FALL_SILENT.split(";")):
                    superuser.execute(statement, [last_silent] if number == 0 else None)
            say("sweeping…")
            began = time.monotonic()
            sweeper = subprocess.Popen(
                [sys.executable, "-c", _SWEEP], cwd=ROOT, env=bench.environment(DATABASE)
            )
            busy = []
            while sweeper.poll() is None:
                busy.append(poll())
            took_s = time.monotonic() - began
            beat.terminate()
            beat.wait()
            assert sweeper.returncode == 0, "the sweep failed"
        row = line.execute(_LEFT).fetchone()
        assert row is not None
        assert row[0] == STAYING, f"{row[0]} still wait"
    quiet_ms = statistics.median(load.p99_ms for load in quiet)
    # The last window outlives the sweep.
    busy_ms = [load.p99_ms for load in busy[:-1] or busy]
    return {
        "silent": SILENT,
        "sweep_s": took_s,
        "polls_per_second": statistics.median(load.per_second for load in busy),
        "quiet_p99_ms": quiet_ms,
        "busy_p99_ms": statistics.median(busy_ms),
        "busy_p99_ms_worst": max(busy_ms),
        "ratio": statistics.median(busy_ms) / quiet_ms,
        "ratio_worst": max(busy_ms) / quiet_ms,
    }
