"""One supervised program: how it is to be run, its process, what it wrote and how it fared."""

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from config.embedded.identity import Identity
from config.embedded.processes import has_ended, reap, spawn

_TAIL_LINES = 40
_LINE_LIMIT_BYTES = 16_384
DEFAULT_STOP_STEPS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


def _always() -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When the supervisor restarts and when it gives up; all in seconds but the count."""

    first_pause_s: float = 0.5
    longest_pause_s: float = 8.0
    healthy_after_s: float = 60.0
    deaths_window_s: float = 60.0
    deaths_limit: int = 5
    ready_poll_s: float = 0.1
    ready_limit_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run. `stop_steps` are signals with the seconds each has to work.

    `may_start` is asked before each start; after `Timing.ready_limit_s` of no, it starts anyway,
    unless it `waits_for_good`, as what would only die does while its database recovers.
    `death_signal` is what the kernel sends when the supervisor itself is killed.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    working_directory: Path | None = None
    death_signal: signal.Signals = signal.SIGTERM
    stop_steps: Sequence[tuple[signal.Signals, float]] = DEFAULT_STOP_STEPS
    identity: Identity | None = None
    may_start: Callable[[], bool] = _always
    waits_for_good: bool = False


class Child:
    """A program under supervision. `tail` holds its last lines over all its lives."""

    process: "subprocess.Popen[bytes]"

    def __init__(self, program: Program, timing: Timing, *, once: bool = False) -> None:
        self.program = program
        self.name = program.name
        self.program_is_over = False
        self.exit_status: int | None = None
        self.restart_at: float | None = None
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._timing = timing
        self._once = once
        self._alive = False
        self._started_at = 0.0
        self._waiting_since: float | None = None
        self._pause_s = timing.first_pause_s
        self._deaths: deque[float] = deque()
        self._output: IO[bytes] | None = None
        self._unfinished_line = b""

    @property
    def output(self) -> IO[bytes]:
        """The pipe that the process writes to. Only while `has_output`."""
        assert self._output is not None
        return self._output

    def has_output(self) -> bool:
        """Say whether there is a pipe to read."""
        return self._output is not None

    def is_alive(self) -> bool:
        """Say whether a process was launched and not yet buried."""
        return self._alive

    def has_ended(self) -> bool:
        """Say whether the launched process has ended."""
        return has_ended(self.process)

    def is_due(self, now: float) -> bool:
        """Say whether the time of a planned restart has come."""
        return self.restart_at is not None and now >= self.restart_at

    def launch(self, now: float) -> bool:
        """Start the process, or say no and ask to be called again soon. Raises `OSError`."""
        if not self.program.may_start():
            self._waiting_since = self._waiting_since or now
            waited_s = now - self._waiting_since
            if self.program.waits_for_good or waited_s < self._timing.ready_limit_s:
                self.restart_at = now + self._timing.ready_poll_s
                return False
        self._waiting_since = None
        self.restart_at = None
        try:
            self.process = spawn(
                command=self.program.command,
                environment=self.program.environment,
                working_directory=self.program.working_directory,
                death_signal=self.program.death_signal,
                identity=self.program.identity,
            )
        except subprocess.SubprocessError as error:
            raise OSError(str(error)) from error
        self._output = self.process.stdout
        os.set_blocking(self.output.fileno(), False)
        self._started_at = now
        self._alive = True
        return True

    def read(self, limit_bytes: int) -> bytes | None:
        """Return what was written: nothing at the end of the pipe, `None` if it is merely empty."""
        try:
            return os.read(self.output.fileno(), limit_bytes)
        except BlockingIOError:
            return None

    def lines(self, chunk: bytes) -> list[str]:
        """Return the lines that `chunk` completes, and keep them in `tail`."""
        *whole, rest = (self._unfinished_line + chunk).split(b"\n")
        if len(rest) > _LINE_LIMIT_BYTES:
            whole.append(rest)
            rest = b""
        self._unfinished_line = rest
        decoded = [line.decode(errors="replace").rstrip("\r") for line in whole]
        self.tail.extend(decoded)
        return decoded

    def close_output(self) -> list[str]:
        """Close the pipe and return the line that was never ended, if any."""
        self.output.close()
        self._output = None
        return self.lines(b"\n") if self._unfinished_line else []

    def bury(self) -> int:
        """Reap the ended process and the rest of its group; return its exit status."""
        self._alive = False
        self.exit_status = reap(self.process)
        self.program_is_over = self._once
        return self.exit_status

    def plan_restart(self, now: float) -> float | None:
        """Return the pause before the next start in seconds, or `None` after too many deaths."""
        self._deaths.append(now)
        while now - self._deaths[0] > self._timing.deaths_window_s:
            self._deaths.popleft()
        if len(self._deaths) >= self._timing.deaths_limit:
            return None
        if now - self._started_at >= self._timing.healthy_after_s:
            self._pause_s = self._timing.first_pause_s
        pause_s = self._pause_s
        self._pause_s = min(self._pause_s * 2, self._timing.longest_pause_s)
        self.restart_at = now + pause_s
        return pause_s
