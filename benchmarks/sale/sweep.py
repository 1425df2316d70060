"""A hundred thousand overdue holds are swept while others hold seats."""

import subprocess
import sys
import time

from benchmarks import wrk
from benchmarks.sale.scene import DATABASE, HOUSES, OVERDUE
from benchmarks.sale.stage import Record, Stage
from benchmarks.servers import ROOT

# As many holds as one machine should take at the most, instead of as many as it can: what waits for a
# processor that a sweep uses waits anyway.
CONNECTIONS, PAUSE_MS = 16, 40
LIMIT_S = 60

_SWEEP = """
import django, os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()
from django.db import connection
from django.utils import timezone
from apps.reservations.services import expire_holds
connection.ensure_connection()
print("ready", flush=True)
sys.stdin.readline()
began = time.perf_counter()
while expire_holds(now=timezone.now()):
    pass
print(time.perf_counter() - began, flush=True)
"""


def measure_sweep(stage: Stage) -> Record:
    """Hold seats in quiet and beside the sweep; return both, and the seconds that it took."""
    stage.scene.make_overdue()
    options = {"method": "POST", "once": True, "connections": CONNECTIONS, "pause_ms": PAUSE_MS}
    quiet = wrk.load(
        stage.address, "/", lines=stage.scene.prepare("hold"), seconds=stage.seconds, **options
    )
    lines = stage.scene.prepare("hold")
    with subprocess.Popen(
        [sys.executable, "-c", _SWEEP],
        cwd=ROOT,
        env=stage.bench.environment(DATABASE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sweeper:
        try:
            assert sweeper.stdin is not None
            assert sweeper.stdout is not None
            sweeper.stdout.readline()
            with wrk.asking(stage.address, "/", lines=lines, seconds=LIMIT_S, **options) as running:
                time.sleep(0.2)  # wrk reads the lines
                sweeper.stdin.write("\n")
                sweeper.stdin.flush()
                took_s = float(sweeper.stdout.readline())
                busy = running.finish(now=True)
        finally:
            sweeper.kill()
    if left := stage.scene.count_overdue():
        raise RuntimeError(f"{left} overdue holds are left")
    return {
        "swept": HOUSES[OVERDUE],
        "seconds": took_s,
        "quiet_per_second": quiet.per_second,
        "quiet_p99_ms": quiet.p99_ms,
        "busy_per_second": busy.per_second,
        "busy_p99_ms": busy.p99_ms,
    }
