"""The servers that a measurement needs: PostgreSQL with databases of its own, and granian."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg
from psycopg import sql

from config.embedded.postgres import ROLE, EmbeddedPostgres, binary

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_S = 30
# As `make run` has them, but for more memory (a quarter of what the smallest machine for a million
# people should have) and for the statistics that the measurement reads.
SERVER_SETTINGS = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "max_connections": "100",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
}
# As config/embedded/programs.py starts the web server.
WEB_WORKERS = 2
WEB_THREADS = 2


class Workbench:
    """A PostgreSQL in a temporary folder, and web servers over its databases."""

    def __init__(self, folder: Path) -> None:
        self.postgres = EmbeddedPostgres(
            folder, server_settings=SERVER_SETTINGS, create_databases=True
        )
        self.secret_key = secrets.token_urlsafe(50)

    @property
    def socket_folder(self) -> str:
        """Where the PostgreSQL listens."""
        return str(self.postgres.socket_folder)

    def connect(self, database: str, *, user: str = ROLE) -> psycopg.Connection:
        """Return a connection that commits each statement."""
        return psycopg.connect(host=self.socket_folder, dbname=database, user=user, autocommit=True)

    def make_database(self, name: str) -> None:
        """Make a database with Encore's tables, and empty statistics of statements."""
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with self.connect(name, user="postgres") as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute(
                sql.SQL("GRANT pg_read_all_stats TO {}").format(sql.Identifier(ROLE))
            )
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env=self.environment(name),
            check=True,
        )

    def environment(self, database: str) -> Mapping[str, str]:
        """Return the environment of a process of Encore's that uses this database."""
        query = urlencode({"host": self.socket_folder, "user": ROLE})
        return {
            **os.environ,
            "DATABASE_URL": f"postgresql:///{database}?{query}",
            "SECRET_KEY": self.secret_key,
            "DEBUG": "0",
            "ALLOWED_HOSTS": "127.0.0.1",
            "HTTPS_ONLY": "0",
            # All requests come from one address, and each customer asks more than anybody would.
            "THROTTLE_ENABLED": "0",
            "PYTHONPATH": str(ROOT),
        }

    @contextmanager
    def serve(self, database: str) -> Iterator[str]:
        """Run the web server over a database; yield its address."""
        port = find_free_port()
        command = [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws",
            "--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "error",
            "--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS),
            "benchmarks.wsgi:application",
        ]  # fmt: skip
        # A Ctrl-C is for who measures alone: told twice to stop, granian would not.
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment(database), start_new_session=True
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_up(f"{address}/healthz", process)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def workbench() -> Iterator[Workbench]:
    """Run a PostgreSQL in a temporary folder for the time of the block, and remove all of it."""
    folder = Path(tempfile.mkdtemp(prefix="encore-bench-"))
    bench = Workbench(folder)
    try:
        bench.postgres.start()
        yield bench
    finally:
        bench.postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def find_free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(
    address: str, process: subprocess.Popen[bytes], *, limit_s: float = START_LIMIT_S
) -> None:
    """Wait until the address answers. Raise `RuntimeError` when the process ends, or is late."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(address, timeout=2) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the web server did not start")


def describe_machine() -> str:
    """Return what the figures were measured on."""
    cores = os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    version = subprocess.run(
        [binary("postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{cores} cores, {memory:.0f} GiB, Python {python}, {version}"
