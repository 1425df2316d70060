"""`manage.py create_customers`."""

import csv
import json
import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.tokens import issue_access_token
from apps.core.clock import read_clock
from apps.core.db import rehearsal
from apps.core.errors import Busy
from config.command_line import FAILED, STOPPED
from config.customers import CustomerBatch, make_customers, read_balance, read_number
from config.files import write_whole

COUNT_MAX = 1_000_000
# Customers of one transaction.
BATCH = 1_000
TOKEN_LIFETIME = timedelta(days=1)

NoteBatch = Callable[[CustomerBatch], None]


class Command(BaseCommand):
    """Makes many customers, for rehearsals."""

    help = (
        "Make customers {prefix}000001@customers.encore.example and so on, without passwords. Those "
        "who exist are skipped, so it can be stopped and run again. "
        "Example: manage.py create_customers 10000 --balance 500000 --access-tokens tokens.csv"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("count", metavar="COUNT", help=f"how many, at most {COUNT_MAX:,}")
        parser.add_argument(
            "--prefix", metavar="P", default="customer", help="how the e-mail addresses begin"
        )
        parser.add_argument(
            "--balance",
            metavar="N",
            default=0,
            help="what each new wallet holds, in the minor unit",
        )
        parser.add_argument(
            "--access-tokens",
            metavar="FILE.csv",
            help="write a line “email,access” for each, with a token that is good for a day",
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and write nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the customers in batches and print how many were new."""
        count = read_number(options["count"], name="COUNT", minimum=1, maximum=COUNT_MAX)
        prefix = _read_prefix(options["prefix"])
        balance = read_balance(options["balance"])
        path, dry_run = options["access_tokens"], options["dry_run"]
        emails = [f"{prefix}{n:06}@customers.encore.example" for n in range(1, count + 1)]
        with write_tokens(Path(path)) if path and not dry_run else nullcontext() as note_batch:
            made, opened = self._make_batches(emails, balance, note_batch, dry_run=dry_run)
        result = {
            "customers": count,
            "made": made,
            "wallets_opened": opened,
            "access_tokens": path,
            "dry_run": dry_run,
        }
        if options["json"]:
            self.stdout.write(json.dumps(result))
            return
        verb = "would be made" if dry_run else "made"
        self.stdout.write(
            f"{made:,} customers {verb}, {count - made:,} existed already; {opened:,} wallets opened"
        )
        if path and not dry_run:
            self.stdout.write(f"{count:,} access tokens, good for a day, in {path}")

    def _make_batches(
        self, emails: list[str], balance: int, note_batch: NoteBatch | None, *, dry_run: bool
    ) -> tuple[int, int]:
        made = opened = done = 0
        try:
            for start in range(0, len(emails), BATCH):
                batch = emails[start : start + BATCH]
                with rehearsal() if dry_run else nullcontext():
                    customers = make_customers(emails=batch, balance=balance, now=read_clock())
                made += customers.customers_made
                opened += customers.wallets_opened
                done += len(batch)
                if note_batch:
                    note_batch(customers)
                if len(emails) > BATCH:
                    self.stderr.write(f"{done:,} of {len(emails):,}")
        except (Busy, KeyboardInterrupt) as error:
            status = STOPPED if isinstance(error, KeyboardInterrupt) else FAILED
            why = "Stopped" if status == STOPPED else "The database is busy"
            what = "nothing was written" if dry_run else f"the first {done:,} are there"
            raise CommandError(f"{why}; {what}. Run it again.", returncode=status) from None
        return made, opened


def _read_prefix(text: str) -> str:
    prefix = text.lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9_+-]{0,39}", prefix):
        raise CommandError(
            "--prefix must begin with a letter or digit and have at most 40 letters a to z, digits, "
            f"“_”, “+” and “-”, not {text!r}."
        )
    return prefix


@contextmanager
def write_tokens(path: Path) -> Iterator[NoteBatch]:
    """Yield what writes the tokens of a batch; the file is there when all of them are.

    Only its owner may read it. Raise `CommandError` where it cannot be written.
    """
    with write_whole(path, option="--access-tokens", private=True) as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("email", "access"))
        yield lambda customers: lines.writerows(
            (email, issue_access_token(customer_id, lifetime=TOKEN_LIFETIME))
            for email, customer_id in sorted(customers.ids.items())
        )
