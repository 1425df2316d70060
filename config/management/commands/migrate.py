"""`manage.py migrate`: Django's own, made to run beside customers.

A change of a table waits for whoever uses it, and everybody who comes later waits behind the change. So
it waits for a moment only, gives way, and tries again. One `migrate` runs at a time.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import errors

# Nobody is kept waiting longer than this by a change that does not get its table.
LOCK_TIMEOUT_MS = 500
ATTEMPTS = 60
# Between two attempts, in seconds: those who waited behind the last one get through meanwhile.
PAUSE_S = (0.5, 2.0)
_ONE_AT_A_TIME = 4_155_926_031_870_255_402
# They wait for older transactions to end, keep nobody waiting themselves, and must not be cut off.
_CONCURRENT = (AddIndexConcurrently, RemoveIndexConcurrently)

_INVALID_INDEXES = """
    SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace ORDER BY 1"""
_OLDEST_TRANSACTION = """
    SELECT pid, coalesce(nullif(application_name, ''), backend_type),
           extract(epoch FROM clock_timestamp() - xact_start)::int
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
     ORDER BY xact_start LIMIT 1"""


class Command(migrate.Command):
    """Migrates without standing in anybody's way."""

    help = (
        f"{migrate.Command.help} It can run during a sale: a change that does not get its table within "
        f"{LOCK_TIMEOUT_MS} ms gives way and is tried again, {ATTEMPTS} times. What is done stays done, "
        "so it can be stopped and run again. Example: manage.py migrate --plan"
    )

    _connection: BaseDatabaseWrapper
    # Through a pooler that hands connections on with each transaction, nothing may be set on one.
    _session_is_ours = False

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, as often as it takes. Raise `CommandError` where a table stays in use."""
        connection = connections[options["database"]]
        only_looks = options["plan"] or options["check_unapplied"]
        if only_looks or connection.in_atomic_block:
            super().handle(*args, **options)
            return
        self._session_is_ours = "options" in connection.settings_dict["OPTIONS"]
        self._connection = connection
        with self._alone() if self._session_is_ours else nullcontext():
            self._refuse_invalid_indexes()
            self._migrate_patiently(*args, **options)

    def migration_progress_callback(
        self, action: str, migration: Any = None, fake: bool = False
    ) -> None:
        """Say what is being done, as Django does, and choose how long it may wait for its locks."""
        if action in ("apply_start", "unapply_start") and self._session_is_ours:
            concurrent = all(isinstance(done, _CONCURRENT) for done in migration.operations)
            self._execute(f"SET lock_timeout = {0 if concurrent else LOCK_TIMEOUT_MS}")
        super().migration_progress_callback(action, migration, fake)

    def _migrate_patiently(self, *args: Any, **options: Any) -> None:
        for left in reversed(range(ATTEMPTS)):
            try:
                super().handle(*args, **options)
                return
            except OperationalError as error:
                if not isinstance(
                    error.__cause__, errors.LockNotAvailable | errors.DeadlockDetected
                ):
                    raise
                if not left:
                    raise CommandError(self._describe_blocker()) from None
            pause_s = random.uniform(*PAUSE_S)  # noqa: S311  no secret
            self.stderr.write(
                f"\n  A table is in use. Nothing of this step is done; it is tried again in "
                f"{pause_s:.1f} s, {left} times at the most."
            )
            time.sleep(pause_s)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one who migrates, and without a limit on how long a statement runs."""
        self._execute("SET lock_timeout = 0")
        self._execute("SET statement_timeout = 0")
        try:
            if not self._read(f"SELECT pg_try_advisory_lock({_ONE_AT_A_TIME})")[0][0]:
                self.stderr.write("Another migrate is running. This one goes on when it has ended.")
                self._execute(f"SELECT pg_advisory_lock({_ONE_AT_A_TIME})")
            self._execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
            yield
        finally:
            # A connection that is lost has lost all of this with it.
            if self._connection.connection is not None and not self._connection.connection.closed:
                self._execute(f"SELECT pg_advisory_unlock({_ONE_AT_A_TIME})")
                self._execute("RESET lock_timeout")
                self._execute("RESET statement_timeout")

    def _refuse_invalid_indexes(self) -> None:
        names = [name for (name,) in self._read(_INVALID_INDEXES)]
        if names:
            drops = " ".join(f'DROP INDEX CONCURRENTLY "{name}";' for name in names)
            raise CommandError(
                "The building of an index was cut off, or still goes on by somebody else's hand: "
                f"{', '.join(names)}. If nobody builds it, run {drops} in psql, then migrate again."
            )

    def _describe_blocker(self) -> str:
        rows = self._read(_OLDEST_TRANSACTION)
        who = "Nobody holds one just now"
        if rows:
            pid, name, seconds = rows[0]
            who = f"The oldest open transaction is of PostgreSQL's process {pid} ({name})"
            who += "" if seconds is None else f", {seconds} s old"
        return (
            f"A table stayed in use during {ATTEMPTS} attempts. What was done before stays, of this step "
            f"nothing is: run migrate again. {who}."
        )

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def _read(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
