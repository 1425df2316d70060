"""`manage.py prune_history`."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from apps.core.clock import read_clock
from apps.core.errors import Busy
from apps.core.pruning import delete_in_batches, list_old_keys
from apps.queue.pruning import list_old_entries, list_old_turns
from config.command_line import STOPPED
from config.customers import read_number
from config.moments import read_moment

BATCH = 1_000
BATCH_MAX = 10_000
# So many batches to a line of progress.
BATCHES_PER_LINE = 100

# What is deleted, in this order, by its name in the result.
HISTORY: dict[str, Callable[..., QuerySet[Any]]] = {
    "queue_entries": list_old_entries,
    "turns": list_old_turns,
    "idempotency_keys": list_old_keys,
}


class Command(BaseCommand):
    """Deletes old history in batches."""

    help = (
        "Delete queue entries that ended before DATE, with the turns that let them in, and "
        "idempotency keys from before it. Nothing is deleted that a repeated request may still ask "
        "for, so what is younger than IDEMPOTENCY_HOURS stays. It works in small batches beside "
        "everything else, and can be stopped and run again. verify_queue can replay only what has not "
        "been pruned: run it before. Example: manage.py prune_history --before 2026-10-01 --dry-run"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--before",
            metavar="DATE",
            required=True,
            help="a day (2026-10-01) or a moment (2026-10-01T09:00:00+09:00); by TIME_ZONE where it "
            "names none",
        )
        parser.add_argument(
            "--batch",
            metavar="N",
            default=BATCH,
            help=f"rows to a transaction, by default {BATCH:,}",
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and delete nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and say how much; also where it is stopped half-way."""
        now = read_clock()
        asked = _read_before(options["before"], now=now)
        batch = read_number(options["batch"], name="--batch", minimum=1, maximum=BATCH_MAX)
        before = min(asked, now - timedelta(hours=settings.IDEMPOTENCY_HOURS))
        if before < asked:
            self.stderr.write(
                f"What is younger than {settings.IDEMPOTENCY_HOURS} hours stays: a repeated request "
                "may still ask for it."
            )
        counts = dict.fromkeys(HISTORY, 0)
        stopped: CommandError | None = None
        try:
            self._prune(counts, before=before, batch=batch, dry_run=options["dry_run"])
        except KeyboardInterrupt:
            stopped = CommandError("Stopped. Run it again to go on.", returncode=STOPPED)
        except Busy:
            stopped = CommandError("The database is busy. Run it again to go on.")
        result = {
            "before": before.isoformat(),
            **counts,
            "dry_run": options["dry_run"],
            "complete": stopped is None,
        }
        self.stdout.write(json.dumps(result) if options["json"] else _describe(result))
        if stopped is not None:
            raise stopped

    def _prune(
        self, counts: dict[str, int], *, before: datetime, batch: int, dry_run: bool
    ) -> None:
        for name, list_old in HISTORY.items():
            rows = list_old(before=before)
            if dry_run:
                counts[name] = rows.count()
                continue
            for batches, deleted in enumerate(delete_in_batches(rows, batch=batch), start=1):
                counts[name] += deleted
                if batches % BATCHES_PER_LINE == 0:
                    self.stderr.write(f"{name.replace('_', ' ')}: {counts[name]:,} deleted")


def _read_before(text: str, *, now: datetime) -> datetime:
    """Return what an operator typed. Raise `CommandError` where it is still to come."""
    moment = read_moment(text, name="--before")
    if moment > now:
        raise CommandError(f"--before must not be in the future, as {moment.isoformat()} is.")
    return moment


def _describe(result: dict[str, Any]) -> str:
    counted = ", ".join(f"{result[name]:,} {name.replace('_', ' ')}" for name in HISTORY)
    verb = "would be deleted" if result["dry_run"] else "deleted"
    return f"from before {result['before']}: {counted} {verb}"
