"""What the web server loads: a worker can be stopped before it has loaded all of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.running.encore import find_free_port

ROOT = Path(__file__).resolve().parents[2]
END_WITHIN_S = 20
# The rest of loading takes forever here.
SLOW = """
import time
import config.wsgi

print("loading", flush=True)
time.sleep(600)
"""


def test_a_worker_that_is_still_loading_ends_when_it_is_asked_to(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
            *("--port", str(find_free_port()), "--workers", "1", "--blocking-threads", "1"),
            "slow:application",
        ],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path),
            "DATA_DIR": str(tmp_path),
            "DATABASE_URL": "postgresql://encore@127.0.0.1:9/encore",
            "DEBUG": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert "loading\n" in server.stdout
        server.send_signal(signal.SIGTERM)
        assert server.wait(END_WITHIN_S) == 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        server.stdout.close()
