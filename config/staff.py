"""What operators' commands share that end what is a customer's: who does it, why, and how it is told."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import nullcontext
from getpass import getuser
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User
from apps.core.audit import Actor
from apps.core.clock import read_clock
from apps.core.db import rehearsal
from apps.core.errors import DomainError, InvalidRequest
from apps.core.limits import ID_MAX
from apps.reservations.models import Reservation
from config.customers import read_number


def add_reason(parser: ArgumentParser) -> None:
    """Declare `--reason` and `--by`."""
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why; it is recorded")
    parser.add_argument(
        "--by",
        metavar="EMAIL",
        help="the member of staff who does it; by default this terminal's user is recorded",
    )


def read_actor(options: dict[str, Any]) -> Actor:
    """Return who does it. Raise `CommandError` where `--by` names no member of staff."""
    email = options["by"]
    if email is None:
        return Actor(name=f"terminal: {getuser()}")
    user = User.objects.filter(email__iexact=email, is_staff=True, is_active=True).first()
    if user is None:
        raise CommandError(f"--by must be the e-mail of an active member of staff, not {email!r}.")
    return Actor(name=user.email or str(user.pk), user_id=user.pk)


def describe_error(error: DomainError) -> str:
    """Return what an error says to an operator, in one line."""
    if isinstance(error, InvalidRequest):
        return " ".join(
            f"--{entry['field'].replace('_', '-')}: {entry['detail']}"
            for entry in error.fields["errors"]
        )
    return str(error.detail)


class EndingCommand(BaseCommand):
    """Ends one reservation of a customer by a service that takes its id as `id_name`."""

    id_name: ClassVar[str]
    service: ClassVar[Callable[..., Reservation]]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("id", metavar="ID")
        add_reason(parser)
        parser.add_argument(
            "--withdraw", action="store_true", help="take the seats off sale, for the same reason"
        )
        parser.add_argument("--dry-run", action="store_true", help="check, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """End it, and say what was ended."""
        number = read_number(options["id"], name="ID", minimum=1, maximum=ID_MAX)
        dry_run: bool = options["dry_run"]
        try:
            with rehearsal() if dry_run else nullcontext():
                reservation = type(self).service(
                    **{self.id_name: number},
                    actor=read_actor(options),
                    reason=options["reason"],
                    now=read_clock(),
                    withdraw=options["withdraw"],
                )
        except DomainError as error:
            raise CommandError(f"{describe_error(error)} Nothing was changed.") from None
        result = {
            "reservation": reservation.pk,
            "customer": reservation.customer_id,
            "seats": sorted(reservation.lines.values_list("seat", flat=True)),
            "refunded": reservation.total if reservation.payment_id else 0,
            "currency": reservation.currency,
            "withdrawn": options["withdraw"],
            "dry_run": dry_run,
        }
        self.stdout.write(json.dumps(result) if options["json"] else _describe(result))


def _describe(result: dict[str, Any]) -> str:
    verb = "would be ended" if result["dry_run"] else "ended"
    seats = "off sale" if result["withdrawn"] else "free"
    return (
        f"reservation {result['reservation']} of customer {result['customer']}: {verb}; "
        f"{len(result['seats'])} seats {seats}; "
        f"refunded {result['refunded']:,} {result['currency']}"
    )
