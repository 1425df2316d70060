"""The stacks that faults are injected into, and how much of it: a short form, and a long one.

`ENCORE_TEST_LONG=1` asks for the long form, of `ENCORE_TEST_MINUTES` minutes in all. The short form has
one stack, on a small disk in memory where such may be mounted; the long form has that one and another
on the machine's own disk.
"""

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.audit import audit
from tests.faults.buyers import Load
from tests.faults.campaign import Campaign, describe
from tests.faults.injections import DISK_FULL, FAULTS, WRITES_REFUSED
from tests.faults.stack import Stack
from tests.faults.witness import Witness
from tests.running.encore import wait_until

# A line for each request of each buyer would bury what a failing test has to say.
logging.getLogger("httpx").setLevel(logging.WARNING)

LONG = os.environ.get("ENCORE_TEST_LONG") == "1"
MINUTES = float(os.environ.get("ENCORE_TEST_MINUTES", "10"))
# Deadlines, silence and a full room are all to be met while faults last.
SETTINGS = {
    "HOLD_SECONDS": "20",
    "ROOM_IDLE_SECONDS": "20",
    # What a server whose clock is behind holds has run out for all others. Counted as lapses, these would
    # keep the buyers out one after the other, and nobody would be left to buy.
    "HOLD_LAPSES_MAX": "0",
}
SMALL_DISK_MB = 512
INTEGRITY_WITHIN_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Form:
    """How many buyers, for how long, and how long a fault lasts that does not end by itself."""

    buyers: int
    room_capacity: int
    seats_per_date: int
    faults_s: float
    disk_s: float
    hold_s: float
    disk_hold_s: float


SHORT = Form(
    buyers=6,
    room_capacity=5,
    seats_per_date=20,
    faults_s=0,
    disk_s=0,
    hold_s=1,
    disk_hold_s=1.5,
)
FULL = Form(
    buyers=16,
    room_capacity=12,
    seats_per_date=60,
    faults_s=MINUTES * 60 * 0.9,
    disk_s=MINUTES * 60 * 0.1,
    hold_s=6,
    disk_hold_s=4,
)


@pytest.fixture(scope="session")
def form() -> Form:
    return FULL if LONG else SHORT


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk in memory, which can be filled without harm; say whether that is allowed."""
    options = f"size={SMALL_DISK_MB}m,mode=755"
    command = ["mount", "-t", "tmpfs", "-o", options, "encore-faults", str(folder)]
    is_mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def running(folder: Path, log: Path, form: Form) -> Iterator[tuple[Stack, list[str]]]:
    """Run a stack below `folder` with a concert on sale; yield it and its buyers' access tokens."""
    settings = {**SETTINGS, "ROOM_CAPACITY": str(form.room_capacity)}
    stack = Stack(folder / "data", log=log, settings=settings)
    try:
        stack.start()
        yield stack, stack.prepare(buyers=form.buyers, seats_per_date=form.seats_per_date)
    finally:
        if stack.process is not None:
            stack.end(signal.SIGTERM if stack.process.poll() is None else signal.SIGKILL)


@contextlib.contextmanager
def under_load(stack: Stack, accesses: list[str]) -> Iterator[Campaign]:
    """Let buyers buy while the block injects faults; print the figures at its end."""
    witness = Witness()
    with Load(accesses=accesses, addresses=[stack.address], witness=witness) as load:
        campaign = Campaign(stack, load, witness)
        campaign.warm_up()
        try:
            yield campaign
        finally:
            print(f"\n{describe(campaign.report())}")


@pytest.fixture(scope="session")
def full_disk_aftermath(form: Form, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """A stack on a small disk that has been full under load; in the short form after all other faults."""
    top = tmp_path_factory.mktemp("full-disk")
    folder = top / "disk"
    folder.mkdir()
    with small_disk(folder) as is_mounted, running(folder, top / "up.log", form) as (stack, tokens):
        # Only root may mount a disk to fill. For others the system refuses the server's writes.
        last = DISK_FULL if is_mounted else WRITES_REFUSED
        with under_load(stack, tokens) as campaign:
            if not LONG:
                campaign.strike_for(FAULTS, seconds=0, hold_s=form.hold_s)
            campaign.strike_for([last], seconds=form.disk_s, hold_s=form.disk_hold_s)
        yield campaign


@pytest.fixture(scope="session")
def aftermath(
    form: Form, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Campaign]:
    """A stack that has been through every fault under load, with what its buyers were told."""
    if not LONG:
        yield request.getfixturevalue("full_disk_aftermath")
        return
    folder = tmp_path_factory.mktemp("faults")
    with running(folder, folder / "up.log", form) as (stack, tokens):
        with under_load(stack, tokens) as campaign:
            campaign.strike_for(FAULTS, seconds=form.faults_s, hold_s=form.hold_s)
        yield campaign


def require_whole(campaign: Campaign) -> None:
    """Fail unless the stack is ready, all is as clients were told, and no answer was out of order."""
    stack, witness = campaign.stack, campaign.witness
    wait_until(stack.is_ready, seconds=INTEGRITY_WITHIN_S, what="ready at the end")
    with stack.connect() as connection:
        findings = audit(connection, witness)
    assert not findings, "\n".join(findings)
    checked = stack.manage("check_integrity", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not witness.oddities, "\n".join(witness.oddities)
    assert len(witness.calls_of("pay", "acknowledged")) > len(campaign.recoveries)
