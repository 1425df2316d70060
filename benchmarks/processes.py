"""What processes have used, as the kernel counts it."""

import os
from contextlib import suppress
from pathlib import Path

from config.embedded.postgres import EmbeddedPostgres

TICKS = os.sysconf("SC_CLK_TCK")


def read_processor_s(pid: int) -> float:
    """Return the processor seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def list_family(pid: int) -> list[int]:
    """Return a process and all that it has started, and they; what ends meanwhile may be missing."""
    family = [pid]
    for parent in family:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                family += [int(child) for child in (task / "children").read_text().split()]
    return family


def read_family_processor_s(pid: int) -> float:
    """Return the processor seconds of a process and of all that it has started. What has ended is
    counted by whoever waited for it."""
    seconds = 0.0
    for member in list_family(pid):
        with suppress(OSError):
            seconds += read_processor_s(member)
    return seconds


def read_family_memory_mb(pid: int) -> float:
    """Return what a process takes of the memory with all that it has started."""
    return sum(read_memory_mb(member) for member in list_family(pid))


def read_memory_mb(pid: int) -> float:
    """Return what a process takes of the memory, its share of what it shares with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1_024
    raise RuntimeError("the kernel does not say how much memory a process takes")


def find_web_server() -> int:
    """Return the process that this one has started to serve the web."""
    for pid in list_family(os.getpid()):
        if b"granian" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise RuntimeError("the web server is not there")


def find_postmaster(postgres: EmbeddedPostgres) -> int:
    """Return the first process of a PostgreSQL, which has started its others."""
    return int((postgres.folder / "postmaster.pid").read_text().split()[0])
