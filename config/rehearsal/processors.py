"""Whose processor time it was, as far as the processes are on this machine."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import psutil

GENERATOR, WEB, DATABASE, CELERY = "players", "web", "PostgreSQL", "worker and beat"
GROUPS = (GENERATOR, WEB, DATABASE, CELERY)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Processor seconds until a moment: of each process by group, and of the whole machine by what the
    kernel calls them."""

    processes: Mapping[tuple[str, int, float], tuple[float, float]]
    machine: Mapping[str, float]


def read_usage(players: Collection[int]) -> Usage:
    """Return what has been used until now; `players` are the numbers of our own processes."""
    own = {*players, os.getpid()}
    processes = {}
    groups: dict[int, str] = {}
    for process in psutil.process_iter():
        try:
            group = _find_group(process, own, groups)
            if group:
                times = process.cpu_times()
                key = (group, process.pid, process.create_time())
                processes[key] = (times.user, times.system)
        except psutil.Error:
            continue  # it has ended, or is hidden from us
    return Usage(processes=processes, machine=psutil.cpu_times()._asdict())


def _find_group(process: psutil.Process, own: Collection[int], groups: dict[int, str]) -> str:
    """Return the group of a process, by what it is or by who started it; `groups` are those found."""
    known = groups.get(process.pid)
    if known is not None:
        return known
    words = " ".join(process.cmdline())
    if process.pid in own:
        group = GENERATOR
    elif "granian" in words or "gunicorn" in words:
        group = WEB
    elif "celery" in words:
        group = CELERY
    elif process.name().startswith("postgres"):
        group = DATABASE
    else:
        parent = process.parent()
        group = _find_group(parent, own, groups) if parent and parent.pid > 1 else ""
        # Whatever else a shell of ours has started is not ours.
        group = group if group in (WEB, CELERY, DATABASE) else ""
    groups[process.pid] = group
    return group


def compare(before: Usage, after: Usage, *, seconds: float) -> dict[str, dict[str, float]]:
    """Return how many processors each group used on average, in its own code and in the kernel, and the
    machine: groups that are not here are left out."""
    shares: dict[str, dict[str, float]] = {}
    for key, (user, system) in after.processes.items():
        user_before, system_before = before.processes.get(key, (0.0, 0.0))
        share = shares.setdefault(key[0], {"user": 0.0, "system": 0.0})
        share["user"] += (user - user_before) / seconds
        share["system"] += (system - system_before) / seconds
    used = {
        name: (value - before.machine.get(name, 0.0)) / seconds
        for name, value in after.machine.items()
    }
    quiet = used.get("idle", 0.0) + used.get("iowait", 0.0)
    guests = used.get("guest", 0.0) + used.get("guest_nice", 0.0)  # counted in `user` already
    shares["machine"] = {
        "user": used.get("user", 0.0) + used.get("nice", 0.0),
        "system": sum(used.values())
        - quiet
        - guests
        - used.get("user", 0.0)
        - used.get("nice", 0.0),
    }
    return {name: {k: round(v, 3) for k, v in share.items()} for name, share in shares.items()}
