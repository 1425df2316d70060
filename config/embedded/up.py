"""Starts Encore on one machine, in order, and keeps it running until it is told to stop."""

import contextlib
import errno
import fcntl
import http.client
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.embedded.child import Program, Timing
from config.embedded.cluster import SERVER_ENVIRONMENT, EmbeddedPostgresError
from config.embedded.postgres import STOP_STEPS, EmbeddedPostgres
from config.embedded.processes import die_with_parent
from config.embedded.supervisor import StopRequested, Supervisor, SupervisorError
from config.embedded.terminal import Terminal

_DATABASE_LIMIT_SECONDS = 120.0
_READY_LIMIT_SECONDS = 60.0
_REQUEST_LIMIT_SECONDS = 2.0
# Each thread of a web worker holds one database connection while it answers.
_WEB_THREADS = 4


class AlreadyRunning(Exception):
    """Another `up` holds the data folder."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to start. `environment` is laid over this process's own for every child of Encore's.

    `broker_conninfo` is empty unless the broker is pgmq; `broker_queues` are then made before the worker.
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


def run(*, options: Options, terminal: Terminal, timing: Timing | None = None) -> int:
    """Start everything, supervise it, stop it; return the exit status, 0 only after a requested stop."""
    with Supervisor(terminal=terminal, timing=timing) as supervisor:
        try:
            if options.stop_with_parent:
                die_with_parent(signal.SIGTERM)
            with hold_data_dir(options.data_dir):
                try:
                    _start(options, supervisor, terminal)
                    supervisor.run_forever()
                finally:
                    _stop(options, supervisor, terminal)
        except StopRequested:
            terminal.say("stopped")
            return 0
        except (SupervisorError, EmbeddedPostgresError, AlreadyRunning, OSError) as error:
            terminal.say(str(error))
            return 1
    return 1


@contextlib.contextmanager
def hold_data_dir(data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this process alone. Raises `AlreadyRunning` with the holder's process id."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "up.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip() or "unknown"
            raise AlreadyRunning(
                f"Encore is already running on {data_dir} (process {holder}). "
                "Stop that one first, or give another DATA_DIR."
            ) from None
        file.write(f"{os.getpid()}\n")
        file.truncate()
        file.flush()
        yield


def require_free_port(host: str, port: int) -> None:
    """Raise `SupervisorError` if nothing can listen on the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SupervisorError(
                    f"Port {port} on {host} is in use. Stop what uses it, or choose another: PORT={port + 1}."
                ) from None
            raise SupervisorError(
                f"Port {port} on {host} cannot be used: {error.strerror}."
            ) from None


def _start(options: Options, supervisor: Supervisor, terminal: Terminal) -> None:
    require_free_port(options.host, options.port)
    if options.embedded_database:
        _start_database(options, supervisor, terminal)
    if options.broker_conninfo:
        _install_broker(options)
        terminal.say_step("message queue ready")
    supervisor.run(_manage(options, "migrate", "migrate", "--no-input"))
    terminal.say_step("database schema up to date")
    if options.load_demo:
        supervisor.run(_manage(options, "demo", "load_demo"))
        terminal.say_step("demo data loaded")
    for program in (_web(options), _worker(options), _beat(options)):
        supervisor.start(program)
    supervisor.wait_until(
        lambda: _answers(options, supervisor),
        timeout_s=_READY_LIMIT_SECONDS,
        what="The first answer of the web server",
        poll_s=0.1,
    )
    terminal.say_step("web, worker and beat ready")
    address = f"http://{_reachable_host(options.host)}:{options.port}"
    terminal.say(
        f"\nEncore is running at {address}\n"
        f"  API      {address}/api/docs\n"
        f"  Admin    {address}/admin/\n"
        "  Ctrl-C stops\n "
    )


def _stop(options: Options, supervisor: Supervisor, terminal: Terminal) -> None:
    terminal.say("stopping")
    supervisor.stop_all()
    if options.embedded_database:
        EmbeddedPostgres(options.data_dir).remove_socket_folder()


def _start_database(options: Options, supervisor: Supervisor, terminal: Terminal) -> None:
    database = EmbeddedPostgres(options.data_dir)
    if database.initialise():
        terminal.say_step("database made")
    supervisor.check_stop()
    # The server of an `up` that was killed may still be stopping.
    supervisor.wait_until(
        database.is_free, timeout_s=30.0, what="The end of another PostgreSQL on the data folder"
    )
    supervisor.start(
        Program(
            name="database",
            command=database.command(),
            environment=SERVER_ENVIRONMENT,
            working_directory=options.data_dir,
            death_signal=signal.SIGINT,
            stop_steps=STOP_STEPS,
            identity=database.identity,
            may_start=database.is_free,
        )
    )
    supervisor.wait_until(
        database.is_ready, timeout_s=_DATABASE_LIMIT_SECONDS, what="The start of the database"
    )
    database.provision()
    terminal.say_step("database ready")


def _install_broker(options: Options) -> None:
    # Imported late: pgmq is of no use with another broker.
    from psycopg import Error

    from config.embedded.broker import install_schema

    try:
        install_schema(options.broker_conninfo, options.broker_queues)
    except Error as error:
        raise SupervisorError(f"The message queue cannot be installed: {error}") from error


def _web(options: Options) -> Program:
    return _python(
        options,
        "web",
        *("-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
        *("--host", options.host, "--port", str(options.port)),
        *("--workers", str(options.web_workers), "--blocking-threads", str(_WEB_THREADS)),
        *("--respawn-failed-workers", "--workers-kill-timeout", "5"),
        "config.wsgi:application",
    )


def _worker(options: Options) -> Program:
    return _python(
        options,
        "worker",
        *(
            "-m",
            "celery",
            "-A",
            "config",
            "--quiet",
            "worker",
            "--pool",
            "threads",
            "--concurrency",
            "3",
        ),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"),
        # The database goes at the same moment: a clean end would wait for it in vain.
        death_signal=signal.SIGKILL,
    )


def _beat(options: Options) -> Program:
    return _python(
        options,
        "beat",
        *("-m", "celery", "-A", "config", "--quiet", "beat", "--pidfile="),
        *("--scheduler", "django_celery_beat.schedulers:DatabaseScheduler", "--loglevel", "INFO"),
        death_signal=signal.SIGKILL,
    )


def _manage(options: Options, name: str, *arguments: str) -> Program:
    return _python(options, name, "manage.py", *arguments)


def _python(
    options: Options, name: str, *arguments: str, death_signal: signal.Signals = signal.SIGTERM
) -> Program:
    """Return a program that runs on this very interpreter, from the project's folder."""
    return Program(
        name=name,
        command=[sys.executable, *arguments],
        death_signal=death_signal,
        environment={
            **os.environ,
            **options.environment,
            "PORT": str(options.port),
            "PYTHONUNBUFFERED": "1",
            # Root is told so by the README; the worker's ten lines on it would bury the rest.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser:UserWarning",
            "ENCORE_SUPERVISED": "1",
        },
        working_directory=options.project_dir,
    )


def _answers(options: Options, supervisor: Supervisor) -> bool:
    """Say whether the web server says that it is ready."""
    connection = http.client.HTTPConnection(
        _reachable_host(options.host), options.port, timeout=_REQUEST_LIMIT_SECONDS
    )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reachable_host(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
