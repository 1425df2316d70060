"""Keeps programs running: starts them, passes on their output, restarts the dead, stops all."""

import contextlib
import selectors
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Self

from config.embedded.child import Child, Program, Timing
from config.embedded.processes import describe_exit, signal_group, signal_process
from config.embedded.terminal import Terminal

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A terminal's Ctrl-C may reach us twice, directly and passed on by whoever started us.
_IMPATIENCE_SECONDS = 0.5
_READ_BYTES = 65_536


class StopRequested(Exception):
    """A signal asked the supervisor to stop."""


class SupervisorError(Exception):
    """Something failed for good; the message says what, with the last lines of its output."""


class Supervisor:
    """Runs programs as its children. Use it as a context manager, from the main thread alone.

    Entering it takes over the stop signals; leaving it stops every child, the last started first.
    """

    def __init__(self, *, terminal: Terminal, timing: Timing | None = None) -> None:
        self.terminal = terminal
        self._timing = timing or Timing()
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self._stop_requested_at: float | None = None
        self._impatient = False
        self._stopping = False
        self._previous_handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_sender.fileno(), warn_on_full_buffer=False)
        for number in _STOP_SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # `nohup`: the end of the terminal is not to be noticed
            self._previous_handlers[number] = signal.signal(number, self._receive_stop)
        # Without a handler the death of a child would not interrupt the wait for output.
        self._previous_handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _ignore)
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self.stop_all()
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in self._previous_handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            self._selector.close()
            self._wake_receiver.close()
            self._wake_sender.close()

    def start(self, program: Program) -> None:
        """Start a program, again whenever it ends. Raises `StopRequested`, `SupervisorError`."""
        self.check_stop()
        child = Child(program, self._timing)
        self._children.append(child)
        self._launch(child)

    def run(self, program: Program) -> None:
        """Run a program to its end. Raises `SupervisorError` when it fails, and `StopRequested`."""
        self.check_stop()
        child = Child(program, self._timing, once=True)
        self._children.append(child)
        self._launch(child)
        while child.exit_status is None:
            self._turn()
            self.check_stop()
        self._children.remove(child)
        if child.exit_status != 0:
            raise SupervisorError(_report(child, describe_exit(child.exit_status)))

    def wait_until(
        self, condition: Callable[[], bool], *, timeout_s: float, what: str, poll_s: float = 0.05
    ) -> None:
        """Supervise until `condition` holds.

        Raises `SupervisorError` after `timeout_s` seconds, and `StopRequested`.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise SupervisorError(f"{what} took longer than {timeout_s:.0f} s.")
            self._turn(poll_s)
            self.check_stop()

    def run_forever(self) -> None:
        """Supervise until a signal asks to stop. Raises `StopRequested`, `SupervisorError`."""
        while True:
            self.check_stop()
            self._turn()

    def check_stop(self) -> None:
        """Raise `StopRequested` if a signal has asked to stop."""
        if self._stop_requested_at is not None:
            raise StopRequested

    def has_children(self) -> bool:
        """Say whether there is anything to stop."""
        return bool(self._children)

    def stop_all(self) -> None:
        """Stop every child, the last started first; after a second Ctrl-C by force."""
        self._stopping = True
        while self._children:
            child = self._children[-1]
            if child.is_alive():
                self._stop(child)
            self._children.remove(child)
            self._forget_output(child)

    def _stop(self, child: Child) -> None:
        for number, limit_s in child.program.stop_steps:
            signal_process(child.process, number)
            deadline = time.monotonic() + limit_s
            while child.is_alive() and time.monotonic() < deadline:
                if self._impatient and number != signal.SIGKILL:
                    break
                self._turn(deadline - time.monotonic())
            if not child.is_alive():
                return
            if not self._impatient:
                self.terminal.say(f"{child.name} does not stop after {limit_s:.0f} s, forcing it")
        signal_group(child.process, signal.SIGKILL)

    def _turn(self, limit_s: float | None = None) -> None:
        """Pass on output, notice deaths, restart what is due; take `limit_s` at the longest."""
        for key, _ in self._selector.select(self._pause(limit_s)):
            if isinstance(key.data, Child):
                self._read(key.data)
            else:
                with contextlib.suppress(BlockingIOError):
                    self._wake_receiver.recv(_READ_BYTES)
        for child in list(self._children):
            if child.is_alive() and child.has_ended():
                self._bury(child)
        if not self._stopping and self._stop_requested_at is None:
            for child in self._children:
                if child.is_due(time.monotonic()):
                    self._launch(child)

    def _pause(self, limit_s: float | None) -> float | None:
        now = time.monotonic()
        due = () if self._stopping else (child.restart_at for child in self._children)
        waits = [restart_at - now for restart_at in due if restart_at is not None]
        if limit_s is not None:
            waits.append(limit_s)
        return max(0.0, min(waits)) if waits else None

    def _launch(self, child: Child) -> None:
        try:
            if not child.launch(time.monotonic()):
                return  # not ready to start; it is asked again soon
        except OSError as error:
            raise SupervisorError(f"{child.name} cannot be started: {error}") from error
        self._selector.register(child.output, selectors.EVENT_READ, child)

    def _read(self, child: Child) -> bool:
        chunk = child.read(_READ_BYTES)
        if chunk is None:
            return False
        if not chunk:
            self._forget_output(child)
            return False
        for line in child.lines(chunk):
            self.terminal.pass_on(child.name, line)
        return True

    def _bury(self, child: Child) -> None:
        """Take note of a child's death, with all it wrote before; plan its restart."""
        status = child.bury()
        while child.has_output() and self._read(child):
            pass
        self._forget_output(child)
        if child.program_is_over or self._stopping or self._stop_requested_at is not None:
            return
        how = describe_exit(status)
        pause_s = child.plan_restart(time.monotonic())
        if pause_s is None:
            count, window = self._timing.deaths_limit, self._timing.deaths_window_s
            raise SupervisorError(
                _report(child, f"{how}, and died {count} times within {window:.0f} s")
            )
        self.terminal.say(f"{child.name} {how}; restarting it in {pause_s:.1f} s")

    def _forget_output(self, child: Child) -> None:
        if child.has_output():
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(child.output)
            for line in child.close_output():
                self.terminal.pass_on(child.name, line)

    def _receive_stop(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._stop_requested_at is None:
            self._stop_requested_at = now
        elif number == signal.SIGINT and now - self._stop_requested_at > _IMPATIENCE_SECONDS:
            self._impatient = True


def _ignore(_number: int, _frame: FrameType | None) -> None:
    pass


def _report(child: Child, how: str) -> str:
    if not child.tail:
        return f"{child.name} {how}. It wrote nothing."
    lines = "\n".join(f"  {line}" for line in child.tail)
    return f"{child.name} {how}. Its last lines:\n{lines}"
