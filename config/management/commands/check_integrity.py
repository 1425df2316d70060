"""`manage.py check_integrity`."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from apps.core.clock import read_clock
from apps.core.db import snapshot
from config.integrity import INVARIANTS, Result, check_invariants

# Rows of one check that are named; all are counted.
NAMED_MAX = 100


class Command(BaseCommand):
    """Proves the invariants over the whole database."""

    help = (
        "Prove over the whole database, as it is at one moment, that every invariant holds: seats, "
        "money, lines, limits, retries, staff's records. Names each broken row and changes nothing; "
        "everything else goes on meanwhile. The exit status is 1 where anything is broken. "
        "Example: manage.py check_integrity --invariant 2 --invariant 3"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument(
            "--invariant",
            metavar="N",
            type=int,
            nargs="+",
            action="extend",
            choices=list(INVARIANTS),
            help="check only this one, 1 to 9; several may be given",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, tell, and fail where anything is broken."""
        chosen = set(options["invariant"] or INVARIANTS)
        try:
            with snapshot() as cursor:
                results = check_invariants(
                    cursor,
                    now=read_clock(),
                    limit=NAMED_MAX,
                    invariants=chosen,
                    note_result=self._note,
                )
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database did not answer: {error}".strip()) from None
        broken = sum(result.broken for result in results)
        if options["json"]:
            self.stdout.write(_to_json(results, broken))
        else:
            self._print(results, broken)
        if broken:
            raise CommandError(f"{broken:,} rows break an invariant.")

    def _note(self, result: Result) -> None:
        state = f"{result.broken:,} broken" if result.broken else "whole"
        text = f"invariant {result.invariant}: {state} ({result.seconds:.1f} s): "
        self.stderr.write(text + INVARIANTS[result.invariant], self.style.NOTICE)

    def _print(self, results: list[Result], broken: int) -> None:
        for result in results:
            for finding in result.named:
                self.stdout.write(f"{finding.invariant} {finding.subject} {finding.detail}")
            if not result.complete:
                self.stdout.write(
                    f"{result.invariant} and {result.broken - len(result.named):,} more"
                )
        if not broken:
            numbers = ", ".join(str(result.invariant) for result in results)
            self.stdout.write(f"whole: {numbers}")


def _to_json(results: list[Result], broken: int) -> str:
    invariants = [
        {
            "invariant": result.invariant,
            "title": INVARIANTS[result.invariant],
            "broken": result.broken,
            "seconds": round(result.seconds, 3),
            "named": [asdict(finding) for finding in result.named],
        }
        for result in results
    ]
    return json.dumps({"broken": broken, "invariants": invariants}, ensure_ascii=False)
