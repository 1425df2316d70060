"""The order of `up`, with stand-ins for Encore's own processes and a real database."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config.embedded import up
from config.embedded.postgres import EmbeddedPostgres
from config.embedded.supervisor import SupervisorError
from tests.embedded.test_supervisor import ROOT, is_gone, wait_for

# Modules of the project's folder come before installed ones, so these stand in for the real ones.
MANAGE = """
import sys
with open("order", "a") as file:
    print(sys.argv[1], file=file)
print("demo sign-in: someone@example.com")
"""
CELERY = """
import signal, sys
with open("order", "a") as file:
    print("beat" if "beat" in sys.argv else "worker", file=file)
signal.sigwait([signal.SIGTERM])
"""
GRANIAN = """
import http.server, sys
with open("order", "a") as file:
    print("web", file=file)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
DRIVER = """
import signal, sys
from pathlib import Path
from config.embedded.programs import Options
from config.embedded.postgres import BROKER_DATABASE_NAME, EmbeddedPostgres
from config.embedded.terminal import Terminal
from config.embedded.up import run
project, data, port, stop_with_parent = sys.argv[1:]
broker = EmbeddedPostgres(Path(data)).conninfo(BROKER_DATABASE_NAME)
sys.exit(run(terminal=Terminal(sys.stdout), options=Options(
    project_dir=Path(project), data_dir=Path(data), host="127.0.0.1", port=int(port),
    web_workers=1, environment={}, embedded_database=True, broker_conninfo=broker,
    broker_queues=["encore"], load_demo=True, stop_with_parent=stop_with_parent == "yes",
)))
"""
PARENT = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


@dataclass
class Machine:
    """A stand-in project, its data folder, and the `up`s that were started on them."""

    folder: Path
    port: int
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def up(self, *, log: str = "log", parent: bool = False) -> "subprocess.Popen[bytes]":
        command = [
            *(sys.executable, "-c", DRIVER),
            *(str(self.folder / "project"), str(self.folder / "data")),
            *(str(self.port), "yes" if parent else "no"),
        ]
        if parent:
            command = [sys.executable, "-c", PARENT, *command]
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT)
        self.started.append(process)
        return process

    def text(self, log: str = "log") -> str:
        return (self.folder / log).read_text()

    def wait_until_up(self, log: str = "log") -> None:
        wait_for(lambda: "Encore is running at" in self.text(log), "the start")

    def order(self) -> list[str]:
        return (self.folder / "project" / "order").read_text().split()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    project = tmp_path / "project"
    project.mkdir()
    (project / "manage.py").write_text(MANAGE)
    for name, code in (("celery", CELERY), ("granian", GRANIAN)):
        (project / f"{name}.py").write_text(code)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Machine(folder=tmp_path, port=port)
    yield made
    for process in made.started:
        process.kill()
        process.wait()


def descendants(pid: int) -> list[int]:
    listing = subprocess.check_output(["ps", "-e", "-o", "pid=,ppid="], text=True)
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in pairs if its_parent == parent]
    return found[1:]


def test_start_order_second_start_and_clean_stop(machine: Machine) -> None:
    first = machine.up()
    machine.wait_until_up()
    family = descendants(first.pid)

    assert machine.order()[:2] == ["migrate", "load_demo"]
    wait_for(lambda: len(machine.order()) == 5, "all processes")
    assert sorted(machine.order()[2:]) == ["beat", "web", "worker"]
    assert "demo     | demo sign-in: someone@example.com" in machine.text()
    assert f"http://127.0.0.1:{machine.port}/api/docs" in machine.text()

    second = machine.up(log="second")
    assert second.wait(20) == 1
    assert (
        machine.text("second")
        .strip()
        .endswith(
            f"Encore is already running on {machine.folder / 'data'} (process {first.pid}). "
            "Stop that one first, or give another DATA_DIR."
        )
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{machine.port}/readyz") as answer:
        assert answer.status == 200

    first.send_signal(signal.SIGINT)
    assert first.wait(20) == 0
    assert machine.text().strip().endswith("stopped")
    assert all(is_gone(pid) for pid in family)
    assert (machine.folder / "data" / "postgres" / "PG_VERSION").exists()
    assert not EmbeddedPostgres(machine.folder / "data").socket_folder.exists()


def test_kill_leaves_nothing_and_the_next_start_works(machine: Machine) -> None:
    first = machine.up()
    machine.wait_until_up()
    family = descendants(first.pid)
    assert len(family) > 4

    first.kill()
    first.wait()
    again = machine.up(log="again")
    for pid in family:
        wait_for(lambda pid=pid: is_gone(pid), f"the end of process {pid}")
    machine.wait_until_up("again")

    again.send_signal(signal.SIGTERM)
    assert again.wait(20) == 0


def test_killed_database_comes_back_while_the_others_stay(machine: Machine) -> None:
    process = machine.up()
    machine.wait_until_up()
    database = EmbeddedPostgres(machine.folder / "data")
    server = int((database.folder / "postmaster.pid").read_text().split()[0])

    os.kill(server, signal.SIGKILL)

    wait_for(lambda: is_gone(server), "the server's end")
    wait_for(lambda: server_changed(database, server) and database.is_ready(), "the database")
    assert "database was killed by SIGKILL; restarting it in 0.5 s" in machine.text()
    assert machine.order().count("web") == 1
    process.send_signal(signal.SIGHUP)
    assert process.wait(20) == 0


def server_changed(database: EmbeddedPostgres, server: int) -> bool:
    try:
        return int((database.folder / "postmaster.pid").read_text().split()[0]) != server
    except (OSError, IndexError):
        return False


def test_stops_with_its_parent(machine: Machine) -> None:
    parent = machine.up(parent=True)
    machine.wait_until_up()
    family = descendants(parent.pid)

    parent.kill()
    parent.wait()

    for pid in family:
        wait_for(lambda pid=pid: is_gone(pid), f"the end of process {pid}")
    assert machine.text().strip().endswith("stopped")


def test_failing_migration_stops_everything(machine: Machine) -> None:
    (machine.folder / "project" / "manage.py").write_text("raise SystemExit('no such column')")
    process = machine.up()

    assert process.wait(20) == 1
    assert "migrate exited with status 1. Its last lines:" in machine.text()
    assert "no such column" in machine.text()
    assert not EmbeddedPostgres(machine.folder / "data").socket_folder.exists()


def test_port_in_use_is_said_plainly(machine: Machine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", machine.port))
        other.listen()
        process = machine.up()
        assert process.wait(20) == 1

    assert f"Port {machine.port} on 127.0.0.1 is in use." in machine.text()
    assert "Traceback" not in machine.text()
    assert not (machine.folder / "data" / "postgres").exists()


def test_port_that_is_free_passes() -> None:
    up.require_free_port(host="127.0.0.1", port=0)
    with pytest.raises(SupervisorError, match="cannot be used"):
        up.require_free_port(host="192.0.2.1", port=1)
