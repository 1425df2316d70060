"""Point-in-time recovery with PostgreSQL's own means: archived log, a base backup, a moment to go back to."""

import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from config.embedded.cluster import SUPERUSER
from config.embedded.postgres import binary
from tests.running.encore import wait_until
from tests.upgrade.server import Server

# As docs/backup.md has it: a segment is copied beside its final name, and never over another.
COPY = "test ! -f {folder}/%f && cp %p {folder}/%f.part && mv {folder}/%f.part {folder}/%f"
ARCHIVED_WITHIN_S = 30.0


class Archive:
    """A folder with the log and base backups of one server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.mkdir(parents=True)

    def settings(self) -> dict[str, str]:
        """Return what the server is started with."""
        return {
            "wal_level": "replica",
            "archive_mode": "on",
            "archive_command": COPY.format(folder=self.log),
            "archive_timeout": "60",
        }

    def hand_to(self, server: Server) -> None:
        """Let the user that the server runs as write here."""
        server.postgres.data_dir.mkdir(parents=True, exist_ok=True)
        if (identity := server.postgres.identity) is not None:
            for folder in (self.folder, self.log):
                os.chown(folder, identity.uid, identity.gid)

    def take_base_backup(self, server: Server) -> Path:
        """Copy the whole running server, over its socket."""
        base = self.folder / "base"
        subprocess.run(
            [
                *(binary("pg_basebackup"), "--pgdata", base, "--checkpoint", "fast"),
                *("--host", server.postgres.socket_folder, "--username", SUPERUSER),
            ],
            check=True,
        )
        return base

    def read_clock(self, server: Server) -> datetime:
        """Return the moment by the server's clock."""
        with server.connect() as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        return row[0]

    def close(self, server: Server) -> None:
        """Have the server archive the segment that it writes to, and wait until it has."""
        with server.connect(superuser=True) as connection:
            row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None
        last = self.log / row[0]
        wait_until(last.exists, seconds=ARCHIVED_WITHIN_S, what="the last of the log archived")

    def recover(self, base: Path, *, target: datetime) -> Server:
        """Start a server of its own on a base backup, as it was at `target`, and open it for use."""
        folder = self.folder / "recovered"
        folder.mkdir()
        shutil.move(base, folder / "postgres")
        (folder / "postgres" / "recovery.signal").touch()
        server = Server(
            folder,
            restore_command=f"cp {self.log}/%f %p",
            recovery_target_time=target.isoformat(),
            recovery_target_action="promote",
            # Nobody is let in before the moment is reached.
            hot_standby="off",
        )
        if (identity := server.postgres.identity) is not None:
            for path in (folder / "postgres", *(folder / "postgres").rglob("*")):
                os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
        server.start()
        return server
