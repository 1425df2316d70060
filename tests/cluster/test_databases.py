"""Each PostgreSQL that Encore promises to run on, and each way to it, without a fault."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql

from tests.cluster import servers
from tests.cluster.network import Network
from tests.cluster.packages import bootstrap_newer
from tests.running.encore import ROOT

pytestmark = pytest.mark.timeout(600)

SCENARIOS = sorted(str(path) for path in ROOT.glob("tests/*/test_scenarios*.py"))
HOST = "database"


@dataclass(frozen=True, kw_only=True)
class Way:
    """A PostgreSQL, and PgBouncer before it or not. `own` is this machine's own Debian."""

    name: str
    own: bool
    version: int
    pooler: bool


WAYS = (
    Way(name="postgresql-15", own=True, version=15, pooler=False),
    Way(name="postgresql-15-pgbouncer-1.18", own=True, version=15, pooler=True),
    Way(name="postgresql-17", own=False, version=17, pooler=False),
    Way(name="postgresql-17-pgbouncer-1.24", own=False, version=17, pooler=True),
)


@dataclass(frozen=True, kw_only=True)
class Database:
    """A running database, and how it is named to Encore."""

    way: Way
    address: str

    @property
    def settings(self) -> dict[str, str]:
        """Return the environment that leads to it."""
        who = f"{servers.DATABASE}:{servers.PASSWORD}"
        port = servers.PGBOUNCER_PORT if self.way.pooler else 5432
        return {
            "DATABASE_URL": f"postgresql://{who}@{self.address}:{port}/{servers.DATABASE}",
            "DATABASE_POOLER": "transaction" if self.way.pooler else "none",
            "DATABASE_PREPARED_STATEMENTS": "0" if self.way.pooler and self.way.own else "1",
            # Nobody is there; none of this asks for it.
            "CELERY_BROKER_URL": f"redis://{self.address}/0",
        }

    def run(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run Python with it as the database."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.settings, **settings},
            check=False,
            capture_output=True,
            text=True,
        )

    def execute(self, statement: str) -> None:
        """Run a statement as the superuser, past the pooler."""
        with servers.connect(self.address, servers.DATABASE) as connection:
            connection.execute(sql.SQL(statement))


@contextlib.contextmanager
def running(way: Way, folder: Path) -> Iterator[Database]:
    """Run the database on a host of its own."""
    folder.chmod(0o755)
    with Network() as network:
        address = network.add_host(HOST)
        root = None if way.own else bootstrap_newer()
        debian = servers.Debian(network=network, folder=folder, root=root)
        server = servers.postgres(debian, HOST, version=way.version)
        server.start()
        servers.make_database(address)
        if way.pooler:
            servers.pgbouncer(debian, HOST, prepares=not way.own).start()
        yield Database(way=way, address=address)


@pytest.fixture(scope="module", params=WAYS, ids=[way.name for way in WAYS])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="encore-database-"))
    try:
        with running(request.param, folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


def test_the_scenarios(database: Database):
    # Through a pooler the tests' own database stays: its connections would keep it from being dropped.
    done = database.run("-m", "pytest", "--reuse-db", "-p", "no:cacheprovider", *SCENARIOS)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_check_finds_nothing_missing(database: Database):
    done = database.run("manage.py", "check", "--database", "default")
    assert done.returncode == 0, done.stderr


def test_the_check_names_a_limit_that_is_missing(database: Database):
    if not database.way.pooler:
        # Straight to PostgreSQL each connection asks for its limits, whatever its role has.
        database.execute(f"ALTER ROLE {servers.DATABASE} SET lock_timeout = 0")
        done = database.run("manage.py", "check", "--database", "default")
        database.execute(f"ALTER ROLE {servers.DATABASE} RESET lock_timeout")
        assert done.returncode == 0, done.stderr
        return
    # `forgetful` is the same database by an entry without the limits.
    url = database.settings["DATABASE_URL"].removesuffix(servers.DATABASE) + servers.FORGETFUL
    done = database.run("manage.py", "check", "--database", "default", DATABASE_URL=url)
    assert done.returncode == 1
    for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        assert f"{name} is off" in done.stderr
        assert f"SET {name} = " in done.stderr


def test_the_check_names_prepared_statements_that_are_not_kept_apart(database: Database):
    done = database.run(
        "manage.py", "check", "--database", "default", DATABASE_PREPARED_STATEMENTS="1"
    )
    unsafe = database.way.pooler and database.way.own
    assert ("encore.E002" in done.stderr) == unsafe, done.stderr
