"""One rehearsal at a time: two would measure each other, and one must not remove what another plays with."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections

_LOCK = "encore.rehearsal"


@contextmanager
def rehearse_alone() -> Iterator[None]:
    """Hold the rehearsals' lock for the time of the block; it ends with this process, however that ends.
    Raise `CommandError` where somebody else holds it.

    It is the lock of a transaction on a connection of its own, so that a pooler, too, leaves it alone.
    Nothing is read or written in it, so it keeps nothing from being tidied up.
    """
    keeper = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        keeper.set_autocommit(False)
        with keeper.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [_LOCK])
            if not cursor.fetchone()[0]:
                raise CommandError("Another rehearsal is running; wait until it has ended.")
        yield
    finally:
        keeper.close()
