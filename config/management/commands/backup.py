"""`manage.py backup`."""

import json
import secrets
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import backups


class Command(BaseCommand):
    """Writes the whole database into a file."""

    help = (
        "Write the whole database, as it is at one moment, into FILE, with PostgreSQL's own pg_dump "
        "(custom format, compressed). Sales go on meanwhile. FILE appears only when it is whole, is "
        "readable by its owner alone, and holds personal data. Keep SECRET_KEY beside it, not in it. "
        "Example: manage.py backup encore-2026-11-01.dump"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", metavar="FILE", type=Path, help="must not be there yet")
        parser.add_argument(
            "--dry-run", action="store_true", help="check all that is needed, and write nothing"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Back up, and say where to and how much."""
        file: Path = options["file"]
        if file.exists():
            raise CommandError(f"{file} is there already: name another file, or remove it first.")
        if not file.absolute().parent.is_dir():
            raise CommandError(f"{file.absolute().parent} is no folder.")
        began = time.monotonic()
        with backups.reachable_database():
            program = backups.find_program("pg_dump")
            database_bytes = backups.measure_database()
            if not options["dry_run"]:
                self._write(file, program)
        result = {
            "file": str(file),
            "bytes": 0 if options["dry_run"] else file.stat().st_size,
            "database_bytes": database_bytes,
            "seconds": round(time.monotonic() - began, 1),
            "program": str(program),
            "dry_run": options["dry_run"],
        }
        self.stdout.write(json.dumps(result) if options["json"] else _describe(result))

    def _write(self, file: Path, program: Path) -> None:
        unfinished = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        try:
            unfinished.touch(mode=0o600)
            backups.dump(program=program, file=unfinished, note=self._note)
            # Unlike a rename, it does not replace a file that was made meanwhile.
            file.hardlink_to(unfinished)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        finally:
            unfinished.unlink(missing_ok=True)

    def _note(self, table: str) -> None:
        self.stderr.write(f"reading {table}")


def _describe(result: dict[str, Any]) -> str:
    if result["dry_run"]:
        return f"{result['database_bytes']:,} bytes of data would be written to {result['file']}"
    return f"{result['file']}: {result['bytes']:,} bytes in {result['seconds']} s"
