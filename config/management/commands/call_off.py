"""`manage.py call_off`."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from apps.concerts.models import Concert, Performance
from apps.core.clock import read_clock
from apps.core.errors import Busy, DomainError
from apps.core.limits import ID_MAX
from apps.payments.calling_off import (
    Outstanding,
    call_off_performance,
    count_outstanding,
    end_called_off,
)
from config.command_line import STOPPED
from config.customers import read_number
from config.staff import add_reason, describe_error, read_actor

# So many reservations to a line of progress.
RESERVATIONS_PER_LINE = 200


class Command(BaseCommand):
    """Calls performances off and refunds them."""

    help = (
        "Call a concert off: all of its performances that are still to come, or those of "
        "--performance. Nothing more is sold of them, holds and reservations end, and what was paid "
        "goes back to the wallets, each in a commit of its own. It cannot be undone; it can be stopped "
        "and run again, and beat goes on where it stopped. "
        'Example: manage.py call_off iu-2026 --reason "the artist is ill" --dry-run'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("concert", metavar="CONCERT", help="the concert's slug")
        parser.add_argument(
            "--performance", metavar="ID", action="append", default=[], help="may be repeated"
        )
        add_reason(parser)
        parser.add_argument(
            "--no-input", action="store_true", help="do not ask whether it is meant"
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Call off, refund, and say how much; also where it is stopped half-way."""
        performances = _find_performances(options)
        to_end = count_outstanding(performances)
        actor = read_actor(options)
        dry_run: bool = options["dry_run"]
        stopped: CommandError | None = None
        ended = 0
        if not dry_run:
            self._confirm(options, performances, to_end)
            try:
                for performance_id in performances.values_list("pk", flat=True):
                    call_off_performance(
                        performance_id=performance_id,
                        actor=actor,
                        reason=options["reason"],
                        now=read_clock(),
                    )
                for outcome in end_called_off(performances, now=read_clock()):
                    ended += outcome
                    if outcome and ended % RESERVATIONS_PER_LINE == 0:
                        self.stderr.write(f"{ended:,} of {to_end.unpaid + to_end.paid:,} ended")
            except KeyboardInterrupt:
                stopped = CommandError("Stopped. Run it again to go on.", returncode=STOPPED)
            except Busy:
                stopped = CommandError("The database is busy. Run it again to go on.")
            except DomainError as error:
                raise CommandError(describe_error(error)) from None
        left = count_outstanding(performances)
        result = {
            "concert": options["concert"],
            "performances": list(performances.values_list("pk", flat=True)),
            "reservations": to_end.unpaid + to_end.paid,
            "money": to_end.money,
            "ended": ended,
            "left": left.unpaid + left.paid,
            "dry_run": dry_run,
        }
        self.stdout.write(json.dumps(result) if options["json"] else _describe(result))
        if stopped is None and not dry_run and result["left"]:
            stopped = CommandError("Some are still being paid or cancelled. Run it again to go on.")
        if stopped is not None:
            raise stopped

    def _confirm(
        self, options: dict[str, Any], performances: QuerySet[Performance], to_end: Outstanding
    ) -> None:
        """Ask whether it is meant. Raise `CommandError` where it is not."""
        if options["no_input"]:
            return
        self.stderr.write(
            f"{performances.count()} performances, {to_end.unpaid + to_end.paid:,} reservations, "
            f"{to_end.money:,} to refund. This cannot be undone."
        )
        try:
            answer = input(f"Type {options['concert']} to go on: ")
        except EOFError:
            answer = ""
        if answer != options["concert"]:
            raise CommandError("Nothing was changed.")


def _find_performances(options: dict[str, Any]) -> QuerySet[Performance]:
    """Return the performances that are meant. Raise `CommandError` where there are none."""
    concert = Concert.objects.filter(slug=options["concert"]).first()
    if concert is None:
        raise CommandError(f"There is no concert {options['concert']!r}.")
    performances = Performance.objects.filter(concert=concert).order_by("pk")
    if not options["performance"]:
        to_come = performances.filter(starts_at__gt=read_clock())
        # Those that were called off before are gone on with, whenever they were to begin.
        performances = to_come | performances.filter(called_off_at__isnull=False)
        if not performances.exists():
            raise CommandError(
                "None of its performances is still to come; name it by --performance."
            )
        return performances
    ids = {
        read_number(text, name="--performance", minimum=1, maximum=ID_MAX)
        for text in options["performance"]
    }
    named = performances.filter(pk__in=ids)
    if unknown := ids - set(named.values_list("pk", flat=True)):
        raise CommandError(f"{concert.slug} has no performance {min(unknown)}.")
    return named


def _describe(result: dict[str, Any]) -> str:
    verb = "would be ended" if result["dry_run"] else "ended"
    count = result["reservations"] if result["dry_run"] else result["ended"]
    return (
        f"{result['concert']}: {len(result['performances'])} performances, "
        f"{count:,} reservations {verb}, {result['left']:,} left"
    )
