"""What `check --database default` says of a database that lacks what Encore needs of it."""

from contextlib import closing, nullcontext

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, connections

from config import checks


@pytest.fixture
def set_limit(db):
    """Return a setter of a limit for the rest of the test, in the way of a pooler's `connect_query`."""

    def set_to(name, value):
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])

    return set_to


@pytest.fixture
def no_wish(monkeypatch):
    """Have what a connection began with count for nothing, as if it had begun without any wish."""
    monkeypatch.setattr(
        checks,
        "_read",
        lambda connection, statement, *parameters: read(
            connection, statement.replace("reset_val", "setting"), *parameters
        ),
    )


read = checks._read


@pytest.mark.django_db
def test_a_straight_connection_lacks_nothing():
    call_command("check", databases=["default"])


@pytest.mark.parametrize("name", checks.LIMITS)
@pytest.mark.parametrize(("value", "told"), [("0", "off"), ("31s", "31000 ms")])
def test_a_limit_that_is_missing_is_named(no_wish, set_limit, settings, name, value, told):
    set_limit(name, value)
    (error,) = checks.check_limits("default")
    most_ms = getattr(settings, checks.LIMITS[name][0])
    assert error.msg.startswith(f"{name} is {told} on the connections to the database 'default'")
    assert f"SET {name} = {most_ms}" in error.hint
    with pytest.raises(SystemCheckError, match=name):
        call_command("check", databases=["default"])


@pytest.mark.parametrize("name", checks.LIMITS)
def test_a_shorter_limit_is_the_operators(no_wish, set_limit, name):
    set_limit(name, "1s")
    assert list(checks.check_limits("default")) == []


@pytest.mark.django_db
def test_a_command_that_lifts_a_limit_for_itself_is_told_nothing():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
    assert list(checks.check_limits("default")) == []


@pytest.mark.django_db
def test_a_pooler_that_does_not_know_prepared_statements_is_found(settings):
    settings.DATABASE_POOLER = "transaction"
    # Straight to PostgreSQL names arrive as they are, as through a pooler that looks at none.
    (error,) = checks.check_prepared_statements("default")
    assert "DATABASE_PREPARED_STATEMENTS=0" in error.hint
    settings.DATABASE_PREPARED_STATEMENTS = False
    assert list(checks.check_prepared_statements("default")) == []


@pytest.mark.django_db
def test_one_that_gives_them_names_of_its_own_is_not(settings, monkeypatch):
    settings.DATABASE_POOLER = "transaction"
    with closing(connections.create_connection("default")) as pooled:
        monkeypatch.setattr(checks, "connections", {"default": pooled})
        monkeypatch.setattr(checks, "atomic", lambda **_using: nullcontext())
        name = "PREPARE pooler_1 AS SELECT 1"
        monkeypatch.setattr(checks, "exchange", lambda c, _sql, _given: c.execute(name))
        assert list(checks.check_prepared_statements("default")) == []


@pytest.mark.parametrize("name", ["enable_seqscan", "jit"])
def test_a_planner_that_is_not_told_is_named(no_wish, set_limit, name):
    set_limit(name, "on")
    (warning,) = checks.check_planner("default")
    assert warning.msg.startswith(f"{name} is not off on the connections to the database 'default'")
    assert f"SET {name} = off" in warning.hint
