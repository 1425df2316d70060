"""`manage.py resume_sale`."""

import json
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.concerts.models import Concert
from apps.concerts.services import resume_sale
from apps.core.clock import read_clock
from apps.core.db import rehearsal
from apps.core.errors import DomainError
from config.staff import add_reason, describe_error, read_actor


class Command(BaseCommand):
    """Lets a stopped sale go on."""

    help = (
        "Let the sale of a concert go on that the guard of the invariants has stopped. What was found "
        "stays in the admin until it is whole again, and stops the sale no second time. "
        'Example: manage.py resume_sale iu-2026 --reason "seat 17 was refunded"'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("concert", metavar="SLUG", help="the concert's slug")
        add_reason(parser)
        parser.add_argument("--dry-run", action="store_true", help="check, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Let it go on, and say so."""
        slug: str = options["concert"]
        dry_run: bool = options["dry_run"]
        concert = Concert.objects.filter(slug=slug).first()
        if concert is None:
            raise CommandError(f"There is no concert {slug!r}.")
        actor = read_actor(options)
        try:
            with rehearsal() if dry_run else nullcontext():
                resume_sale(
                    concert_id=concert.pk, actor=actor, reason=options["reason"], now=read_clock()
                )
        except DomainError as error:
            raise CommandError(f"{slug}: {describe_error(error)} Nothing was changed.") from None
        result = {
            "concert": slug,
            "was_stopped_for": concert.sale_stopped_reason,
            "dry_run": dry_run,
        }
        if options["json"]:
            self.stdout.write(json.dumps(result, ensure_ascii=False))
        else:
            verb = "would go on" if dry_run else "goes on"
            self.stdout.write(
                f"{slug}: the sale {verb}; it was stopped: {concert.sale_stopped_reason}"
            )
