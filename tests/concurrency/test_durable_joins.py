"""A number that was given on is on the disk, though nobody waits for the disk while they lock the numbers."""

import pytest
from django.db import connection

from apps.queue import joining, services
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

# PostgreSQL's own writer may be quicker than a look at the log, now and then.
LOOKS = 10


@pytest.fixture
def waiting_for_the_disk(room):
    """The tests' server waits for it nowhere; this connection does for the time of the test."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        yield
        cursor.execute("RESET synchronous_commit")


def ask(expression):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        return cursor.fetchone()[0]


def join(monkeypatch, *, flush):
    """Join, and say whether the join's commit was on the disk when that was done."""
    committed = []

    def note_and_flush():
        committed.append(ask("pg_current_wal_insert_lsn()"))
        flush()

    monkeypatch.setattr(joining, "flush_commits", note_and_flush)
    really = services.get_entry
    on_disk = []

    def look(entry_id):
        on_disk.append(ask(f"pg_current_wal_flush_lsn() >= '{committed[0]}'::pg_lsn"))
        return really(entry_id)

    monkeypatch.setattr(services, "get_entry", look)
    services.issue_token(customer_id=UserFactory().pk, room_slug="main", now=NOW)
    monkeypatch.undo()
    return on_disk[0]


def test_a_place_is_on_the_disk_before_anybody_is_told(waiting_for_the_disk, monkeypatch):
    assert all(join(monkeypatch, flush=joining.flush_commits) for _look in range(LOOKS))


def test_without_waiting_for_the_disk_it_is_not(waiting_for_the_disk, monkeypatch):
    assert not all(join(monkeypatch, flush=lambda: None) for _look in range(LOOKS))
