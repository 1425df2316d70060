"""The faults, one function each. Each blocks for as long as its fault lasts and leaves none of it behind."""

import contextlib
import functools
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from config.embedded.cluster import server_processes
from config.embedded.postgres import BROKER_DATABASE_NAME
from tests.faults.buyers import Load
from tests.faults.stack import Stack
from tests.running.encore import ROOT, find_free_port, wait_until

SHIFT_S = 600
SETTLE_WITHIN_S = 30.0
RESERVE_BYTES = 1 << 20
# Half a segment of the log; tables are smaller.
FILE_BYTES_MAX = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A kind of fault. `ends` names the child of the supervisor that it kills, if it kills one.

    `deaths` is how often at the most; by default once, and once more to spare.
    """

    name: str
    inject: Callable[[Stack, Load, float], None]
    ends: str = ""
    deaths: int = 2


def kill(pid: int) -> None:
    """Kill a process that may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_web_worker(stack: Stack, _load: Load, _hold_s: float) -> None:
    _server, *workers = stack.find_processes("granian")
    kill(workers[0])


def kill_web(stack: Stack, _load: Load, _hold_s: float) -> None:
    kill(next(stack.find_processes("granian")))


def kill_worker(stack: Stack, _load: Load, _hold_s: float) -> None:
    kill(next(stack.find_processes("celery", " worker ")))


def kill_beat(stack: Stack, _load: Load, _hold_s: float) -> None:
    kill(next(stack.find_processes("celery", " beat ")))


def kill_backend(stack: Stack, _load: Load, _hold_s: float) -> None:
    """Kill the server process of one connection; PostgreSQL then ends all others and recovers."""
    kill(stack.list_backends()[0])


def kill_postmaster(stack: Stack, _load: Load, _hold_s: float) -> None:
    kill(stack.find_postmaster())


def stop_broker(stack: Stack, load: Load, hold_s: float) -> None:
    """Have the broker's database refuse everybody. Buyers must not notice; `/readyz` must."""
    set_access = f"ALTER DATABASE {BROKER_DATABASE_NAME} ALLOW_CONNECTIONS"
    with stack.connect("postgres", superuser=True) as connection:
        connection.execute(f"{set_access} false")
        try:
            stack.end_connections(BROKER_DATABASE_NAME)
            began = time.monotonic()
            wait_until(
                lambda: ask(f"{stack.address}/readyz?check=broker") == 503,
                seconds=SETTLE_WITHIN_S,
                what="/readyz says that the broker is gone",
            )
            wait_until(
                lambda: load.witness.has_purchase_since(began),
                seconds=SETTLE_WITHIN_S,
                what="a purchase without a broker",
            )
            time.sleep(max(0.0, began + hold_s - time.monotonic()))
        finally:
            connection.execute(f"{set_access} true")


def fill_pool(stack: Stack, _load: Load, hold_s: float) -> None:
    """Have strangers take every connection of the server; the answer must be 503 `busy`."""
    with contextlib.ExitStack() as strangers:
        take_all_connections(stack, strangers)
        answer = httpx.get(f"{stack.api}/concerts", timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (503, "busy"), answer.text
        assert "Retry-After" in answer.headers
        time.sleep(hold_s)


def take_all_connections(stack: Stack, strangers: contextlib.ExitStack) -> None:
    """Connect until nobody else is connected any more, ending Encore's own connections in between."""
    deadline = time.monotonic() + SETTLE_WITHIN_S
    # Open all the while: a place that it left would be taken by Encore.
    superuser = strangers.enter_context(stack.connect("postgres", superuser=True))
    others = 1
    while others:
        assert time.monotonic() < deadline, f"{others} connections of Encore's own remain"
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                connection = stack.connect(application_name="stranger")
                strangers.enter_context(contextlib.closing(connection))
        ended = superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND application_name <> 'stranger'"
            " AND pid <> pg_backend_pid()"
        )
        others = len(ended.fetchall())


