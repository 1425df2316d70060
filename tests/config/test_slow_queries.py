"""Statements that take long are logged: how long, for whom, and never with their values."""

import logging
from threading import Event, Thread

import pytest
from django.db import OperationalError, connection, connections
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.core import statements
from apps.core.db import lock_name, transaction
from apps.core.prepared import execute_prepared, fetch_prepared
from apps.core.request_ids import HEADER, begin_work, end_work
from apps.core.statements import SQL_LENGTH_MAX, time_statement

pytestmark = pytest.mark.django_db

SECRET = "haneul@encore.example"


def wait_in_the_database(seconds=0.03):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s), %s", [seconds, SECRET])


def view(request):
    wait_in_the_database()
    return HttpResponse()


class Classy(APIView):
    authentication_classes = permission_classes = ()

    def get(self, request):
        wait_in_the_database()
        return Response({})


urlpatterns = [path("view", view), path("classy", Classy.as_view())]


@pytest.fixture(autouse=True)
def _slow_from_20_ms(settings, db):
    """As with `SLOW_QUERY_MS=20`; the tests' own connection is made with it off."""
    settings.SLOW_QUERY_MS = 20
    with connection.execute_wrapper(time_statement):
        yield


@pytest.fixture
def slow(caplog):
    """Return what was logged of slow statements."""

    def read():
        return [record for record in caplog.records if record.name == statements.logger.name]

    return read


@pytest.fixture
def every_statement_is_slow(monkeypatch):
    """Let a second pass at each look at the clock."""
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(statements, "perf_counter", lambda: next(ticks))


def test_a_slow_statement_is_a_warning_with_its_text(slow):
    wait_in_the_database()
    (record,) = slow()
    assert record.levelno == logging.WARNING
    assert record.sql == "SELECT pg_sleep(%s), %s"
    assert record.sql in record.getMessage()
    assert 30 <= record.duration_ms < 5_000


def test_a_text_of_many_lines_is_one(slow):
    with connection.cursor() as cursor:
        cursor.execute("SELECT\n    pg_sleep(%s)\n", [0.03])
    (record,) = slow()
    assert record.sql == "SELECT pg_sleep(%s)"


def test_a_quick_one_is_none(slow, settings):
    settings.SLOW_QUERY_MS = 20_000
    wait_in_the_database()
    assert slow() == []


def test_it_can_be_switched_off(slow, settings):
    settings.SLOW_QUERY_MS = 0
    wait_in_the_database()
    assert slow() == []


@pytest.mark.parametrize("slow_query_ms", [0, 500])
def test_a_connection_is_watched_where_it_is_on(settings, slow_query_ms):
    settings.SLOW_QUERY_MS = slow_query_ms
    watched = []

    def look():
        connection.ensure_connection()
        connection.close()
        connection.ensure_connection()
        watched.append(connection.execute_wrappers.count(time_statement))
        connection.close()

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert watched == [1 if slow_query_ms else 0]


@pytest.mark.usefixtures("every_statement_is_slow")
@pytest.mark.parametrize(
    "run",
    [
        lambda: User.objects.filter(email=SECRET).first(),
        lambda: list(User.objects.filter(email=SECRET).iterator()),
        lambda: User.objects.create_user(SECRET, SECRET),
        lambda: User.objects.bulk_create([User(email=SECRET), User(email=f"x{SECRET}")]),
        lambda: User.objects.filter(email__in=[SECRET]).update(password=SECRET),
        lambda: User.objects.raw("SELECT * FROM accounts_user WHERE email = %s", [SECRET])[:1],
        lambda: fetch_prepared("SELECT id FROM accounts_user WHERE email = %s", [SECRET]),
        lambda: execute_prepared("UPDATE accounts_user SET email = %s WHERE id = 0", [SECRET]),
        lambda: lock_name(SECRET),
    ],
    ids=["orm", "iterator", "create", "bulk", "update", "raw", "fetch", "execute", "lock"],
)
def test_no_value_is_written(slow, run):
    run()
    records = slow()
    assert records
    for record in records:
        assert SECRET not in f"{record.getMessage()} {vars(record)}"
        assert record.duration_ms >= 1_000
    assert any("%s" in record.sql or "%(" in record.sql for record in records)


def test_of_a_prepared_statement_too(slow):
    assert fetch_prepared("SELECT pg_sleep(%s)", [0.03])
    execute_prepared("SELECT pg_sleep(%s)", [0.03])
    assert [record.sql for record in slow()] == ["SELECT pg_sleep(%s)"] * 2


@pytest.mark.usefixtures("every_statement_is_slow")
def test_a_long_text_is_cut(slow):
    User.objects.filter(pk__in=range(2_000)).count()
    (record,) = slow()
    assert len(record.sql) == SQL_LENGTH_MAX + 1
    assert record.sql.startswith("SELECT COUNT(*)")


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("address", "caller"), [("/view", "view"), ("/classy", "Classy")])
def test_it_says_for_which_view(slow, address, caller):
    Client().get(address, headers={HEADER: "mine"})
    (record,) = slow()
    assert record.caller == f"{__name__}.{caller}"
    assert f"by {__name__}.{caller}: " in record.getMessage()


def test_it_says_for_which_task(slow):
    token = begin_work(request_id="x", caller="apps.queue.tasks.admit_queue")
    wait_in_the_database()
    end_work(token)
    (record,) = slow()
    assert record.caller == "apps.queue.tasks.admit_queue"


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_a_lock_in_vain_is_told_too(slow):
    locked, done = Event(), Event()

    def hold():
        try:
            with transaction():
                lock_name("somebody's")
                locked.set()
                done.wait(timeout=30)
        finally:
            connections.close_all()

    holder = Thread(target=hold)
    holder.start()
    token = begin_work(request_id="x", caller="who waits")
    try:
        assert locked.wait(timeout=30)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 50")
            with pytest.raises(OperationalError):
                lock_name("somebody's")
            cursor.execute("RESET lock_timeout")
    finally:
        end_work(token)
        done.set()
        holder.join()
    (record,) = [record for record in slow() if "pg_advisory" in record.sql and record.caller]
    assert record.caller == "who waits"
    assert record.duration_ms >= 50
