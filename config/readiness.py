"""What Encore stands on: each check says in words what is wrong, nothing where all is well."""

from collections.abc import Callable

import psycopg
from celery import current_app
from django.conf import settings
from django.db import connection

from apps.core.clock import read_clock
from apps.core.heartbeats import silent_sweeps
from config.schedules import SWEEPS

BROKER_TIMEOUT_S = 2


def check_database() -> str:
    """Return what is wrong with the database, nothing where it answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def check_broker() -> str:
    """Return what is wrong with Celery's broker, nothing where it takes a connection."""
    if settings.BROKER_IS_PGMQ:
        # Kombu would make a pool for this one question and wait for it longer than who asks does.
        psycopg.connect(settings.BROKER_CONNINFO, connect_timeout=BROKER_TIMEOUT_S).close()
        return ""
    with current_app.connection_for_write(connect_timeout=BROKER_TIMEOUT_S) as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)
    return ""


def check_sweeps() -> str:
    """Return which sweeps have stopped, nothing where all have run lately."""
    names = [task.rpartition(".")[2] for _name, task, _description in SWEEPS]
    silent = silent_sweeps(names=names, now=read_clock())
    return f"silent: {', '.join(silent)}" if silent else ""


CHECKS: dict[str, Callable[[], str]] = {
    "database": check_database,
    "broker": check_broker,
    "sweeps": check_sweeps,
}
