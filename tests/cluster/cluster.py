"""Encore on several machines: a database, a broker with the cache, two nodes and an nginx in front."""

import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from config.embedded import programs
from config.embedded.child import Program
from tests.cluster import servers
from tests.cluster.network import Network
from tests.cluster.packages import bootstrap_newer
from tests.cluster.processes import Process, listens
from tests.faults.stack import SWEEPS
from tests.running.encore import ROOT, wait_until

WEB_PORT = 8000
NODES = ("node1", "node2")
READY_WITHIN_S = 90.0
# Deadlines, silence and a full room are all to be met while faults last.
SETTINGS = {
    "DEBUG": "0",
    "HTTPS_ONLY": "0",
    "ALLOWED_HOSTS": "*",
    "HOLD_SECONDS": "20",
    "ROOM_IDLE_SECONDS": "20",
    "ROOM_CAPACITY": "9",
    # Buyers that are cut off leave holds behind; nobody is to be kept out for that.
    "HOLD_LAPSES_MAX": "0",
    # Each request is counted, so the cache is asked; nobody is to be refused.
    "THROTTLE_CUSTOMER_PER_MINUTE": "1000000",
    "THROTTLE_ADDRESS_PER_MINUTE": "1000000",
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What the nodes stand on."""

    name: str
    newer: bool
    version: int
    broker: str
    pooler: bool


STRAIGHT = Variant(
    name="A: PostgreSQL 15, RabbitMQ, Redis",
    newer=False,
    version=15,
    broker="rabbitmq",
    pooler=False,
)
POOLED = Variant(
    name="B: PostgreSQL 17 behind PgBouncer, Valkey",
    newer=True,
    version=17,
    broker="valkey",
    pooler=True,
)


@dataclass
class Cluster:
    """All of it. `processes` are by name; those of a node are `node1.web`, `node1.worker`, `node1.beat`."""

    variant: Variant
    network: Network = field(default_factory=Network)
    processes: dict[str, Process] = field(default_factory=dict)
    # Not below pytest's own, which other users may not enter; PostgreSQL is one of them.
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="encore-cluster-")))
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(50))

    def __enter__(self) -> "Cluster":
        self.folder.chmod(0o755)
        try:
            self.network.__enter__()
            for host in ("database", "broker", "proxy", *NODES):
                self.network.add_host(host)
            self._start_servers()
            for process in self.processes.values():
                process.start()
            servers.make_database(self.network.hosts["database"])
            migrated = self.manage("migrate", "--verbosity", "0")
            assert migrated.returncode == 0, migrated.stderr
            self._start_encore()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Leave nothing behind but, where it failed, the logs."""
        self.network.__exit__()
        for process in self.processes.values():
            if process.process is not None:
                process.process.wait(timeout=READY_WITHIN_S)
        if error is None:
            shutil.rmtree(self.folder)
        else:
            print(f"\nThe logs are kept in {self.folder}.")

    def _start_servers(self) -> None:
        own = servers.Debian(network=self.network, folder=self.folder)
        newer = own
        if self.variant.newer:
            newer = servers.Debian(network=self.network, folder=self.folder, root=bootstrap_newer())
        made = [servers.postgres(newer, "database", version=self.variant.version)]
        if self.variant.pooler:
            made.append(servers.pgbouncer(newer, "database", prepares=self.variant.newer))
        if self.variant.broker == "rabbitmq":
            made += [
                servers.rabbitmq(own, "broker"),
                servers.redis(own, "broker", program="redis-server", user="redis"),
            ]
        else:
            made.append(servers.redis(newer, "broker", program="valkey-server", user="valkey"))
        self.processes |= {process.name: process for process in made}

    def _start_encore(self) -> None:
        for node in NODES:
            options = programs.Options(
                project_dir=ROOT,
                data_dir=self.folder / node,
                host=self.network.hosts[node],
                port=WEB_PORT,
                web_workers=2,
                environment={},
                embedded_database=False,
                broker_conninfo="",
                broker_queues=(),
                load_demo=False,
                stop_with_parent=False,
            )
            for make in (programs.web, programs.worker, programs.beat):
                process = self._process(node, make(options=options))
                self.processes[process.name] = process
                process.start(wait=False)
        for node in NODES:
            self.process(node, "web").await_start()
        addresses = [f"{self.network.hosts[node]}:{WEB_PORT}" for node in NODES]
        own = servers.Debian(network=self.network, folder=self.folder)
        self.processes["nginx"] = servers.nginx(own, "proxy", servers=addresses)
        self.processes["nginx"].start()
        wait_until(self.is_swept, seconds=READY_WITHIN_S, what="the sweeps have run")

    def _process(self, node: str, program: Program) -> Process:
        name = f"{node}.{program.name}"
        address = self.network.hosts[node]
        return Process(
            name=name,
            command=[*self.network.on(node), *program.command],
            environment=self.environment(node),
            log=self.folder / f"{name}.log",
            serves=lambda: program.name != "web" or listens(address, WEB_PORT),
        )

    def process(self, node: str, name: str) -> Process:
        """Return a node's `web`, `worker` or `beat`."""
        return self.processes[f"{node}.{name}"]

    @property
    def broker(self) -> Process:
        names = {"rabbitmq": "rabbitmq", "valkey": "valkey-server"}
        return self.processes[names[self.variant.broker]]

    def environment(self, node: str, *, straight: bool = False) -> dict[str, str]:
        """Return what a node's programs are started with; `straight` past a pooler."""
        hosts, who = self.network.hosts, f"{servers.DATABASE}:{servers.PASSWORD}"
        pooled = self.variant.pooler and not straight
        port = servers.PGBOUNCER_PORT if pooled else 5432
        rabbit = self.variant.broker == "rabbitmq"
        broker = f"amqp://{hosts['broker']}//" if rabbit else f"redis://{hosts['broker']}/0"
        return {
            **SETTINGS,
            "DATA_DIR": str(self.folder / node),
            "SECRET_KEY": self.secret_key,
            "DATABASE_URL": f"postgresql://{who}@{hosts['database']}:{port}/{servers.DATABASE}",
            "DATABASE_POOLER": "transaction" if pooled else "none",
            "DATABASE_PREPARED_STATEMENTS": "0" if pooled and not self.variant.newer else "1",
            "CELERY_BROKER_URL": broker,
            "CACHE_URL": f"redis://{hosts['broker']}/1",
            # The nodes are asked by buyers and by nginx.
            "PROXY_COUNT": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def manage(
        self, *arguments: str, straight: bool = True, **settings: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command as an operator would, on the first node."""
        return subprocess.run(
            [*self.network.on(NODES[0]), sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG": "C.UTF-8",
                **self.environment(NODES[0], straight=straight),
                **settings,
            },
            check=False,
            capture_output=True,
            text=True,
        )

    def connect(self) -> "psycopg.Connection[Any]":
        """Return a connection of the superuser's, past Encore and any pooler."""
        return servers.connect(self.network.hosts["database"], servers.DATABASE)

    def oldest_heartbeat(self) -> datetime | None:
        """Return when the sweep that is longest ago finished; None while nothing can be asked."""
        try:
            with self.connect() as connection:
                row = connection.execute(
                    "SELECT min(beat_at) FROM core_heartbeat WHERE name = ANY(%s)"
                    " HAVING count(*) = cardinality(%s::text[])",
                    [SWEEPS, SWEEPS],
                ).fetchone()
        except psycopg.OperationalError:
            return None
        return row[0] if row else None

    def is_swept(self) -> bool:
        return self.oldest_heartbeat() is not None

    def find_ended(self) -> list[str]:
        """Return the names of those that should run and do not."""
        return [p.name for p in self.processes.values() if p.wanted and not p.is_alive()]

    def addresses(self) -> list[str]:
        """Return where buyers buy: at either node, or at nginx, which chooses one."""
        nodes = [f"http://{self.network.hosts[node]}:{WEB_PORT}" for node in NODES]
        return [*nodes, self.proxy]

    @property
    def proxy(self) -> str:
        return f"http://{self.network.hosts['proxy']}"
