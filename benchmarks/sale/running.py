"""`make run`: the memory of all its processes, and how long its second start takes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import read_family_memory_mb
from benchmarks.sale.stage import SETTINGS, Record, Stage
from benchmarks.servers import ROOT, find_free_port, wait_until_up

# A first page, and the sweeps and ticks that beat sends, some of them each minute.
SETTLE_S = 8
START_LIMIT_S = 120
# These are the stage's.
OTHERS = (
    "DATABASE_URL", "SECRET_KEY", "ALLOWED_HOSTS", "DJANGO_SETTINGS_MODULE", "DEBUG", "HTTPS_ONLY",
    "THROTTLE_ENABLED", "PYTHONPATH", *SETTINGS,
)  # fmt: skip


def measure_running(stage: Stage) -> Record:
    """Start Encore for the second time, or a later one, and leave it idle."""
    data_dir = stage.scene.folder / "encore"
    if not data_dir.exists():
        with up(data_dir):
            pass
    with up(data_dir) as (pid, started_s):
        time.sleep(SETTLE_S)
        return {"start_s": started_s, "memory_mb": read_family_memory_mb(pid)}


@contextmanager
def up(data_dir: Path) -> Iterator[tuple[int, float]]:
    """Run `manage.py up`, as `make run` does; yield its process, and after how many seconds the first
    page was there."""
    port = find_free_port()
    environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--stop-with-parent", "--port", str(port)],
        cwd=ROOT,
        env={**environment, "DATA_DIR": str(data_dir)},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/", process, limit_s=START_LIMIT_S)
        yield process.pid, time.monotonic() - began
    finally:
        process.terminate()
        process.wait(timeout=60)
