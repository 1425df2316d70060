"""`manage.py remove_from_queue`."""

import json
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User, normalise_email
from apps.core.clock import read_clock
from apps.core.db import rehearsal
from apps.core.errors import DomainError
from apps.queue.errors import NotInLine
from apps.queue.steering import remove_customer
from config.customers import read_email
from config.staff import add_reason, describe_error, read_actor


class Command(BaseCommand):
    """Takes a customer out of the line."""

    help = (
        "Take a customer out of every waiting room and line, or out of one: the token ends at once, "
        "and the place is the next one's. Seats that are held stay held until their deadline. Who is "
        "in no line is an error. Example: "
        'manage.py remove_from_queue fan@example.com --reason "buys for resale" --room main'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("email", metavar="EMAIL", help="the customer's e-mail address")
        parser.add_argument("--room", metavar="SLUG", help="out of this room alone")
        add_reason(parser)
        parser.add_argument("--dry-run", action="store_true", help="check, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take them out, and say of which rooms."""
        email = normalise_email(read_email(options["email"]))
        dry_run: bool = options["dry_run"]
        actor = read_actor(options)
        customer = User.objects.filter(email=email).first()
        if customer is None:
            raise CommandError(f"There is no customer {email!r}.")
        try:
            with rehearsal() if dry_run else nullcontext():
                removed = remove_customer(
                    customer_id=customer.pk,
                    actor=actor,
                    reason=options["reason"],
                    now=read_clock(),
                    room_slug=options["room"],
                )
        except NotInLine:
            where = f"the line of {options['room']!r}" if options["room"] else "any line"
            raise CommandError(f"{email} is not in {where}. Nothing was changed.") from None
        except DomainError as error:
            raise CommandError(f"{describe_error(error)} Nothing was changed.") from None
        result = {
            "customer": customer.pk,
            "removed": [
                {
                    "entry": entry.pk,
                    "room": entry.room.slug,
                    "place": entry.place,
                    "was": "waiting" if entry.admitted_at is None else "admitted",
                }
                for entry in removed
            ],
            "dry_run": dry_run,
        }
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            verb = "would be taken" if dry_run else "taken"
            for entry in removed:
                self.stdout.write(f"{email}: {verb} out of {entry.room.slug}, place {entry.place}")
