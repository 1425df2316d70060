"""A statement's way to the server and back, without psycopg's cursor."""

import threading
from contextlib import closing
from datetime import UTC, date, datetime

import psycopg
import pytest
from django.db import OperationalError, connection, connections

from apps.core.db import transaction
from apps.core.errors import Busy
from apps.core.prepared import execute_prepared, fetch_prepared
from apps.core.wire import exchange, exchange_together, number_parameters

MOMENT = datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["prepared", "each by itself"])
def server(request, db):
    """A connection of its own, one that may prepare and one that may not."""
    with closing(connections.create_connection("default")) as other:
        other.ensure_connection()
        if request.param == "each by itself":
            other.connection.prepare_threshold = None
        yield other.connection


def count_prepared(server):
    return server.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", 1),
        ("bigint", 2**62),
        ("bigint", None),
        ("text", "표 %s 'x' \\ \""),
        ("text", ""),
        ("bytea", b"\0\xff'"),
        ("timestamptz", MOMENT),
        ("date", date(2026, 12, 24)),
        ("boolean", True),
        ("double precision", 1.5),
        ("bigint[]", [1, 2, 2**40]),
        ("bigint[]", []),
        ("text[]", ["a,b", 'c"d', None]),
        ("timestamptz[]", [MOMENT, None]),
    ],
)
def test_values_come_back_as_they_went(server, kind, value):
    for _again in range(2):
        assert exchange(server, f"SELECT %s::{kind}", [value]).rows == [(value,)]


def test_parameters_have_places_or_names(server):
    assert exchange(server, "SELECT %s::int - %s::int, '100%%'", [3, 2]).rows == [(1, "100%")]
    named = "SELECT %(a)s::int - %(b)s::int * %(a)s::int"
    assert exchange(server, named, {"b": 2, "a": 3, "c": 4}).rows == [(-3,)]
    assert number_parameters("%(a)s %(b)s %(a)s %%s")[0] == b"$1 $2 $1 %s"


def test_what_was_touched_is_counted(server):
    exchange(server, "CREATE TEMP TABLE seen (id int)", [])
    assert exchange(server, "INSERT INTO seen SELECT generate_series(1, %s::int)", [3]).touched == 3
    assert exchange(server, "DELETE FROM seen WHERE id > %s", [1]) == ([], 2)


def test_a_statement_is_prepared_once(server):
    before = count_prepared(server)
    for number in range(10):
        exchange(server, "SELECT %s::int", [number])
    may_prepare = server.prepare_threshold is not None
    assert count_prepared(server) - before == (1 if may_prepare else 0)


@pytest.mark.parametrize("value", ["a\0", "\0"])
def test_a_text_is_never_cut_off(server, value):
    with pytest.raises(psycopg.DataError):
        exchange(server, "SELECT %s::text", [value])


def test_a_value_of_the_wrong_kind_is_the_callers_error(server):
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        exchange(server, "SELECT %s::int", [2**40])


def test_a_transaction_begins_with_its_first_statement(server):
    server.autocommit = False
    exchange(server, "CREATE TEMP TABLE seen (id int)", [])
    server.rollback()
    with pytest.raises(psycopg.errors.UndefinedTable):
        exchange(server, "SELECT * FROM seen", [])
    server.rollback()
    assert exchange(server, "SELECT 1", []).rows == [(1,)]


def test_a_connection_that_was_cut_off_is_an_operational_error(server):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [server.info.backend_pid])
    for _again in range(2):
        with pytest.raises(psycopg.OperationalError):
            exchange(server, "SELECT 1", [])


@pytest.mark.django_db(transaction=True)
def test_who_was_cut_off_is_told_that_we_are_busy_and_goes_on():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with closing(connections.create_connection("default")) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(Busy), transaction():
        execute_prepared("SELECT 1", [])
    connection.close_if_unusable_or_obsolete()
    assert fetch_prepared("SELECT 1", []) == [(1,)]


def test_a_statement_that_takes_too_long_is_cut_off(db):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 1")
    with pytest.raises(OperationalError, match="statement timeout"):
        execute_prepared("SELECT pg_sleep(5)", [])
    connection.set_rollback(True)


class TestTogether:
    def test_each_is_answered_in_its_order(self, server):
        asked = [("SELECT %s::int", [1]), ("SELECT %(a)s::text", {"a": "b"}), ("SELECT 1, 2", [])]
        for _again in range(2):
            assert [reply.rows for reply in exchange_together(server, asked)] == [
                [(1,)],
                [("b",)],
                [(1, 2)],
            ]

    def test_each_sees_what_was_done_before_it(self, server):
        exchange(server, "CREATE TEMP TABLE seen (id int)", [])
        asked = [("INSERT INTO seen VALUES (%s)", [1]), ("SELECT count(*) FROM seen", [])]
        written, counted = exchange_together(server, asked)
        assert (written.touched, counted.rows) == (1, [(1,)])

    def test_a_transaction_begins_with_them(self, server):
        server.autocommit = False
        exchange_together(server, [("CREATE TEMP TABLE seen (id int)", []), ("SELECT 1", [])])
        server.rollback()
        with pytest.raises(psycopg.errors.UndefinedTable):
            exchange(server, "SELECT * FROM seen", [])

    def test_after_one_that_fails_none_is_run_and_all_goes_on(self, server):
        exchange(server, "CREATE TEMP TABLE seen (id int)", [])
        asked = [
            ("INSERT INTO seen VALUES (%s)", [1]),
            ("SELECT 1 / %s::int", [0]),
            ("INSERT INTO seen VALUES (%s)", [2]),
        ]
        with pytest.raises(psycopg.errors.DivisionByZero):
            exchange_together(server, asked)
        assert exchange(server, "SELECT count(*) FROM seen", []).rows == [(0,)]
        assert exchange_together(server, [("SELECT %s::int", [5])])[0].rows == [(5,)]

    def test_long_answers_and_long_questions_pass(self, server):
        text = "x" * 300_000
        asked = [("SELECT %s::text", [text]), ("SELECT repeat('y', %s)", [500_000])] * 5
        replies = exchange_together(server, asked)
        assert [len(reply.rows[0][0]) for reply in replies] == [300_000, 500_000] * 5

    def test_other_threads_go_on_meanwhile(self, server):
        seen = []
        sleeping = threading.Thread(
            target=lambda: seen.append(exchange_together(server, [("SELECT pg_sleep(0.3)", [])]))
        )
        sleeping.start()
        steps = 0
        while sleeping.is_alive():
            steps += 1
        assert steps > 1_000

    def test_a_connection_that_was_cut_off_is_an_operational_error(self, server):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [server.info.backend_pid])
        for _again in range(2):
            with pytest.raises(psycopg.OperationalError):
                exchange_together(server, [("SELECT 1", []), ("SELECT 2", [])])
