"""`manage.py export_sales`."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from apps.core.clock import read_clock
from apps.core.sheets import write_csv
from apps.payments.sales import COLUMNS, CUSTOMER_COLUMNS, read_sales
from config.command_line import STOPPED
from config.concerts import find_concert
from config.files import write_whole

# Between two lines of progress, and after so many rows at the soonest.
PROGRESS_S = 5
ROWS_PER_LOOK = 10_000

Row = tuple[Any, ...]


@dataclass(kw_only=True)
class Counter:
    """Counts rows as they pass, and says now and then how many of the total have."""

    note_progress: Callable[[str], None]
    read: int = 0
    total: int = 0

    def count(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, counted."""
        noted_at = time.monotonic()
        for row in rows:
            self.read += 1
            yield row
            if self.read % ROWS_PER_LOOK == 0 and time.monotonic() - noted_at >= PROGRESS_S:
                noted_at = time.monotonic()
                self.note_progress(f"{self.read:,} of {self.total:,}")


class Command(BaseCommand):
    """Writes what a concert has sold."""

    help = (
        "Write the seats of a concert that are sold, or reserved and not overdue, one a row, as of one "
        "moment: prices as they were sold, in the currency's minor unit, times in UTC. At the end the "
        "rows are counted against the table; where they differ the exit status is 1 and no file is "
        "left. It takes little memory however many there are, and everything else goes on meanwhile. "
        "Example: manage.py export_sales iu-2026 --output sales.csv"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("concert", metavar="CONCERT", help="the concert's slug or id")
        parser.add_argument(
            "--format",
            choices=FORMATS,
            default="csv",
            help="csv for spreadsheets, in which no text is taken for a formula, or jsonl, an object "
            "a line, for programs; by default csv",
        )
        parser.add_argument("--output", metavar="FILE", help="write to this file, not to stdout")
        parser.add_argument(
            "--with-customers", action="store_true", help="add the customers' e-mail addresses"
        )
        parser.add_argument(
            "--json", action="store_true", help="say as JSON, on stderr, what was written"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the rows, and fail where they are not as many as there are."""
        concert = find_concert(options["concert"])
        columns = COLUMNS + CUSTOMER_COLUMNS * options["with_customers"]
        output: str | None = options["output"]
        target: AbstractContextManager[Any] = nullcontext(self.stdout)
        if output:
            target = write_whole(Path(output), option="--output", private=True)
        counter = Counter(note_progress=self.stderr.write)
        try:
            with target as file, read_sales(concert, now=read_clock()) as sales:
                counter.total = sales.count
                rows = (row[: len(columns)] for row in counter.count(sales.rows))
                for line in FORMATS[options["format"]](columns, rows):
                    file.write(line)
                if counter.read != counter.total:
                    raise CommandError(
                        f"{counter.read:,} rows were read, but the table has {counter.total:,}: do "
                        "not use them."
                    )
        except KeyboardInterrupt:
            left = f"; {output} was not written" if output else ""
            raise CommandError(
                f"Stopped after {counter.read:,} of {counter.total:,} rows{left}. Run it again.",
                returncode=STOPPED,
            ) from None
        result = {"concert": concert.slug, "rows": counter.read, "file": output}
        if options["json"]:
            self.stderr.write(json.dumps(result, ensure_ascii=False))
        else:
            self.stderr.write(
                f"{concert.slug}: {counter.read:,} rows, as many as the table has"
                f"{', in ' + output if output else ''}"
            )


def write_table(columns: tuple[str, ...], rows: Iterable[Row]) -> Iterator[str]:
    """Yield the rows as CSV, the heading first."""
    return write_csv(columns, (tuple(map(_write_cell, row)) for row in rows))


def write_objects(columns: tuple[str, ...], rows: Iterable[Row]) -> Iterator[str]:
    """Yield each row as a JSON object and a line."""
    for row in rows:
        named = dict(zip(columns, row, strict=True))
        yield orjson.dumps(named, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE).decode()


def _write_cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


FORMATS: dict[str, Callable[[tuple[str, ...], Iterable[Row]], Iterator[str]]] = {
    "csv": write_table,
    "jsonl": write_objects,
}
