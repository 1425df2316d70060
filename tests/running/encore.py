"""A whole Encore as `make run` starts it, in a folder of its own, for tests to use and to kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
# No database server and no broker of the machine's is to be found.
BARE_PATH = "/usr/bin:/bin"
# Short enough to be waited for, long enough for a purchase.
LIMITS = {"HOLD_SECONDS": "8", "ROOM_IDLE_SECONDS": "6", "ROOM_CAPACITY": "1"}
OWN_SETTINGS = ("DATABASE_URL", "DEBUG", "THROTTLE_ENABLED")


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait for `condition`; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def read_parent(pid: int) -> int | None:
    """Return the parent of a live process; None of a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[1])


def read_command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


class Encore:
    """One `manage.py up` and all that it starts, with settings of its own."""

    def __init__(self, data_dir: Path, *, settings: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.settings = LIMITS if settings is None else settings
        self.port = find_free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.address}/api/v1"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and return after how many seconds it was ready."""
        environment = {name: v for name, v in os.environ.items() if name not in OWN_SETTINGS}
        environment |= {"DATA_DIR": str(self.data_dir), "PATH": BARE_PATH, **self.settings}
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port)], cwd=ROOT, env=environment
        )
        wait_until(self.is_ready, seconds=90, what="ready")
        return time.monotonic() - began

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "it ended by itself"
        try:
            return httpx.get(f"{self.address}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def list_processes(self) -> list[int]:
        """Return the ids of all processes that it has started, itself included."""
        assert self.process is not None
        parents = {
            int(path.name): read_parent(int(path.name))
            for path in Path("/proc").iterdir()
            if path.name.isdigit()
        }
        family = [self.process.pid]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def find_processes(self, *words: str) -> Iterator[int]:
        """Yield those of its processes whose command line has all the words."""
        for pid in self.list_processes():
            command = read_command(pid)
            if all(word in command for word in words):
                yield pid

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait until nothing is left of it, and return its exit status."""
        assert self.process is not None
        family = self.list_processes()
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        wait_until(
            lambda: not any(read_parent(pid) is not None for pid in family),
            seconds=20,
            what=f"all ended: {[read_command(pid) for pid in family]}",
        )
        self.process = None
        return status
