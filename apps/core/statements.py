"""Statements that take long are logged, with how long they took and for whom. Never with their values,
which may be somebody's e-mail address or token: only the text with its placeholders.
"""

import logging
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.core.request_ids import current_work, describe_caller

logger = logging.getLogger(__name__)

# An insert of a thousand rows is known by its beginning.
SQL_LENGTH_MAX = 2_000

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]


def watch_connection(connection: BaseDatabaseWrapper, **_kwargs: object) -> None:
    """Time the statements of a connection that was made (a receiver of `connection_created`)."""
    if settings.SLOW_QUERY_MS and time_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(time_statement)


def time_statement(
    execute: Execute, sql: Any, parameters: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Run a statement, and log it where it took `SLOW_QUERY_MS` or longer: one of Django's wrappers of
    execution. It costs half a microsecond. What failed, on a lock for one, took its time too.
    """
    began = perf_counter()
    try:
        return execute(sql, parameters, many, context)
    finally:
        ms = (perf_counter() - began) * 1_000
        if ms >= settings.SLOW_QUERY_MS > 0:
            _report(sql, ms)


def run_wrapped(
    connection: BaseDatabaseWrapper, execute: Execute, sql: str, parameters: Any
) -> None:
    """Run `execute` as Django's own cursor would: inside the connection's wrappers of execution."""
    for wrapper in reversed(connection.execute_wrappers):
        execute = partial(wrapper, execute)
    execute(sql, parameters, False, {"connection": connection})


def shorten(sql: Any) -> str:
    """Return the text of a statement as it may be written down: no values, one line, not too long."""
    # psycopg's composed statements hold values; Django and Encore make none.
    text = " ".join(sql.split()) if isinstance(sql, str) else type(sql).__name__
    return text if len(text) <= SQL_LENGTH_MAX else f"{text[:SQL_LENGTH_MAX]}…"


def _report(sql: Any, ms: float) -> None:
    text = shorten(sql)
    caller = describe_caller(current_work())
    logger.warning(
        "slow statement, %d ms, by %s: %s",
        ms,
        caller or "?",
        text,
        extra={"duration_ms": round(ms), "caller": caller, "sql": text},
    )
