"""`manage.py create_customer`."""

import json
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.errors import EmailTaken
from apps.core.clock import read_clock
from apps.core.db import rehearsal
from apps.core.errors import Busy
from config.customers import make_customer, read_balance, read_email


class Command(BaseCommand):
    """Makes one customer."""

    help = (
        "Make a customer. Without --password nobody can sign in by password. "
        "Example: manage.py create_customer fan@example.com --password - --balance 300000"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument(
            "--password",
            metavar="P",
            help="the password; “-” asks for it, or reads a line from standard input, "
            "so that no list of processes shows it",
        )
        parser.add_argument(
            "--balance", metavar="N", default=0, help="what the wallet holds, in the minor unit"
        )
        parser.add_argument("--dry-run", action="store_true", help="check, and write nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the customer and print who it is."""
        email = read_email(options["email"])
        balance = read_balance(options["balance"])
        password = _read_password(options["password"])
        dry_run: bool = options["dry_run"]
        try:
            with rehearsal() if dry_run else nullcontext():
                customer_id = make_customer(
                    email=email, password=password, balance=balance, now=read_clock()
                )
        except EmailTaken:
            raise CommandError(
                f"There is a customer {email} already; nothing was written."
            ) from None
        except Busy:
            raise CommandError("The database is busy; nothing was written. Try again.") from None
        result = {
            "id": None if dry_run else customer_id,
            "email": email.lower(),
            "balance": balance,
            "dry_run": dry_run,
        }
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            verb = "would be made" if dry_run else f"made, id {customer_id}"
            self.stdout.write(f"{result['email']}: {verb}, balance {balance:,}")


def _read_password(given: str | None) -> str | None:
    if given == "-":
        given = getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if given == "":
        raise CommandError("The password must not be empty; leave --password out for none.")
    try:
        (given or "").encode()
    except UnicodeEncodeError:
        raise CommandError("The password must be UTF-8 text.") from None
    return given
