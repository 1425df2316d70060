"""The servers that Encore stands on, each as an operator would run it, on a host of the cluster."""

import contextlib
import os
import re
import shlex
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.cluster.network import Network
from tests.cluster.packages import run
from tests.cluster.processes import Process, listens
from tests.running.encore import ROOT

SUPERUSER = "postgres"
# Of a cluster that nobody outside this machine can reach.
PASSWORD = "rehearsed"
DATABASE = "encore"
# The same database through the pooler, by an entry that sets no limits.
FORGETFUL = "forgetful"
PGBOUNCER_PORT = 6432
POSTGRES_SETTINGS = {
    "listen_addresses": "*",
    "unix_socket_directories": "",
    "max_connections": "100",
}


@dataclass(frozen=True, kw_only=True)
class Debian:
    """A Debian to run programs of: this machine's own, or one in a folder, where `folder` is `/srv`."""

    network: Network
    folder: Path
    root: Path | None = None

    def path(self, name: str) -> str:
        """Return the path of something in the folder, as its programs see it."""
        return str(self.folder / name) if self.root is None else f"/srv/{name}"

    def command(self, host: str, user: str, *words: object) -> list[str]:
        """Return the command that runs a program on a host as a user of this Debian."""
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        wanted = [*as_user, "--", *map(str, words)]
        if self.root is None:
            return [*self.network.on(host), *wanted]
        # A namespace's commands have mounts of their own, which go with them.
        root, folder = shlex.quote(str(self.root)), shlex.quote(str(self.folder))
        script = (
            f"mount --bind {folder} {root}/srv && mkdir -p {root}/dev/shm"
            f" && mount -t tmpfs tmpfs {root}/dev/shm && exec chroot {root} {shlex.join(wanted)}"
        )
        return [*self.network.on(host), "sh", "-c", script]

    def own(self, user: str, *paths: Path) -> None:
        """Give folders and files to a user of this Debian."""
        passwd = (self.root or Path("/")) / "etc/passwd"
        (line,) = (line for line in passwd.read_text().splitlines() if line.startswith(f"{user}:"))
        uid, gid = line.split(":")[2:4]
        for path in paths:
            os.chown(path, int(uid), int(gid))


