"""The load generator: wrk, which takes a tenth of the processor time of a Python client."""

import shutil
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a load came to. Times in milliseconds; `answer_bytes` is the mean of an answer with its
    headers, `processor_s` what wrk itself took, and `statuses` how often each was answered, where that
    was asked for."""

    requests: int
    per_second: float
    median_ms: float
    p99_ms: float
    answer_bytes: float
    processor_s: float
    seconds: float
    statuses: Mapping[int, int] = field(default_factory=dict)


class Running:
    """A wrk that is asking."""

    def __init__(self, command: list[str], allowed: Collection[int]) -> None:
        self._allowed = allowed
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self, *, now: bool = False) -> Load:
        """Wait until its time is over, or with `now` end it, and return what it came to. Raise
        `RuntimeError` as `load` does."""
        if now:
            self._process.send_signal(signal.SIGINT)
        output, errors = self._process.communicate()
        return parse(output + errors, allowed=self._allowed)

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


def is_installed() -> bool:
    """Say whether wrk is there."""
    return shutil.which("wrk") is not None


def load(address: str, path: str, **options: object) -> Load:
    """Ask for `path` as `asking` does, and return what it came to.

    Raise `RuntimeError` where an answer was not 2xx or 3xx (or none of `allowed`), and where lines
    that may be used once were used up.
    """
    with asking(address, path, **options) as running:  # type: ignore[arg-type]
        return running.finish()


@contextmanager
def asking(
    address: str,
    path: str,
    *,
    seconds: int,
    lines: Path | None = None,
    method: str = "GET",
    connections: int = 8,
    pause_ms: int = 0,
    once: bool = False,
    allowed: Collection[int] = (),
    headers: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Ask for `path` on so many connections, as fast as answers come or with a pause after each.

    `lines` holds an access token and a queue token a line, and what else `requests.lua` knows, used in
    turn, or `once`. With `allowed` the statuses are counted, and may be these alone.
    """
    command = [
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
        "--timeout", "30s", "--script", str(SCRIPT), address, "--", method, path, str(pause_ms),
        str(lines or ""), "once" if once else "", "count" if allowed else "",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]  # fmt: skip
    running = Running(command, allowed)
    try:
        yield running
    finally:
        running.kill()


def parse(output: str, *, allowed: Collection[int] = ()) -> Load:
    """Return what wrk printed. Raise `RuntimeError` where it failed, or the server did."""
    words = [line.split() for line in output.splitlines()]
    found = [line[1:] for line in words if line[:1] == ["figures"]]
    if not found:
        raise RuntimeError(f"wrk failed: {output}")
    figures = {name: int(value) for name, _, value in (word.partition("=") for word in found[0])}
    statuses = {int(line[1]): int(line[2]) for line in words if line[:1] == ["status"]}
    if figures["used_up"]:
        raise RuntimeError(f"more requests than lines: {figures['requests']} and more")
    others = sum(times for status, times in statuses.items() if status not in allowed)
    failed = figures["broken"] + (others if allowed else figures["refused"])
    if failed or not figures["requests"]:
        raise RuntimeError(f"{failed} of {figures['requests']} requests failed: {output}")
    seconds = figures["duration_us"] / 1e6
    return Load(
        requests=figures["requests"],
        per_second=figures["requests"] / seconds,
        median_ms=figures["p50_us"] / 1e3,
        p99_ms=figures["p99_us"] / 1e3,
        answer_bytes=figures["bytes"] / figures["requests"],
        processor_s=figures["processor_us"] / 1e6,
        seconds=seconds,
        statuses=statuses,
    )
