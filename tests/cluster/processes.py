"""A program on a host of the cluster: started, killed, started again, its output in a file."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.running.encore import ROOT, read_command, read_parent, wait_until

STARTED_WITHIN_S = 90.0
STOPPED_WITHIN_S = 30.0


@dataclass(kw_only=True)
class Process:
    """A program by name. `serves` says whether it does what it is there for.

    `wanted` says whether it should be running: one that ended by itself is found by that.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    serves: Callable[[], bool] = lambda: True
    stop_signal: signal.Signals = signal.SIGTERM
    wanted: bool = False
    # Of the family, who has to be told to stop, by a word of the command; the first one by default.
    main_word: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it serves."""
        self.wanted = True
        self._launch()
        if wait:
            self.await_start()

    def await_start(self) -> None:
        """Wait until it serves."""
        wait_until(self.is_up, seconds=STARTED_WITHIN_S, what=f"{self.name} up, see {self.log}")

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_up(self) -> bool:
        """Say whether it runs and serves; start it again where it ended while it was starting."""
        if not self.is_alive():
            # A server that was killed leaves children, and a new one waits for their end by failing.
            self._launch()
            time.sleep(0.5)
        return self.is_alive() and self.serves()

    def family(self) -> list[int]:
        """Return its process ids, its own first."""
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

    def kill(self) -> None:
        """Kill it with all that it has started."""
        self.wanted = False
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait(timeout=STOPPED_WITHIN_S)

    def kill_first(self) -> None:
        """Kill its first process alone."""
        self.wanted = False
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=STOPPED_WITHIN_S)

    def stop(self) -> None:
        """Ask it to end and wait until it has."""
        self.wanted = False
        assert self.process is not None
        words = [pid for pid in self.family() if self.main_word in read_command(pid)]
        os.kill(words[0], self.stop_signal)
        self.process.wait(timeout=STOPPED_WITHIN_S)


def listens(address: str, port: int) -> bool:
    """Say whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