def postgres(debian: Debian, host: str, *, version: int) -> Process:
    """Make a database cluster and return its server."""
    programs = f"/usr/lib/postgresql/{version}/bin"
    data = debian.folder / "postgres"
    data.mkdir()
    password = debian.folder / "superuser"
    password.write_text(PASSWORD)
    debian.own("postgres", data, password)
    made = (
        *(f"{programs}/initdb", "--pgdata", debian.path("postgres"), "--username", SUPERUSER),
        *("--pwfile", debian.path("superuser"), "--auth", "scram-sha-256"),
        *("--encoding", "UTF8", "--locale", "C.UTF-8"),
    )
    run(*debian.command(host, "postgres", *made))
    with (data / "pg_hba.conf").open("a") as access:
        access.write("host all all samenet scram-sha-256\n")
    settings = [f"--{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
    command = (f"{programs}/postgres", "-D", debian.path("postgres"), *settings)
    return Process(
        name="postgres",
        command=debian.command(host, "postgres", *command),
        log=debian.folder / "postgres.log",
        serves=lambda: takes_queries(debian.network.hosts[host]),
        # What `systemctl restart postgresql` does: connections are ended, nothing has to be recovered.
        stop_signal=signal.SIGINT,
    )


def takes_queries(address: str) -> bool:
    """Say whether a server has started up and recovered."""
    with contextlib.suppress(psycopg.OperationalError), connect(address, "postgres"):
        return True
    return False


def connect(address: str, database: str) -> "psycopg.Connection[Any]":
    """Return a connection of the superuser's, past any pooler. Raise `psycopg.OperationalError`."""
    return psycopg.connect(
        host=address,
        dbname=database,
        user=SUPERUSER,
        password=PASSWORD,
        connect_timeout=5,
        autocommit=True,
    )


def make_database(address: str) -> None:
    """Make Encore's role and database on a new server, as an operator would."""
    with connect(address, "postgres") as connection:
        # The tests make a database of their own.
        connection.execute(f"CREATE ROLE {DATABASE} LOGIN CREATEDB PASSWORD '{PASSWORD}'")
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")


def pgbouncer(debian: Debian, host: str, *, prepares: bool) -> Process:
    """Return PgBouncer with the file of `deploy/`, but for addresses and what an old one does not know."""
    users = debian.folder / "userlist.txt"
    users.write_text(f'"{DATABASE}" "{PASSWORD}"\n')
    text = (ROOT / "deploy/pgbouncer/pgbouncer.ini").read_text()
    text = replace_once(text, r"^(encore = )host=\S+", r"\1host=127.0.0.1")
    text = replace_once(text, r"^auth_file = .*", f"auth_file = {debian.path('userlist.txt')}")
    # What tests make, and what they look at with the limits left out.
    entry = re.search(
        r"^encore = (host=\S+ port=\S+) dbname=\S+ (connect_query=.*)$", text, re.MULTILINE
    )
    assert entry is not None
    more = f"{FORGETFUL} = {entry[1]} dbname={DATABASE}\n* = {entry[1]} {entry[2]}"
    text = text.replace(entry[0], f"{entry[0]}\n{more}")
    if not prepares:
        text = replace_once(text, r"^max_prepared_statements = .*\n", "")
    file = debian.folder / "pgbouncer.ini"
    file.write_text(text)
    debian.own("postgres", users, file)
    return Process(
        name="pgbouncer",
        command=debian.command(
            host, "postgres", "/usr/sbin/pgbouncer", debian.path("pgbouncer.ini")
        ),
        log=debian.folder / "pgbouncer.log",
        serves=lambda: listens(debian.network.hosts[host], PGBOUNCER_PORT),
        # At once; with SIGTERM newer ones wait for their clients to go.
        stop_signal=signal.SIGQUIT,
    )


def redis(debian: Debian, host: str, *, program: str, user: str) -> Process:
    """Return a Redis or a Valkey that keeps nothing over a restart."""
    settings = ("--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", "/tmp")
    return Process(
        name=program,
        command=debian.command(host, user, f"/usr/bin/{program}", *settings),
        log=debian.folder / f"{program}.log",
        serves=lambda: listens(debian.network.hosts[host], 6379),
    )


def rabbitmq(debian: Debian, host: str) -> Process:
    """Return a RabbitMQ with files of its own."""
    home = debian.folder / "rabbitmq"
    home.mkdir()
    config = home / "rabbitmq.conf"
    config.write_text("loopback_users = none\nlisteners.tcp.default = 5672\n")
    plugins = home / "plugins"
    plugins.write_text("[].\n")
    debian.own("rabbitmq", home, config, plugins)
    return Process(
        name="rabbitmq",
        command=debian.command(host, "rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
        environment={
            "HOME": str(home),
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home),
            "RABBITMQ_LOGS": "-",
            # Started as a unit of systemd starts it: no shell in between, and SIGTERM ends it properly.
            "RUNNING_UNDER_SYSTEMD": "true",
        },
        log=debian.folder / "rabbitmq.log",
        serves=lambda: listens(debian.network.hosts[host], 5672),
    )


def nginx(debian: Debian, host: str, *, servers: list[str]) -> Process:
    """Return nginx with the files of `deploy/`, filled in as its image fills them in."""
    folder = debian.folder / "nginx"
    (folder / "conf.d").mkdir(parents=True)
    shutil.copy(ROOT / "deploy/nginx/nginx.conf", folder)
    shutil.copy("/etc/nginx/mime.types", folder)
    values = {
        "NGINX_PORT": "80",
        "ENCORE_SERVERS": " ".join(f"server {address};" for address in servers),
        "ENCORE_BEHIND_PROXY": "0",
        "NGINX_LOCAL_RESOLVERS": "127.0.0.1",
    }
    template = (ROOT / "deploy/nginx/templates/default.conf.template").read_text()
    filled = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], template)
    (folder / "conf.d/default.conf").write_text(filled)
    # It keeps its files in /tmp, which is its own in a container.
    script = f"mount -t tmpfs tmpfs /tmp && exec nginx -c {shlex.quote(str(folder / 'nginx.conf'))}"
    script = script.replace("exec nginx", "exec /usr/sbin/nginx -g 'daemon off;'")
    # Its folder is in the /tmp that is hidden by that.
    script = f"mkdir -p /run/encore && mount --bind {folder} /run/encore && {script}".replace(
        str(folder / "nginx.conf"), "/run/encore/nginx.conf"
    )
    return Process(
        name="nginx",
        command=[*debian.network.on(host), "sh", "-c", script],
        log=debian.folder / "nginx.log",
        serves=lambda: listens(debian.network.hosts[host], 80),
    )


def replace_once(text: str, pattern: str, replacement: str) -> str:
    """Replace the one line that matches; fail where the file in `deploy/` has changed its shape."""
    changed, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    assert count == 1, f"{count} times in deploy/: {pattern}"
    return changed
