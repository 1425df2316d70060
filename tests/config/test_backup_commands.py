"""`manage.py backup` and `restore`: everything comes back, with what keeps it true; nothing is overwritten."""

import json
import re
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from config import backups
from config.embedded.postgres import EmbeddedPostgres
from tests.reservations.support import post_hold, post_payment, post_reservation

pytestmark = pytest.mark.django_db(transaction=True)


def connect_to(database):
    connection.close()
    connection.settings_dict["NAME"] = database
    ContentType.objects.clear_cache()


@pytest.fixture
def empty_database():
    """An empty database; a call goes over to it, and the test's own is back in the end."""
    own = connection.settings_dict["NAME"]
    with connection._nodb_cursor() as cursor:
        cursor.execute("CREATE DATABASE restored")
    try:
        yield lambda: connect_to("restored")
    finally:
        connect_to(own)
        with connection._nodb_cursor() as cursor:
            cursor.execute("DROP DATABASE restored WITH (FORCE)")


@pytest.fixture
def sold(buyer, seats):
    """One seat bought through the API."""
    held = post_hold(buyer, seats[:1]).json()
    reserved = post_reservation(buyer, held["id"]).json()
    buyer.post("/api/v1/wallet/charges", {"amount": reserved["total"]})
    assert post_payment(buyer, reserved["id"]).status_code == 201


@pytest.fixture
def file(tmp_path):
    return tmp_path / "encore.dump"


def run(command, *arguments):
    out, err = StringIO(), StringIO()
    call_command(command, *map(str, arguments), "--json", stdout=out, stderr=err)
    return json.loads(out.getvalue()), err.getvalue()


def read_rows():
    """Return the number of rows of each table, with a digest of them."""
    rows = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            digest = "md5(string_agg(t::text, chr(10) ORDER BY t::text))"
            cursor.execute(f'SELECT count(*), {digest} FROM "{table}" t')
            rows[table] = cursor.fetchone()
    return rows


_CASTS = re.compile(r"::(text|character varying)|[()\[\]]")


def read_fences():
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
            UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace
            UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid)
              FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'""")
        # PostgreSQL writes casts down in another way when it has read them once.
        return {_CASTS.sub("", text) for (text,) in cursor.fetchall()}


def test_everything_comes_back_with_what_keeps_it_true(sold, file, empty_database):
    rows, fences = read_rows(), read_fences()
    assert rows["payments_payment"][0] == 1
    result, told = run("backup", file)
    assert result["bytes"] == file.stat().st_size > 0
    assert "reading payments_payment" in told
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    empty_database()
    restored, told = run("restore", file)
    assert restored["tables"] == len(rows)
    assert "writing payments_payment" in told
    assert (read_rows(), read_fences()) == (rows, fences)
    with connection.cursor() as cursor:
        # The one fence that tests do without.
        cursor.execute("ALTER TABLE wallet_walletentry ENABLE TRIGGER wallet_entry_no_truncate")
    call_command("check_integrity", stdout=StringIO(), stderr=StringIO())
    with pytest.raises(DatabaseError, match="wallet"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM wallet_walletentry")


def test_what_the_servers_owner_added_is_left_to_them(sold, file, empty_database):
    def as_owner(statement):
        database = connection.settings_dict["NAME"]
        with EmbeddedPostgres(settings.DATA_DIR)._connect(database) as owner:
            owner.execute(statement)

    as_owner("CREATE EXTENSION pg_stat_statements")
    try:
        run("backup", file)
    finally:
        as_owner("DROP EXTENSION pg_stat_statements")
    empty_database()
    assert run("restore", file)[0]["tables"] > 0


def test_a_backup_never_replaces_a_file(sold, file):
    file.write_text("yesterday's")
    with pytest.raises(CommandError, match="is there already"):
        run("backup", file)
    assert file.read_text() == "yesterday's"
    assert list(file.parent.iterdir()) == [file]


def test_a_backup_that_fails_leaves_nothing_behind(file, monkeypatch):
    monkeypatch.setattr(backups, "LOCK_WAIT_MS", "nonsense")
    with pytest.raises(CommandError, match=r"pg_dump failed: pg_dump: error: .*nonsense"):
        run("backup", file)
    assert list(file.parent.iterdir()) == []


def test_a_backup_that_is_stopped_leaves_nothing_behind(file, monkeypatch):
    def stop(_table):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_command("backup", str(file), stdout=StringIO(), stderr=Stopper(stop))
    assert list(file.parent.iterdir()) == []


class Stopper(StringIO):
    def __init__(self, stop):
        super().__init__()
        self.write = stop


def test_a_folder_that_is_not_there_is_told(file):
    with pytest.raises(CommandError, match="nowhere is no folder"):
        run("backup", file.parent / "nowhere" / "file")


def test_a_dry_run_writes_nothing(sold, file, empty_database):
    assert run("backup", file, "--dry-run")[0]["database_bytes"] > 0
    assert not file.exists()
    run("backup", file)
    empty_database()
    assert run("restore", file, "--dry-run")[0]["tables"] > 0
    assert backups.list_tables() == []


def test_a_database_in_use_is_refused(sold, file):
    run("backup", file)
    rows = read_rows()
    with pytest.raises(CommandError, match="not empty: it has"):
        run("restore", file)
    assert read_rows() == rows


def test_what_is_no_backup_is_refused(file, empty_database):
    empty_database()
    with pytest.raises(CommandError, match="is no file"):
        run("restore", file)
    file.write_text("-- SQL")
    with pytest.raises(CommandError, match="is no backup that can be read"):
        run("restore", file)


def test_half_a_backup_restores_nothing(sold, file, empty_database):
    run("backup", file)
    file.write_bytes(file.read_bytes()[:-20_000])
    empty_database()
    with pytest.raises(CommandError, match="pg_restore"):
        run("restore", file)
    assert backups.list_tables() == []


def test_a_program_older_than_the_server_is_not_used(monkeypatch, tmp_path):
    server = connection.cursor().connection.info.server_version // 10_000
    old = make_program(tmp_path, server - 1)
    monkeypatch.setattr(backups.shutil, "which", lambda _name: str(old))
    assert backups.find_program("pg_dump") == backups.binary("pg_dump")
    newer = make_program(tmp_path, server + 1)
    monkeypatch.setattr(backups, "binary", lambda _name: old)
    monkeypatch.setattr(backups.shutil, "which", lambda _name: str(newer))
    assert backups.find_program("pg_dump") == newer
    monkeypatch.setattr(backups.shutil, "which", lambda _name: None)
    with pytest.raises(CommandError, match=f"version {server} or newer; found: {server - 1}"):
        backups.find_program("pg_dump")


def make_program(folder, major):
    path: Path = folder / f"pg_dump-{major}"
    path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {major}.4'\n")
    path.chmod(0o700)
    return path
