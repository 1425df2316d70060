"""`manage.py export_concerts`."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.concerts.models import Concert
from apps.core.db import snapshot
from apps.reservations.catalogue_export import Export, NotExportable, export_concerts
from config.concerts import find_concert
from config.files import write_whole


class Command(BaseCommand):
    """Writes concerts as a concert file."""

    help = (
        "Write concerts as a file that load_concerts reads, and that changes nothing when it is loaded "
        "again: before anything is written it is read back and compared with every seat. What a "
        "concert file cannot say is left out: reservations, blocks by staff, performances that are "
        "called off. Example: manage.py export_concerts iu-2026 --output iu.json"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("concerts", metavar="ID", nargs="*", help="a concert's slug or id")
        parser.add_argument("--all", action="store_true", help="every concert that has seats")
        parser.add_argument("--output", metavar="FILE", help="write to this file, not to stdout")
        parser.add_argument(
            "--json", action="store_true", help="say as JSON, on stderr, what was written"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file, whole or not at all."""
        if bool(options["concerts"]) == options["all"]:
            raise CommandError("Name concerts by slug or id, or give --all.")
        with snapshot():
            concerts = _find_concerts(options["concerts"])
            export = self._export(concerts)
        if not export.concerts:
            raise CommandError("There is no concert with seats; nothing was written.")
        if options["concerts"] and export.without_seats:
            slugs = ", ".join(export.without_seats)
            raise CommandError(f"These have no seats: {slugs}. Nothing was written.")
        if options["output"]:
            with write_whole(Path(options["output"]), option="--output") as file:
                file.write(export.content)
        else:
            self.stdout.write(export.content, ending="")
        self._tell(export, concerts, options)

    def _export(self, concerts: list[Concert]) -> Export:
        done = 0

        def note_progress(slug: str) -> None:
            nonlocal done
            done += 1
            if len(concerts) > 1:
                self.stderr.write(f"concert {done} of {len(concerts)}: {slug}")

        try:
            return export_concerts(concerts, note_progress=note_progress)
        except NotExportable as error:
            for problem in error.problems:
                self.stderr.write(problem)
            raise CommandError("Nothing was written.") from None

    def _tell(self, export: Export, concerts: list[Concert], options: dict[str, Any]) -> None:
        foreign = [
            concert.slug
            for concert in concerts
            if concert.slug in export.concerts and concert.currency != settings.CURRENCY
        ]
        if options["json"]:
            result = {
                "file": options["output"],
                "concerts": export.concerts,
                "performances": export.performances,
                "seats": export.seats,
                "left_out": export.left_out,
                "without_seats": export.without_seats,
            }
            self.stderr.write(json.dumps(result, ensure_ascii=False))
            return
        for text in export.left_out:
            self.stderr.write(f"left out: {text}")
        for slug in export.without_seats:
            self.stderr.write(f"left out: {slug} has no seats")
        for slug in foreign:
            self.stderr.write(f"{slug}: not in {settings.CURRENCY}, and the file names no currency")
        self.stderr.write(
            f"{len(export.concerts):,} concerts, {export.performances:,} performances, "
            f"{export.seats:,} seats{' in ' + options['output'] if options['output'] else ''}"
        )


def _find_concerts(named: list[str]) -> list[Concert]:
    """Return the concerts that are named, in that order, or all. Raise `CommandError` for an unknown."""
    if not named:
        # Those of rehearsals are gone tomorrow.
        kept = Concert.objects.filter(rehearsal__isnull=True)
        return list(kept.select_related("venue").order_by("pk"))
    return list(dict.fromkeys(find_concert(name) for name in named))