def fill_disk(stack: Stack, _load: Load, hold_s: float) -> None:
    """Use up the disk with the data on it: first tables cannot grow, then neither can the log."""
    with full_disk(stack.data_dir):
        time.sleep(hold_s / 2)
        demand_log(stack)
        time.sleep(hold_s / 2)


def refuse_writes(stack: Stack, _load: Load, hold_s: float) -> None:
    """Have the system refuse the server's writes beyond `FILE_BYTES_MAX` of a file.

    A server that is started anew is under no such limit.
    """
    limit_files(stack, FILE_BYTES_MAX)
    demand_log(stack)
    time.sleep(hold_s)
    limit_files(stack, resource.getrlimit(resource.RLIMIT_FSIZE)[0])


def demand_log(stack: Stack) -> None:
    """Have the server need the log's next segments now, not when the present ones are full."""
    for _ in range(3):
        with (
            contextlib.suppress(psycopg.OperationalError),
            stack.connect("postgres", superuser=True) as connection,
        ):
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("SELECT txid_current()")


def limit_files(stack: Stack, limit: int) -> None:
    """Set the greatest size of a file for all processes of the server, in bytes."""
    for pid in server_processes(stack.data_dir / "postgres"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, subprocess.SubprocessError):
            owner = Path(f"/proc/{pid}").stat()
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            set_limit = functools.partial(
                resource.prlimit, pid, resource.RLIMIT_FSIZE, (limit, hard)
            )
            # Its own user may do it, where even root may not.
            same = owner.st_uid == os.geteuid()
            who = {} if same else {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
            subprocess.run(["/bin/true"], preexec_fn=set_limit, check=True, **who)


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Leave no byte free on the disk of `folder`."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb") as file:
            # By blocks, the last ones small: what processes free meanwhile is taken too.
            for size in (RESERVE_BYTES, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
        yield
    finally:
        ballast.unlink()


def shift_clock(stack: Stack, load: Load, hold_s: float, *, shift_s: int) -> None:
    """Serve a share of the requests from a web server whose clock is wrong."""
    port = find_free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--blocking-threads", "2",
        "tests.faults.shifted_clock:application",
    ]  # fmt: skip
    environment = {**stack.environment(), "FAULTS_CLOCK_SHIFT_S": str(shift_s)}
    with stack.log.open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_until(
            lambda: ask(f"{address}/readyz?check=database") == 200,
            seconds=SETTLE_WITHIN_S,
            what="the second web server is up",
        )
        load.addresses.append(address)
        time.sleep(hold_s)
    finally:
        if address in load.addresses:
            load.addresses.remove(address)
        process.terminate()
        process.wait(timeout=20)


def put_clock_forward(stack: Stack, load: Load, hold_s: float) -> None:
    shift_clock(stack, load, hold_s, shift_s=SHIFT_S)


def put_clock_back(stack: Stack, load: Load, hold_s: float) -> None:
    shift_clock(stack, load, hold_s, shift_s=-SHIFT_S)


def ask(url: str) -> int:
    """Return the status of an answer; 0 where there is none."""
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0


FAULTS = (
    Fault(name="web worker killed", inject=kill_web_worker),
    Fault(name="web server killed", inject=kill_web, ends="web"),
    Fault(name="Celery worker killed", inject=kill_worker, ends="worker"),
    Fault(name="beat killed", inject=kill_beat, ends="beat"),
    Fault(name="PostgreSQL backend killed", inject=kill_backend),
    Fault(name="postmaster killed", inject=kill_postmaster, ends="database"),
    Fault(name="broker stopped", inject=stop_broker),
    Fault(name="connections used up", inject=fill_pool),
    Fault(name="clock 10 min ahead", inject=put_clock_forward),
    Fault(name="clock 10 min behind", inject=put_clock_back),
)
DISK_FULL = Fault(name="disk full", inject=fill_disk, ends="database", deaths=3)
WRITES_REFUSED = Fault(name="writes refused", inject=refuse_writes, ends="database")
