"""Starts Encore on one machine, in order, and keeps it running until it is told to stop."""

import contextlib
import errno
import fcntl
import http.client
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from config.embedded import programs
from config.embedded.child import Program, Timing
from config.embedded.cluster import SERVER_ENVIRONMENT, EmbeddedPostgresError
from config.embedded.postgres import STOP_STEPS, EmbeddedPostgres
from config.embedded.processes import die_with_parent
from config.embedded.programs import Options
from config.embedded.supervisor import StopRequested, Supervisor, SupervisorError
from config.embedded.terminal import Terminal

_DATABASE_LIMIT_SECONDS = 120.0
_READY_LIMIT_SECONDS = 60.0
_REQUEST_LIMIT_SECONDS = 2.0


class AlreadyRunning(Exception):
    """Another `up` holds the data folder."""


def run(*, options: Options, terminal: Terminal, timing: Timing | None = None) -> int:
    """Start all, supervise it, stop it; return the exit status, 0 only after a requested stop."""
    with Supervisor(terminal=terminal, timing=timing) as supervisor:
        try:
            if options.stop_with_parent:
                die_with_parent(signal.SIGTERM)
            with hold_data_dir(data_dir=options.data_dir):
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
def hold_data_dir(*, data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this process alone. Raises `AlreadyRunning` naming the holder."""
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


def require_free_port(*, host: str, port: int) -> None:
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
                    f"Port {port} on {host} is in use. Stop what uses it, or choose another port, "
                    "as in `make run PORT=8080`."
                ) from None
            raise SupervisorError(
                f"Port {port} on {host} cannot be used: {error.strerror}."
            ) from None


def _start(options: Options, supervisor: Supervisor, terminal: Terminal) -> None:
    require_free_port(host=options.host, port=options.port)
    if options.embedded_database:
        _start_database(options, supervisor, terminal)
    if options.broker_conninfo:
        _install_broker(options)
        terminal.say_step("message queue ready")
    supervisor.run(programs.migrate(options=options))
    terminal.say_step("database schema up to date")
    if options.load_demo:
        supervisor.run(programs.demo(options=options))
        terminal.say_step("demo data loaded")
    # What processes counted that are gone is of no use to anybody.
    shutil.rmtree(programs.metrics_folder(options), ignore_errors=True)
    for program in (programs.web, programs.worker, programs.beat):
        supervisor.start(program(options=options))
    supervisor.wait_until(
        lambda: _answers(options, supervisor),
        timeout_s=_READY_LIMIT_SECONDS,
        what="The first answer of the web server",
        poll_s=0.1,
    )
    terminal.say_step("web, worker and beat started")
    address = f"http://{_reachable_host(options.host)}:{options.port}"
    terminal.say(
        f"\nEncore is running at {address}\n"
        f"  Shop     {address}/\n"
        f"  API      {address}/api/docs\n"
        f"  Admin    {address}/admin/\n"
        "  Ctrl-C stops\n "
    )


def _stop(options: Options, supervisor: Supervisor, terminal: Terminal) -> None:
    if supervisor.has_children():
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
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  asked, not bound
