"""Races on purpose: functions in threads with connections of their own, stopped where a test wants.

Nothing here sleeps to be right: a thread is stopped with its transaction open, and the other is seen
in the database to wait for it, or to finish without it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from django.db import connection, connections
from django.db.models import QuerySet

from apps.core import idempotency
from apps.core.db import transaction
from apps.core.prepared import Prepared, Question

Act = Callable[[], Any]

# A thread that takes longer than this hangs.
PATIENCE_S = 20
# Between two looks at whether a thread waits in the database.
LOOK_S = 0.001


class Racer(threading.Thread):
    """Runs `act` with a connection of its own; `result` is what it returned or raised."""

    def __init__(self, act: Act) -> None:
        super().__init__(daemon=True)
        self.act = act
        self.result: Any = None
        self.backend_pid: int | None = None

    def run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.backend_pid = cursor.fetchone()[0]
            self.result = self.act()
        except BaseException as error:
            self.result = error
        finally:
            connections.close_all()

    def finish(self) -> Any:
        """Wait for the end and return the result, an exception as it is."""
        self.join(PATIENCE_S)
        assert not self.is_alive(), "the thread hangs"
        return self.result


def race(*acts: Act) -> list[Any]:
    """Run all of `acts` from one moment on; return their results or exceptions in order."""
    barrier = threading.Barrier(len(acts))

    def start_together(act: Act) -> Act:
        def run() -> Any:
            barrier.wait(PATIENCE_S)
            return act()

        return run

    racers = [Racer(start_together(act)) for act in acts]
    for racer in racers:
        racer.start()
    return [racer.finish() for racer in racers]


class RolledBack(Exception):
    """What a transaction came to that was not to commit."""


@contextmanager
def held_open(act: Act, *, commit: bool = True) -> Iterator[Racer]:
    """Run `act` in another thread up to its commit, for the time of the block; then let it commit,
    or roll back."""
    acted, may_commit = threading.Event(), threading.Event()

    def stop_before_commit() -> Any:
        try:
            with transaction():
                result = act()
                acted.set()
                assert may_commit.wait(PATIENCE_S)
                if not commit:
                    raise RolledBack
            return result
        finally:
            acted.set()

    racer = Racer(stop_before_commit)
    racer.start()
    try:
        assert acted.wait(PATIENCE_S)
        yield racer
    finally:
        may_commit.set()
        racer.finish()


@contextmanager
def stopped_before(act: Act, sql: str) -> Iterator[Racer]:
    """Run `act` in another thread up to its first statement with `sql` in it, for the time of the
    block; then let it go on to its end."""
    stopped, may_go_on = threading.Event(), threading.Event()

    def stop_once(execute: Any, statement: str, *rest: Any) -> Any:
        if sql in statement and not stopped.is_set():
            stopped.set()
            assert may_go_on.wait(PATIENCE_S)
        return execute(statement, *rest)

    def stop_on_the_way() -> Any:
        with connection.execute_wrapper(stop_once):
            return act()

    racer = Racer(stop_on_the_way)
    racer.start()
    try:
        while not stopped.wait(LOOK_S):
            assert racer.is_alive(), f"nothing like it was asked for: {sql}"
        yield racer
    finally:
        may_go_on.set()
        racer.finish()


def waits_for(follower: Racer, leader: Racer) -> bool:
    """Say whether `follower` comes to wait for `leader`, or finishes without."""
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    for _look in range(int(PATIENCE_S / LOOK_S)):
        if not follower.is_alive():
            return False
        with connection.cursor() as cursor:
            cursor.execute(blocked, [leader.backend_pid])
            if cursor.fetchone()[0]:
                return True
        follower.join(LOOK_S)
    raise AssertionError("the thread neither waits nor finishes")


class Overlap(NamedTuple):
    """What two overlapping calls came to, and whether the second had to wait for the first."""

    first: Any
    second: Any
    waited: bool


def overlap(first: Act, second: Act) -> Overlap:
    """Run `second` while `first` has done all but its commit, then let `first` commit."""
    with held_open(first) as leader:
        follower = Racer(second)
        follower.start()
        waited = waits_for(follower, leader)
    return Overlap(leader.result, follower.finish(), waited)


# Negative controls: the fences, taken away.


def _read_rows(
    rows: QuerySet | Prepared,
    *,
    limit: int | None = None,
    skip_locked: bool = False,
    **values: Any,
) -> list[Any]:
    if isinstance(rows, Prepared):
        return rows.fetch(asked=_in_order, **values)
    return list(_in_order(rows)[:limit])


def _in_order(rows: QuerySet) -> QuerySet:
    return rows.order_by("pk")


def _read_row(rows: QuerySet | Prepared, **values: Any) -> Any:
    return next(iter(_read_rows(rows, **values)), None)


def _ask_to_read(rows: Prepared, **values: Any) -> Question:
    return rows.ask(asked=_in_order, **values)


def take_locks_away(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """Let `lock_row`, `lock_rows` and `ask_locked` of these modules read without locking."""
    for module in modules:
        for name, reader in (
            ("lock_row", _read_row),
            ("lock_rows", _read_rows),
            ("ask_locked", _ask_to_read),
        ):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, reader)


def take_from_sql(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, fence: str, instead: str = ""
) -> None:
    """Put `instead` where the statement `name` of a module has `fence`."""
    statement = getattr(module, name)
    assert statement.count(fence) == 1, f"{name} has no such fence, or more than one"
    monkeypatch.setattr(module, name, statement.replace(fence, instead))


def take_key_lock_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let idempotency keys be used by two at once."""
    take_from_sql(
        monkeypatch,
        idempotency,
        "_CLAIM",
        "pg_try_advisory_xact_lock(%s)",
        "%s::bigint IS NOT NULL",
    )


@contextmanager
def without_unique_indexes(table: str) -> Iterator[None]:
    """Drop the unique indexes of `table` for the time of the block; then empty it and restore them."""
    uniques = """
        SELECT c.conname, pg_get_constraintdef(c.oid), i.indexrelid::regclass::text,
               pg_get_indexdef(i.indexrelid)
          FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype = 'u'
         WHERE i.indrelid = %s::regclass AND i.indisunique AND NOT i.indisprimary"""
    with connection.cursor() as cursor:
        cursor.execute(uniques, [table])
        found = cursor.fetchall()
        assert found
        for constraint, _definition, index, _statement in found:
            if constraint:
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
            else:
                cursor.execute(f"DROP INDEX {index}")
        try:
            yield
        finally:
            cursor.execute(f"TRUNCATE {table} CASCADE")
            for constraint, definition, _index, statement in found:
                restore = f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}"
                cursor.execute(restore if constraint else statement)
