"""What `migrate` and `check --database default` make sure of in the database itself.

Straight to PostgreSQL, Encore asks for its limits with each connection. A pooler takes no such wish, or
takes it and forgets it, and nothing would tell before the first lock that nobody lets go.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import atomic

from apps.core.wire import exchange

# By PostgreSQL's names: the setting with the most that it may be, and what is without a limit.
LIMITS = {
    "lock_timeout": ("LOCK_TIMEOUT_MS", "locks"),
    "statement_timeout": ("STATEMENT_TIMEOUT_MS", "statements"),
    "idle_in_transaction_session_timeout": (
        "IDLE_IN_TRANSACTION_TIMEOUT_MS",
        "transactions of a process that stands still",
    ),
}
# What each process of Encore's calls the statements that it prepares.
_STATEMENT_NAMES = "encore_%"


@register(Tags.database)
def check_databases(
    *, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Return what is missing in each of the databases. Raise `OperationalError` where one is not there."""
    return [
        message
        for alias in databases or ()
        for message in (
            *check_limits(alias),
            *check_planner(alias),
            *check_prepared_statements(alias),
        )
    ]


def check_limits(alias: str) -> Iterator[CheckMessage]:
    """Yield an error for each limit that a connection to the database does not have."""
    connection = connections[alias]
    for name, (setting, what) in LIMITS.items():
        most_ms = getattr(settings, setting)
        # As it is now, or as it was before a command such as `migrate` chose otherwise for itself.
        values = _read(
            connection, "SELECT setting, reset_val FROM pg_settings WHERE name = %s", name
        )
        if not any(0 < int(value) <= most_ms for value in values):
            yield Error(
                f"{name} is {_describe(values[0])} on the connections to the database '{alias}': "
                f"there must be a limit for {what}, of {most_ms} ms at the most.",
                hint=f"Add SET {name} = {most_ms} to connect_query in pgbouncer.ini, or run ALTER ROLE "
                f'"{_read(connection, "SELECT current_user")[0]}" SET {name} = {most_ms} in the '
                "database, and let the pooler connect anew.",
                id="encore.E001",
            )


def check_planner(alias: str) -> Iterator[CheckMessage]:
    """Yield a warning for each setting of the planner that a connection to the database does not have."""
    connection = connections[alias]
    for name, value in settings.PLANNER.items():
        if value not in _read(
            connection, "SELECT setting, reset_val FROM pg_settings WHERE name = %s", name
        ):
            yield Warning(
                f"{name} is not {value} on the connections to the database '{alias}': plans that are made "
                "while a table is small are kept when it has grown.",
                hint=f"Add SET {name} = {value} to connect_query in pgbouncer.ini, or run ALTER ROLE "
                f'"{_read(connection, "SELECT current_user")[0]}" SET {name} = {value} in the database, '
                "and let the pooler connect anew.",
                id="encore.W001",
            )


def check_prepared_statements(alias: str) -> Iterator[CheckMessage]:
    """Yield an error where a pooler hands connections on with the statements of whoever had them before.

    A pooler that keeps prepared statements apart gives them names of its own, since all its clients use
    the same ones.
    """
    connection = connections[alias]
    if settings.DATABASE_POOLER == "none" or not settings.DATABASE_PREPARED_STATEMENTS:
        return
    with atomic(using=alias):
        connection.ensure_connection()
        exchange(connection.connection, "SELECT 1", [])
        names = _read(
            connection,
            "SELECT name FROM pg_prepared_statements WHERE name LIKE %s LIMIT 1",
            _STATEMENT_NAMES,
        )
    if names:
        yield Error(
            f"The pooler in front of the database '{alias}' does not know prepared statements: what one "
            "process prepares, another one meets.",
            hint="Use PgBouncer 1.21 or newer with max_prepared_statements over 0, or set "
            "DATABASE_PREPARED_STATEMENTS=0.",
            id="encore.E002",
        )


def _describe(value: Any) -> str:
    return "off" if value == "0" else f"{value} ms"


def _read(connection: BaseDatabaseWrapper, statement: str, *parameters: Any) -> tuple[Any, ...]:
    """Return the first row; an empty one where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() or ()
