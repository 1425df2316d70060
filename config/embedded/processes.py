"""Child processes: how they are started, how they end with their parent, how they died."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from config.embedded.identity import Identity

_PR_SET_PDEATHSIG = 1

# Loaded once, in the parent: between fork and exec as little as possible may happen.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def set_parent_death_signal(signal_number: int) -> None:
    """Ask the kernel to send `signal_number` to this process when the thread that started it ends.

    A change of user clears the wish, so call it after one. For Linux; elsewhere it does nothing.
    Raises `OSError`.
    """
    if _libc is not None and _libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def die_with_parent(signal_number: int) -> None:
    """Make this process receive `signal_number` when its parent ends, at once if it has."""
    expected = multiprocessing.parent_process()
    parent = os.getppid() if expected is None or expected.pid is None else expected.pid
    set_parent_death_signal(signal_number)
    # The parent may have ended before the wish was made; then nobody would send the signal.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def child_setup(
    *, death_signal: int, identity: Identity | None = None, parent: int | None = None
) -> Callable[[], None]:
    """Return what a child runs before exec: take `identity`, end with `parent` (this process)."""
    expected_parent = os.getpid() if parent is None else parent

    def setup() -> None:
        # Ignored and blocked signals outlive exec; a child must start with none.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if identity is not None:
            identity.assume()
        set_parent_death_signal(death_signal)
        if os.getppid() != expected_parent:
            os._exit(1)

    return setup


def spawn(
    *,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
    death_signal: int = signal.SIGTERM,
    identity: Identity | None = None,
    output: int | IO[Any] = subprocess.PIPE,
) -> "subprocess.Popen[bytes]":
    """Start `command` in a session of its own, both outputs in `output`, ending with this process.

    `environment` None passes this process's own. Raises `OSError` or `subprocess.SubprocessError`.
    """
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if environment is None else dict(environment),
        cwd=working_directory,
        start_new_session=True,
        # subprocess has no option for these; `child_setup` takes no locks that threads may hold.
        preexec_fn=child_setup(death_signal=death_signal, identity=identity),  # noqa: PLW1509
    )


def has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Say whether the process ended, without reaping it: its id and its group stay its own."""
    if process.returncode is not None:
        return True
    try:
        result = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return result is not None


def reap(process: "subprocess.Popen[bytes]") -> int:
    """Kill the rest of an ended process's group; return its exit status (negative: a signal)."""
    signal_group(process, signal.SIGKILL)
    return process.wait()


def signal_process(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to the process alone; one that has ended is no error."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to a `spawn`ed process and its descendants of the same group."""
    if process.returncode is None:
        # PermissionError: macOS gives it for a group of which only a zombie is left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def describe_exit(status: int) -> str:
    """Say in words how a process ended: `exited with status 3`, `was killed by SIGKILL`."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
