"""A PostgreSQL as an operator has one: reached over TCP with a password, its log kept."""

import random
import secrets
import socket
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from config.embedded.cluster import SUPERUSER
from config.embedded.postgres import DATABASE_NAME, ROLE, EmbeddedPostgres
from tests.running.encore import wait_until

PORT = 5432


def find_free_address() -> str:
    """Return an address of this machine alone on which PostgreSQL's port is free."""
    while True:
        address = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])
        with socket.socket() as probe:
            try:
                probe.bind((address, PORT))
            except OSError:
                continue
            return address


class Server:
    """One PostgreSQL server below `folder`, with Encore's role and its empty database."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.address = find_free_address()
        self.password = secrets.token_urlsafe(16)
        self.postgres = EmbeddedPostgres(
            folder,
            server_settings={
                "listen_addresses": self.address,
                "max_connections": "100",
                "log_line_prefix": "%m %a ",
                **settings,
            },
            create_databases=True,
        )

    @property
    def log(self) -> Path:
        """Where PostgreSQL writes what goes wrong."""
        return self.postgres.data_dir / "postgres.log"

    def start(self) -> None:
        """Start it, let in whoever has the password, and base backups."""
        self.postgres.start()
        with (self.postgres.folder / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all {ROLE} 127.0.0.0/8 scram-sha-256\n")
            rules.write("local replication all peer map=encore\n")
        with self.connect(superuser=True) as connection:
            password = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(password.format(sql.Identifier(ROLE), sql.Literal(self.password)))
            loaded = "SELECT pg_conf_load_time()"
            before = connection.execute(loaded).fetchone()
            connection.execute("SELECT pg_reload_conf()")
            wait_until(
                lambda: connection.execute(loaded).fetchone() != before,
                seconds=10,
                what="access rules read",
            )

    def stop(self) -> None:
        """Stop it; its data stays."""
        self.postgres.stop()

    def url(self, database: str = DATABASE_NAME) -> str:
        """Return the `DATABASE_URL` of a database."""
        return f"postgresql://{ROLE}:{self.password}@{self.address}:{PORT}/{database}"

    def connect(
        self, database: str = DATABASE_NAME, *, superuser: bool = False
    ) -> "psycopg.Connection[Any]":
        """Return a connection past Encore, over the server's own socket."""
        user = {"user": SUPERUSER} if superuser else {}
        return psycopg.connect(self.postgres.conninfo(database), autocommit=True, **user)
