"""The commands that run a sweep by hand, once."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar

from django.core.management.base import BaseCommand

from apps.core.db import rehearsal
from apps.core.sweeps import run_sweep


class SweepCommand(BaseCommand):
    """Runs one sweep now and says how many rows it touched."""

    sweep_name: ClassVar[str]
    sweep: ClassVar[Callable[..., int]]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add `--dry-run` and `--json`."""
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the sweep."""
        dry_run: bool = options["dry_run"]
        with rehearsal() if dry_run else nullcontext():
            count = run_sweep(self.sweep_name, type(self).sweep)
        if options["json"]:
            result = {"sweep": self.sweep_name, "touched": count, "dry_run": dry_run}
            self.stdout.write(json.dumps(result))
        else:
            told = ", dry run" if dry_run else ""
            self.stdout.write(f"{self.sweep_name}: {count} rows{told}")
