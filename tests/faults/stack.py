"""A whole Encore under `manage.py up`, with what is needed to hurt it and to look into it."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from config.embedded.cluster import SUPERUSER
from config.embedded.postgres import BROKER_DATABASE_NAME, DATABASE_NAME, EmbeddedPostgres
from tests.faults.concert import prepare
from tests.running.encore import BARE_PATH, OWN_SETTINGS, ROOT, Encore, wait_until

READY_WITHIN_S = 60.0
# The supervisor's own words for a death; an operator reads the same.
DEATH = re.compile(
    r"^encore +\| (\w+) (?:was killed by|exited with) .*; restarting it in", re.MULTILINE
)
WEB_WORKERS = 2
# Those that run every second.
SWEEPS = ["admit_queue", "expire_queue", "expire_holds"]


class Stack(Encore):
    """One `manage.py up` whose output goes to a file. Its PostgreSQL keeps what it has confirmed."""

    def __init__(self, data_dir: Path, *, log: Path, settings: dict[str, str]) -> None:
        super().__init__(data_dir, settings=settings)
        self.log = log

    def start(self) -> float:
        """Start it and return after how many seconds it was ready."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--no-demo", "--port", str(self.port)],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.is_ready, seconds=90, what="ready")
        return time.monotonic() - began

    def is_ready(self) -> bool:
        """Say whether `/readyz` answers 200; fail with the log's end if the supervisor gave up."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"it gave up:\n{self.log.read_text()[-6000:]}")
        return super().is_ready()

    def environment(self) -> dict[str, str]:
        """Return what its processes are started with."""
        inherited = {name: v for name, v in os.environ.items() if name not in OWN_SETTINGS}
        own = {"DATA_DIR": str(self.data_dir), "PATH": BARE_PATH, "THROTTLE_ENABLED": "0"}
        return inherited | own | self.settings

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as an operator would, beside the running Encore."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment(),
            check=False,
            capture_output=True,
            text=True,
        )

    def connect(
        self, database: str = DATABASE_NAME, *, superuser: bool = False, **options: Any
    ) -> "psycopg.Connection[Any]":
        """Return a connection past Encore. Raises `psycopg.OperationalError`."""
        conninfo = EmbeddedPostgres(self.data_dir).conninfo(database)
        user = {"user": SUPERUSER} if superuser else {}
        return psycopg.connect(conninfo, autocommit=True, connect_timeout=5, **user, **options)

    def end_connections(self, database: str) -> None:
        """End all connections to a database."""
        with self.connect("postgres", superuser=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [database],
            )

    def list_backends(self) -> list[int]:
        """Return the process ids of the server processes that serve Encore's connections."""
        with self.connect("postgres", superuser=True) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE datname IN (%s, %s) AND backend_type = 'client backend' ORDER BY pid",
                [DATABASE_NAME, BROKER_DATABASE_NAME],
            )
            return [pid for (pid,) in rows]

    def find_postmaster(self) -> int:
        """Return the process id of PostgreSQL's first process."""
        assert self.process is not None
        lock_file = self.data_dir / "postgres" / "postmaster.pid"
        return int(lock_file.read_text().splitlines()[0])

    def oldest_heartbeat(self) -> datetime | None:
        """Return when the sweep that is longest ago finished; None while nothing can be asked."""
        try:
            with self.connect() as connection:
                row = connection.execute(
                    "SELECT min(beat_at) FROM core_heartbeat WHERE name = ANY(%s)", [SWEEPS]
                ).fetchone()
        except psycopg.OperationalError:
            return None
        return row[0] if row else None

    def is_complete(self) -> bool:
        """Say whether the web server has all its workers, and worker and beat are there."""
        web = len(list(self.find_processes("granian")))
        return web == 1 + WEB_WORKERS and len(list(self.find_processes("celery"))) == 2

    def count_deaths(self) -> Counter[str]:
        """Return how often the supervisor has restarted each of its children so far."""
        return Counter(DEATH.findall(self.log.read_text(errors="replace")))

    def prepare(self, *, buyers: int, seats_per_date: int) -> list[str]:
        """Put a concert on sale and make its buyers; return their access tokens."""
        folder = self.log.parent
        return prepare(self.manage, folder, buyers=buyers, seats_per_date=seats_per_date)
