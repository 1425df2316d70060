"""The embedded PostgreSQL, with real servers in folders of their own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded import postgres
from config.embedded.broker import install_schema
from config.embedded.cluster import EmbeddedPostgresError
from config.embedded.identity import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
from config.embedded.postgres import (
    BROKER_DATABASE_NAME,
    DATABASE_NAME,
    ROLE,
    EmbeddedPostgres,
    binary,
    socket_directory,
)

FAST = {"fsync": "off", "shared_buffers": "16MB"}
Make = Callable[..., EmbeddedPostgres]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[EmbeddedPostgres] = []

    def make_server(folder: str = "data", *, create_databases: bool = False) -> EmbeddedPostgres:
        server = EmbeddedPostgres(
            tmp_path / folder, server_settings=FAST, create_databases=create_databases
        )
        made.append(server)
        return server

    yield make_server
    for server in made:
        server.stop()


def query(server: EmbeddedPostgres, statement: str, database: str = DATABASE_NAME) -> list[tuple]:
    with psycopg.connect(server.conninfo(database)) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def server_pid(server: EmbeddedPostgres) -> int:
    return int((server.folder / "postmaster.pid").read_text().splitlines()[0])


def test_restart_keeps_data_and_leaves_nothing_running(make: Make) -> None:
    server = make()
    server.start()
    pid = server_pid(server)
    query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()

    assert not server.running
    assert not Path(f"/proc/{pid}").exists()
    assert not server.socket_folder.exists()
    assert (server.folder / "PG_VERSION").exists()

    again = make()
    assert again.initialise() is False
    again.start()
    assert query(again, "SELECT answer FROM kept") == [(42,)]


def test_role_is_no_superuser_and_owns_both_databases(make: Make) -> None:
    server = make()
    server.start()
    server.provision()

    role = f"SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = '{ROLE}'"
    assert query(server, role) == [(False, False, False)]
    owned = f"SELECT datname FROM pg_database WHERE datdba = '{ROLE}'::regrole ORDER BY datname"
    assert query(server, owned) == [(DATABASE_NAME,), (BROKER_DATABASE_NAME,)]


def test_test_suites_may_create_databases(make: Make) -> None:
    server = make(create_databases=True)
    server.start()

    assert query(server, f"SELECT rolcreatedb FROM pg_roles WHERE rolname = '{ROLE}'") == [(True,)]


def test_cluster_is_utf8_checksummed_durable_and_off_the_network(make: Make) -> None:
    server = EmbeddedPostgres(make().data_dir)
    try:
        server.start()
        names = [
            *("server_encoding", "data_checksums", "listen_addresses", "fsync"),
            *("synchronous_commit", "full_page_writes", "jit", "TimeZone"),
        ]
        values = [query(server, f"SHOW {name}")[0][0] for name in names]
        provider = query(server, "SELECT datlocprovider, datlocale FROM pg_database LIMIT 1")
    finally:
        server.stop()

    assert values == ["UTF8", "on", "", "on", "on", "on", "off", "UTC"]
    assert provider == [("b", "C.UTF-8")]


def test_programs_come_from_the_wheel_of_this_environment(make: Make) -> None:
    server = make()
    server.start()

    executable = Path(f"/proc/{server_pid(server)}/exe").resolve()

    assert executable == binary("postgres").resolve()
    assert executable.is_relative_to(Path(sys.prefix).resolve())


def test_socket_folder_is_closed_to_others(make: Make) -> None:
    server = make()
    server.start()

    assert server.socket_folder.stat().st_mode & 0o777 == 0o700
    assert query(server, "SELECT current_user") == [(ROLE,)]


def test_works_below_a_folder_that_only_we_may_enter(make: Make, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = make("closed/data")
    server.start()

    status = Path(f"/proc/{server_pid(server)}/status").read_text()
    capabilities = int(re.findall(r"CapEff:\s*(\w+)", status)[0], 16)
    uid = int(re.findall(r"Uid:\s*(\d+)", status)[0])

    assert query(server, "SELECT 1") == [(1,)]
    assert closed.stat().st_mode & 0o777 == 0o700
    assert uid != 0
    if os.geteuid() == 0:
        assert capabilities in (1 << CAP_DAC_READ_SEARCH, 1 << CAP_DAC_OVERRIDE)
        assert (server.folder).stat().st_uid == uid
    else:
        assert capabilities == 0


def test_works_with_programs_below_a_folder_that_only_we_may_enter(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = binary("postgres").parents[2]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, closed / folder.name, symlinks=True)
    programs = closed / package.name / "pginstall" / "bin"
    monkeypatch.setattr(postgres, "binary", lambda name: programs / name)
    server = make("closed/data")
    server.start()

    assert query(server, "SELECT 1") == [(1,)]
    assert Path(f"/proc/{server_pid(server)}/exe").readlink() == programs / "postgres"
    assert closed.stat().st_mode & 0o777 == 0o700


def test_left_overs_of_an_interrupted_start_are_removed(make: Make) -> None:
    server = make()
    half = server.data_dir / "postgres.unfinished-0123abcd"
    (half / "base").mkdir(parents=True)
    server.folder.mkdir()

    server.start()

    assert not half.exists()
    assert query(server, "SELECT 1") == [(1,)]


def test_failed_initdb_leaves_no_cluster(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    server = make()
    monkeypatch.setattr("config.embedded.postgres.binary", lambda name: Path("/bin/false"))
    monkeypatch.setattr(EmbeddedPostgres, "identity", None)

    with pytest.raises(EmbeddedPostgresError, match="cannot be made"):
        server.initialise()

    assert not server.folder.exists()
    assert list(server.data_dir.iterdir()) == []


def test_folder_of_something_else_is_not_touched(make: Make) -> None:
    server = make()
    server.folder.mkdir(parents=True)
    (server.folder / "letter").write_text("dear")

    with pytest.raises(EmbeddedPostgresError, match="is no database folder"):
        server.start()

    assert (server.folder / "letter").read_text() == "dear"


def test_cluster_of_another_version_is_refused(make: Make) -> None:
    server = make()
    server.initialise()
    (server.folder / "PG_VERSION").write_text("9\n")

    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 9"):
        make().start()


def test_lock_file_with_the_id_of_a_stranger_does_not_prevent_a_start(make: Make) -> None:
    server = make()
    server.start()
    lock = server.folder / "postmaster.pid"
    lines = lock.read_text().splitlines()
    os.kill(int(lines[0]), signal.SIGKILL)
    server.stop()
    owner = server.folder.stat()
    stranger = subprocess.Popen(
        ["sleep", "60"],
        **({"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}),
    )
    try:
        server.wait_until_free(10)
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        server.start()
        assert query(server, "SELECT 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_recovers_after_the_server_was_killed(make: Make) -> None:
    server = make()
    server.start()
    query(server, "CREATE TABLE kept AS SELECT 1 AS answer")
    os.kill(server_pid(server), signal.SIGKILL)
    server.stop()

    server.wait_until_free(10)
    server.start()

    assert query(server, "SELECT answer FROM kept") == [(1,)]


def test_second_server_on_one_folder_is_refused_and_the_first_unharmed(make: Make) -> None:
    first = make()
    first.start()

    with pytest.raises(EmbeddedPostgresError, match=f"process .*{server_pid(first)}"):
        make().start()

    assert first.running
    assert query(first, "SELECT 1") == [(1,)]


def test_socket_path_is_short_and_steady_whatever_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = tmp_path.joinpath(*["a-very-long-name-of-a-folder"] * 8)
    assert socket_directory(data_dir) == socket_directory(data_dir / ".." / data_dir.name)
    assert socket_directory(data_dir) != socket_directory(tmp_path)

    for temporary in (str(data_dir), "/tmp/with space"):
        monkeypatch.setattr("tempfile.tempdir", temporary)
        path = socket_directory(data_dir) / ".s.PGSQL.5432"
        assert len(os.fsencode(path)) <= 107
        assert " " not in str(path)


def test_starts_in_a_folder_with_a_long_name(make: Make) -> None:
    server = make("/".join(["a-very-long-name-of-a-folder"] * 5))
    server.start()

    assert query(server, "SELECT 1") == [(1,)]


def test_foreign_socket_folder_is_not_trusted(make: Make, tmp_path: Path) -> None:
    server = make()
    server.socket_folder.symlink_to(tmp_path)
    try:
        with pytest.raises(EmbeddedPostgresError, match="is not ours"):
            server.start()
    finally:
        server.socket_folder.unlink()


def test_broker_schema_may_be_installed_twice_at_once_by_the_owner(make: Make) -> None:
    server = make()
    server.start()
    conninfo = server.conninfo(BROKER_DATABASE_NAME)
    barrier = threading.Barrier(3)
    failures: list[BaseException] = []

    def install() -> None:
        barrier.wait()
        try:
            install_schema(conninfo, ["encore", "other"])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=install) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    queues = "SELECT queue_name FROM pgmq.list_queues() ORDER BY 1"
    assert query(server, queues, BROKER_DATABASE_NAME) == [("encore",), ("other",)]


def test_broker_schema_keeps_messages(make: Make) -> None:
    server = make()
    server.start()
    conninfo = server.conninfo(BROKER_DATABASE_NAME)
    install_schema(conninfo, ["encore"])
    query(server, "SELECT pgmq.send('encore', '{}')", BROKER_DATABASE_NAME)

    install_schema(conninfo, ["encore"])

    length = "SELECT queue_length FROM pgmq.metrics('encore')"
    assert query(server, length, BROKER_DATABASE_NAME) == [(1,)]
