"""Encore's own processes: which commands they are, and what environment they get."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from config.embedded.child import DEFAULT_STOP_STEPS, Program
from config.embedded.postgres import EmbeddedPostgres

# More threads only wait for each other; one alone would let a slow request hold up the rest.
_WEB_THREADS = 2


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to start. `environment` is laid over this process's own for every child of Encore's.

    `broker_conninfo` is empty unless the broker is pgmq; then `broker_queues` are made in it.
    """

    project_dir: Path
    data_dir: Path
    host: str
    port: int
    web_workers: int
    environment: Mapping[str, str]
    embedded_database: bool
    broker_conninfo: str
    broker_queues: Sequence[str]
    load_demo: bool
    stop_with_parent: bool


def web(*, options: Options) -> Program:
    """Return the web server."""
    return _python(
        options,
        "web",
        *("-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
        *("--host", options.host, "--port", str(options.port)),
        *("--workers", str(options.web_workers), "--blocking-threads", str(_WEB_THREADS)),
        *("--respawn-failed-workers", "--workers-kill-timeout", "5"),
        *("--log-config", "config/server_logs.json"),
        "config.wsgi:application",
    )


def worker(*, options: Options) -> Program:
    """Return the Celery worker.

    Threads, since its tasks wait for the database and not for the processor.
    """
    return _python(
        options,
        "worker",
        *("-m", "celery", "-A", "config", "--quiet", "worker"),
        *("--pool", "threads", "--concurrency", "3"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"),
        # The database goes at the same moment, and a clean end would wait for it in vain. A task
        # that is cut off is rolled back, and delivered again.
        death_signal=signal.SIGKILL,
    )


def beat(*, options: Options) -> Program:
    """Return the one that sends the scheduled tasks; it keeps no files.

    It ends when it cannot read its schedule, so it is not started again before the database answers:
    a long recovery would be the end of it, five times over, and with it of everything.
    """
    program = _python(
        options,
        "beat",
        *("-m", "celery", "-A", "config", "--quiet", "beat", "--pidfile="),
        *("--scheduler", "django_celery_beat.schedulers:DatabaseScheduler", "--loglevel", "INFO"),
        stop_steps=((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)),
        death_signal=signal.SIGKILL,
    )
    if not options.embedded_database:
        return program
    database = EmbeddedPostgres(options.data_dir)
    return replace(program, may_start=database.is_ready, waits_for_good=True)


def metrics_folder(options: Options) -> Path:
    """Return where the web server's processes count their requests together."""
    return options.data_dir / "metrics"


def migrate(*, options: Options) -> Program:
    """Return what brings the schema up to date.

    Django's checks load all addresses and the admin's pages, a second of each start, and are passed over,
    unless the database is somebody else's: whether that one keeps the limits is seen here alone.
    """
    checks = ["--skip-checks"] if options.embedded_database else []
    return _python(options, "migrate", "manage.py", "migrate", "--no-input", *checks)


def demo(*, options: Options) -> Program:
    """Return what loads the demo and tells how to sign in, without Django's checks, as `migrate`."""
    return _python(options, "demo", "manage.py", "load_demo", "--skip-checks")


def _python(
    options: Options,
    name: str,
    *arguments: str,
    death_signal: signal.Signals = signal.SIGTERM,
    stop_steps: Sequence[tuple[signal.Signals, float]] = DEFAULT_STOP_STEPS,
) -> Program:
    """Return a program that runs on this very interpreter, from the project's folder."""
    return Program(
        name=name,
        command=[sys.executable, *arguments],
        death_signal=death_signal,
        stop_steps=stop_steps,
        environment={
            **os.environ,
            **options.environment,
            "PORT": str(options.port),
            "PROMETHEUS_MULTIPROC_DIR": str(metrics_folder(options)),
            "PYTHONUNBUFFERED": "1",
            # The worker's ten lines about running as root would bury the rest.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser:UserWarning",
            "ENCORE_SUPERVISED": "1",
        },
        working_directory=options.project_dir,
    )
