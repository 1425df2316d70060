"""Transactions and row locks: the only places where either is taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import Model, QuerySet
from django.db.transaction import atomic, set_rollback

from apps.core.errors import Busy

ModelT = TypeVar("ModelT", bound=Model)

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
    mark = _in_transaction.set(True)
    try:
        with atomic():
            yield
    except (OperationalError, InterfaceError) as error:
        raise Busy from error
    finally:
        _in_transaction.reset(mark)


def lock_rows(
    rows: QuerySet[ModelT], *, limit: int | None = None, skip_locked: bool = False
) -> list[ModelT]:
    """Lock `rows` until the transaction ends and return them as they are now, ordered by primary key.

    Ranks, never taken downwards: room, queue entry, seat, reservation, payment, wallet. The lock is
    `FOR NO KEY UPDATE`, so rows that refer to these can still be written, and waits no longer than
    `LOCK_TIMEOUT_MS`. The caller holds a transaction.
    """
    ordered = rows.order_by("pk").select_for_update(
        of=("self",), no_key=True, skip_locked=skip_locked
    )
    return list(ordered[:limit])


def lock_row(rows: QuerySet[ModelT]) -> ModelT | None:
    """Lock the one row of `rows` as `lock_rows` does; None where there is none."""
    return next(iter(lock_rows(rows)), None)


@contextmanager
def rehearsal() -> Iterator[None]:
    """Open a transaction that is rolled back at its end: what `--dry-run` works in."""
    with atomic():
        yield
        set_rollback(True)
