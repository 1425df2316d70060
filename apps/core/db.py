"""Transactions and row locks: the only places where either is taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model, QuerySet
from django.db.transaction import atomic, set_rollback

from apps.core.errors import Busy
from apps.core.prepared import Prepared, Question, execute_prepared

ModelT = TypeVar("ModelT", bound=Model)

# What each sort and hash of a statement over whole tables may use before it goes to disk.
SNAPSHOT_MEMORY = "64MB"

# Why the database, or a lock in it, did not answer in time, by PostgreSQL's error codes.
CONNECTION, OTHER = "connection", "other"
REASON_BY_STATE = {
    "55P03": "lock_timeout",
    "40P01": "deadlock",
    "57014": "statement_timeout",
    "53300": CONNECTION,  # none left
}
BUSY_REASONS = ("lock_timeout", "deadlock", "statement_timeout", CONNECTION, OTHER)

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


@contextmanager
def transaction() -> Iterator[None]:
    """Open a transaction, or join the one that a caller opened here: one commit, no savepoint.

    An error that leaves the block rolls all of it back, so nobody may catch one inside. Raise `Busy`
    when a lock, the pool or the database does not answer in time, and after a deadlock.
    """
    if _in_transaction.get():
        yield
        return
    try:
        with atomic():
            mark = _in_transaction.set(True)
            try:
                yield
            finally:
                # Before the commit: what is to happen after it is no part of this transaction.
                _in_transaction.reset(mark)
    except (OperationalError, InterfaceError) as error:
        raise Busy from error


def busy_reason(error: BaseException) -> str:
    """Return in a word why something was busy, by what PostgreSQL said: one of `BUSY_REASONS`."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, psycopg.Error):
        cause = cause.__cause__
    if cause is None:
        return OTHER
    state = cause.sqlstate
    # Class 08 are lost connections, 57P a server that is going or coming.
    if state is None or state.startswith(("08", "57P")):
        return CONNECTION
    return REASON_BY_STATE.get(state, OTHER)


def lock_rows(
    rows: "QuerySet[ModelT] | Prepared[ModelT]",
    *,
    limit: int | None = None,
    skip_locked: bool = False,
    **values: Any,
) -> list[ModelT]:
    """Lock `rows` until the transaction ends and return them as they are now, ordered by primary key.

    Of a prepared query set those for these `values`, all of them. Ranks, never taken downwards:
    turnstile, queue entry, seat, reservation, payment, wallet. The lock is `FOR NO KEY UPDATE`, so rows
    that refer to these can still be written, and waits no longer than `LOCK_TIMEOUT_MS`. The caller
    holds a transaction.
    """
    asked = _with_free_locks if skip_locked else _with_locks
    if isinstance(rows, Prepared):
        return rows.fetch(asked=asked, **values)
    return list(asked(rows)[:limit])


def ask_locked(rows: "Prepared[ModelT]", **values: Any) -> Question[ModelT]:
    """Return the question that locks rows as `lock_rows` does, to be asked beside others: in the order
    of the ranks."""
    return rows.ask(asked=_with_locks, **values)


def _with_locks(rows: "QuerySet[ModelT]") -> "QuerySet[ModelT]":
    return rows.order_by("pk").select_for_update(of=("self",), no_key=True)


def _with_free_locks(rows: "QuerySet[ModelT]") -> "QuerySet[ModelT]":
    return rows.order_by("pk").select_for_update(of=("self",), no_key=True, skip_locked=True)


def lock_row(rows: "QuerySet[ModelT] | Prepared[ModelT]", **values: Any) -> ModelT | None:
    """Lock the one row of `rows` as `lock_rows` does; None where there is none."""
    return next(iter(lock_rows(rows, **values)), None)


def lock_name(name: str) -> None:
    """Lock a name until the transaction ends, where there is no row yet to lock.

    Taken before any row, and waited for as long as `lock_rows` waits. The caller holds a transaction.
    """
    execute_prepared("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def try_name(name: str) -> bool:
    """Lock a name as `lock_name` does, or say at once that somebody else has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        return bool(cursor.fetchone()[0])


def flush_commits() -> None:
    """Wait until all that was committed before is on the disk, also what did not wait for that itself.

    The log is written in order: a commit that waits takes with it whatever stands before. This is one of
    no content.
    """
    execute_prepared("SELECT pg_logical_emit_message(true, 'encore', '')", [])


@contextmanager
def snapshot() -> Iterator[CursorWrapper]:
    """Open a transaction that sees everything as it was at one moment, writes nothing, and may take as
    long as it needs. Inside a caller's transaction it sees what that one sees."""
    outermost = not connection.in_atomic_block
    with atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(
            f"SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '{SNAPSHOT_MEMORY}';"
            " SET LOCAL enable_seqscan = on"
        )
        yield cursor


@contextmanager
def rehearsal() -> Iterator[None]:
    """Open a transaction that is rolled back at its end: what `--dry-run` works in."""
    with atomic():
        yield
        set_rollback(True)
