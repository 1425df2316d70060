"""`manage.py load_concerts`."""

import json
from argparse import ArgumentParser
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.concerts.concert_file import ConcertFileError
from apps.core.clock import read_clock
from apps.core.db import rehearsal
from apps.core.errors import Busy
from apps.reservations.catalogue import LoadReport, count_seats, load_concerts, read_concerts
from config.command_line import STOPPED

# A file with fewer seats is loaded before anybody wonders.
SILENT_SEATS_MAX = 10_000


class Command(BaseCommand):
    """Makes or updates concerts from files."""

    help = (
        "Make or update concerts from JSON files, each in one transaction. A second time changes "
        "nothing; a seat that is taken is never changed or removed. "
        "Example: manage.py load_concerts concerts.json --dry-run"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("files", metavar="FILE", nargs="+", help="a concert file")
        parser.add_argument("--dry-run", action="store_true", help="check, and write nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load each file by itself, and fail at the end where one could not be loaded."""
        files, results = options["files"], []
        stopped: CommandError | None = None
        try:
            for index, name in enumerate(files, start=1):
                if len(files) > 1:
                    self.stderr.write(f"file {index} of {len(files)}: {name}")
                result = self._load(name, dry_run=options["dry_run"])
                results.append(result)
                if not options["json"]:
                    self._print(result, dry_run=options["dry_run"])
        except KeyboardInterrupt:
            stopped = CommandError(
                f"Stopped; {len(files) - len(results)} of {len(files)} files were not loaded. "
                "Run it again.",
                returncode=STOPPED,
            )
        if options["json"]:
            self.stdout.write(
                json.dumps({"dry_run": options["dry_run"], "files": results}, ensure_ascii=False)
            )
        failed = sum(not result["loaded"] for result in results)
        if stopped is not None:
            raise stopped
        if failed:
            raise CommandError(f"{failed} of {len(results)} files could not be loaded.")

    def _load(self, name: str, *, dry_run: bool) -> dict[str, Any]:
        """Return what loading one file did: `loaded`, and its report or its `errors`."""
        try:
            file = read_concerts(Path(name))
            loud = count_seats(file) > SILENT_SEATS_MAX
            with rehearsal() if dry_run else nullcontext():
                report = load_concerts(
                    file,
                    now=read_clock(),
                    note_progress=self.stderr.write if loud else lambda _text: None,
                )
        except ConcertFileError as error:
            errors = [
                {"place": problem.written_place, "message": problem.message}
                for problem in error.problems
            ]
        except Busy:
            errors = [{"place": "", "message": "the database is busy; try again"}]
        else:
            return {"file": name, "loaded": True, "errors": [], **_describe(report, dry_run)}
        return {"file": name, "loaded": False, "errors": errors}

    def _print(self, result: dict[str, Any], *, dry_run: bool) -> None:
        name = result["file"]
        for error in result["errors"]:
            place = f"{error['place']}: " if error["place"] else ""
            self.stderr.write(f"{name}: {place}{error['message']}")
        for slug, outcome in result.get("rooms", {}).items():
            self.stdout.write(f"{name}: room {slug}: {outcome}")
        for concert in result.get("concerts", ()):
            counts = ", ".join(
                f"{concert[count]:,} {count.replace('_', ' ')}"
                for count in (
                    *("performances_made", "seats_made", "seats_changed"),
                    *("seats_removed", "seats_withdrawn"),
                )
                if concert[count]
            )
            self.stdout.write(
                f"{name}: {concert['slug']}: {concert['outcome']}{counts and f' ({counts})'}"
            )
            for starts_at in concert["performances_not_in_file"]:
                self.stdout.write(
                    f"{name}: {concert['slug']}: the performance at {starts_at} is not in the file "
                    "and stays as it is"
                )
        if dry_run and result["loaded"]:
            self.stdout.write(f"{name}: dry run, nothing was written")


def _describe(report: LoadReport, dry_run: bool) -> dict[str, Any]:
    described = asdict(report)
    if dry_run:
        for concert in described["concerts"]:
            # The id of a row that is not there.
            concert["concert_id"] = None
    return described
