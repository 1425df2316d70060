"""`manage.py restore`."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config import backups

# Tables of a database in use that are named.
_NAMED_MAX = 3


class Command(BaseCommand):
    """Puts a backup into an empty database."""

    help = (
        "Put a backup that `manage.py backup` or pg_dump -Fc wrote into the database of DATABASE_URL, or "
        "the embedded one of DATA_DIR, which must be empty. All of it is put there, or nothing, so it "
        "can be stopped and run again. Then run check_integrity, and migrate where the code is newer "
        "than the backup. Example: DATA_DIR=restored manage.py restore encore-2026-11-01.dump"
    )
    # Of an empty database nothing is asked but whether it is.
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--dry-run", action="store_true", help="read the backup's list, and write nothing"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, and say what."""
        file: Path = options["file"]
        if not file.is_file():
            raise CommandError(f"{file} is no file.")
        began = time.monotonic()
        with backups.reachable_database():
            program = backups.find_program("pg_restore")
            tables = backups.list_contents(program=program, file=file)
            if not tables:
                raise CommandError(f"{file} holds no table.")
            self._require_empty()
            if not options["dry_run"]:
                backups.restore(program=program, file=file, note=self._note)
        result = {
            "file": str(file),
            "tables": len(tables),
            "seconds": round(time.monotonic() - began, 1),
            "program": str(program),
            "dry_run": options["dry_run"],
        }
        self.stdout.write(json.dumps(result) if options["json"] else _describe(result))

    def _require_empty(self) -> None:
        tables = backups.list_tables()
        if tables:
            named = ", ".join(tables[:_NAMED_MAX])
            raise CommandError(
                f"The database is not empty: it has {len(tables)} tables ({named} …). Nothing was "
                "changed. Name an empty one by DATABASE_URL, or another DATA_DIR."
            )

    def _note(self, table: str) -> None:
        self.stderr.write(f"writing {table}")


def _describe(result: dict[str, Any]) -> str:
    if result["dry_run"]:
        return f"{result['tables']} tables would be restored from {result['file']}"
    return (
        f"{result['tables']} tables restored in {result['seconds']} s. Now run check_integrity, and "
        "migrate where the code is newer than the backup."
    )
