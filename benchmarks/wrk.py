"""The load generator: wrk, which takes a tenth of the processor time of a Python client."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a load came to. Times in milliseconds."""

    requests: int
    per_second: float
    median_ms: float
    p99_ms: float


def is_installed() -> bool:
    """Say whether wrk is there."""
    return shutil.which("wrk") is not None


def load(
    address: str,
    path: str,
    *,
    lines: Path | None = None,
    method: str = "GET",
    seconds: int,
    connections: int = 8,
    pause_ms: int = 0,
) -> Load:
    """Ask for `path` on so many connections, as fast as answers come or with a pause after each.

    `lines` holds an access token and a queue token a line, used in turn. Raise `RuntimeError` where an
    answer was not 2xx.
    """
    command: Sequence[str] = [
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
        "--timeout", "30s", "--script", str(SCRIPT), address, "--", method, path,
        str(pause_ms), *([str(lines)] if lines else []),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    figures = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("figures")]
    if not figures:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    requests, duration, errors, median, p99 = map(int, figures[0])
    if errors or not requests:
        raise RuntimeError(f"{errors} of {requests} requests failed: {done.stdout}")
    return Load(
        requests=requests,
        per_second=requests / (duration / 1e6),
        median_ms=median / 1e3,
        p99_ms=p99 / 1e3,
    )
