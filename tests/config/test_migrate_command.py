"""`manage.py migrate` beside customers: it gives way, tries again, and says what is in its way."""

from io import StringIO

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import errors

from config.management.commands import migrate

pytestmark = pytest.mark.django_db(transaction=True)

# The migration after this one makes an index, so it needs the table for itself, both ways. A later one
# drops one that Django had named.
APP, BEFORE, TABLE, OURS = (
    "payments",
    "0002_staff_permissions",
    "payments_payment",
    r"payment\_%",
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(migrate, "PAUSE_S", (0, 0))
    yield
    call_command("migrate", APP, verbosity=0)


@pytest.fixture
def other():
    """A connection of somebody else's, in a transaction of its own."""
    parameters = connection.get_connection_params()
    known = {name: parameters[name] for name in ("dbname", "user", "host")}
    with psycopg.connect(**known, application_name="a long report") as somebody:
        yield somebody
        somebody.rollback()


class Listener(StringIO):
    """Acts as soon as something is said."""

    def __init__(self, words, act):
        super().__init__()
        self.words, self.act = words, act

    def write(self, text):
        if self.words in text and self.act:
            act, self.act = self.act, None
            act()
        return super().write(text)


def count_indexes():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_indexes WHERE tablename = %s AND indexname LIKE %s",
            [TABLE, OURS],
        )
        return cursor.fetchone()[0]


def read_timeouts():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
        )
        return cursor.fetchone()


def test_it_gives_way_and_tries_again(other):
    complete = count_indexes()
    other.execute(f"SELECT count(*) FROM {TABLE}")
    told = Listener("A table is in use", other.rollback)
    call_command("migrate", APP, BEFORE, verbosity=0, stderr=told)
    assert told.getvalue().count("A table is in use") == 1
    assert count_indexes() == complete - 1
    call_command("migrate", APP, verbosity=0)
    assert count_indexes() == complete


def test_it_says_who_is_in_the_way_and_has_done_nothing(other, monkeypatch):
    monkeypatch.setattr(migrate, "ATTEMPTS", 2)
    complete, timeouts = count_indexes(), read_timeouts()
    other.execute(f"SELECT count(*) FROM {TABLE}")
    with pytest.raises(CommandError, match=r"run migrate again.*process \d+ \(a long report\)"):
        call_command("migrate", APP, BEFORE, verbosity=0, stderr=StringIO())
    assert count_indexes() == complete
    assert read_timeouts() == timeouts == ("3s", "30s")


def test_nobody_waits_longer_than_the_change_does(other):
    """While a change waits, who comes after it waits too; it must give way before their patience ends."""
    assert migrate.LOCK_TIMEOUT_MS * 4 < settings.LOCK_TIMEOUT_MS
    other.execute(f"SELECT count(*) FROM {TABLE}")
    seen = []

    def look():
        seen.append(read_timeouts())
        other.rollback()

    call_command("migrate", APP, BEFORE, verbosity=0, stderr=Listener("A table is in use", look))
    assert seen == [(f"{migrate.LOCK_TIMEOUT_MS}ms", "0")]


def test_one_migrates_at_a_time(other):
    other.execute(f"SELECT pg_advisory_xact_lock({migrate._ONE_AT_A_TIME})")
    told = Listener("Another migrate is running", other.rollback)
    call_command("migrate", APP, verbosity=0, stderr=told)
    assert told.act is None


def test_an_index_that_was_cut_off_is_told():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch AS SELECT 1 AS a FROM generate_series(1, 2)")
        try:
            with pytest.raises(Exception, match="scratch_a") as failure:
                cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY scratch_a ON scratch (a)")
            assert isinstance(failure.value.__cause__, errors.UniqueViolation)
            with pytest.raises(CommandError, match='DROP INDEX CONCURRENTLY "scratch_a";'):
                call_command("migrate", verbosity=0)
            cursor.execute("DROP INDEX CONCURRENTLY scratch_a")
            call_command("migrate", verbosity=0)
        finally:
            cursor.execute("DROP TABLE scratch")


def test_looking_alone_takes_no_lock(other):
    other.execute(f"SELECT pg_advisory_xact_lock({migrate._ONE_AT_A_TIME})")
    out = StringIO()
    call_command("migrate", plan=True, stdout=out, stderr=out)
    assert "No planned migration operations" in out.getvalue()
