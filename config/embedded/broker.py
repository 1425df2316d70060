"""The message queue inside PostgreSQL: pgmq's SQL, installed once, and its queues."""

from collections.abc import Sequence

import psycopg
from pgmq.install import get_embedded_install_sql

_INSTALL_LOCK = 7_301_994_226_117_485_071


def install_schema(conninfo: str, queues: Sequence[str]) -> None:
    """Install pgmq's schema if it is missing, and make `queues`; safe to repeat, and twice at once.

    The role must own the database; it need be no superuser. Raises `psycopg.Error`.
    """
    with psycopg.connect(conninfo) as connection:
        # Held until the transaction ends, so a second caller finds the schema whole.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INSTALL_LOCK])
        row = connection.execute("SELECT to_regnamespace('pgmq') IS NULL").fetchone()
        if row is not None and row[0]:
            connection.execute(get_embedded_install_sql())
        for queue in queues:
            connection.execute("SELECT pgmq.create(%s)", [queue])
