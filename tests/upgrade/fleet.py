"""Web nodes, workers and beats of either version, as they run on several machines, over one PostgreSQL."""

import json
import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from config.embedded.broker import install_schema
from config.embedded.postgres import DATABASE_NAME
from config.embedded.processes import signal_process, spawn
from tests.faults.concert import describe_concert
from tests.running.encore import find_free_port, wait_until
from tests.upgrade.server import Server
from tests.upgrade.versions import Version

READY_WITHIN_S = 60.0
WEB_WORKERS = 2
# Deadlines and silence are to be met while versions are mixed.
SETTINGS = {"HOLD_SECONDS": "20", "ROOM_IDLE_SECONDS": "20", "HOLD_LAPSES_MAX": "0"}


_DESCRIBE = """
import dataclasses, json, pathlib, sys
from config.embedded import programs
given = json.load(sys.stdin)
given |= {name: pathlib.Path(given[name]) for name in ("project_dir", "data_dir")}
known = {field.name for field in dataclasses.fields(programs.Options)}
options = programs.Options(**{name: given[name] for name in known if name in given})
program = getattr(programs, sys.argv[1])(options=options)
parts = ("command", "environment", "stop_steps")
json.dump({part: getattr(program, part) for part in parts}, sys.stdout)
"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """How a program is started, and by which signals, with seconds each, it is stopped."""

    command: list[str]
    environment: dict[str, str]
    stop_steps: list[tuple[int, float]]


class Node:
    """One running program of Encore's. At `address` nobody listens but a web node."""

    def __init__(self, program: Command, *, folder: Path, log: Path, address: str) -> None:
        self.program = program
        self.log = log
        self.address = address
        with log.open("ab") as output:
            self.process = spawn(
                command=program.command,
                environment=program.environment,
                working_directory=folder,
                output=output,
            )

    def is_ready(self) -> bool:
        """Say whether a web node would be taken into a load balancer's list."""
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        try:
            return httpx.get(f"{self.address}/readyz?check=database", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """Ask the program to end, as an operator would; by force where that takes too long."""
        for number, limit_s in self.program.stop_steps:
            signal_process(self.process, number)
            try:
                self.process.wait(limit_s)
                return
            except subprocess.TimeoutExpired:
                continue


class Fleet:
    """All that runs on one database. Programs of both versions can run beside each other."""

    def __init__(self, server: Server, *, folder: Path, room_capacity: int) -> None:
        self.folder = folder
        self.nodes: list[Node] = []
        self.settings = {
            **SETTINGS,
            "ROOM_CAPACITY": str(room_capacity),
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATA_DIR": str(folder / "data-of-nodes"),
            "DEBUG": "0",
            "ALLOWED_HOSTS": "127.0.0.1",
            "HTTPS_ONLY": "0",
            "THROTTLE_ENABLED": "0",
            "LOG_FORMAT": "json",
        }
        self.adopt(server)

    def adopt(self, server: Server, database: str = DATABASE_NAME) -> None:
        """Run on another database from now on, with a queue for Celery's messages in it."""
        self.server = server
        self.settings["DATABASE_URL"] = server.url(database)
        install_schema(server.url(database), ["encore"])

    def start_web(self, version: Version) -> Node:
        """Start a web node and wait until it is ready."""
        node = self._start(version, "web")
        wait_until(node.is_ready, seconds=READY_WITHIN_S, what=f"a web node of {version.name}")
        return node

    def start_sweepers(self, version: Version) -> list[Node]:
        """Start a worker and a beat."""
        return [self._start(version, kind) for kind in ("worker", "beat")]

    def stop(self, *nodes: Node) -> None:
        """Stop programs."""
        for node in nodes:
            node.stop()
            self.nodes.remove(node)

    def manage(self, version: Version, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of a version's to its end."""
        return subprocess.run(
            [version.python, "manage.py", *arguments],
            cwd=version.folder,
            env=self._environment(),
            check=False,
            capture_output=True,
            text=True,
        )

    def prepare(self, version: Version, *, buyers: int, seats_per_date: int) -> list[str]:
        """Make the tables, put a concert on sale and make its buyers; return their access tokens."""
        concert, tokens = self.folder / "concert.json", self.folder / "tokens.csv"
        concert.write_text(json.dumps(describe_concert(seats_per_date)))
        for arguments in (
            ("migrate", "--no-input"),
            ("load_concerts", str(concert)),
            ("create_customers", str(buyers), "--access-tokens", str(tokens)),
        ):
            done = self.manage(version, *arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        return [line.partition(",")[2] for line in tokens.read_text().splitlines()[1:]]

    def _start(self, version: Version, kind: str) -> Node:
        log = self.folder / f"{version.name}-{kind}-{len(list(self.folder.glob('*.log')))}.log"
        port = find_free_port()
        program = self._describe(version, kind, port=port)
        address = f"http://127.0.0.1:{port}"
        node = Node(program, folder=version.folder, log=log, address=address)
        self.nodes.append(node)
        return node

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.settings}

    def _describe(self, version: Version, kind: str, *, port: int) -> Command:
        """Ask a version how it starts a program: its own words, by its own `Options`."""
        options = {
            "project_dir": str(version.folder),
            "data_dir": str(self.folder),
            "host": "127.0.0.1",
            "port": port,
            "web_workers": WEB_WORKERS,
            "environment": self.settings,
            "embedded_database": False,
            "broker_conninfo": "",
            "broker_queues": [],
            "load_demo": False,
            "stop_with_parent": False,
        }
        done = subprocess.run(
            [version.python, "-c", _DESCRIBE, kind],
            cwd=version.folder,
            env=self._environment(),
            input=json.dumps(options),
            check=True,
            capture_output=True,
            text=True,
        )
        return Command(**json.loads(done.stdout))
