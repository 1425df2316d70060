"""`manage.py rehearse_onsale`."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.audit import Actor
from apps.core.clock import read_clock
from config.command_line import STOPPED
from config.customers import read_number
from config.files import write_whole
from config.rehearsal import plan as limits
from config.rehearsal.lone import rehearse_alone
from config.rehearsal.plan import Plan, choose_name
from config.rehearsal.progress import Bars, Lines, tell
from config.rehearsal.report import render_html
from config.rehearsal.run import Rehearsal, describe_removal, describe_step, remove_leftovers
from config.staff import read_actor

# name, default, most, what it is
NUMBERS = (
    ("customers", 5_000, limits.CUSTOMERS_MAX, "how many buy, each two seats"),
    ("seats", 2_000, limits.SEATS_MAX, "seats of one performance; as many performances as it takes"),
    ("steps", 11, limits.STEPS_MAX, "how many steps at the most: 1, 2, 4, 8 … people inside"),
    ("step-seconds", 10, limits.STEP_SECONDS_MAX, "how long each step is measured, after 5 s"),
    (
        "think-seconds", 90, limits.THINK_SECONDS_MAX,
        "what people take from being let in to paying, which players do not; for the proposal alone",
    ),
)  # fmt: skip


class Command(BaseCommand):
    """Rehearses an on-sale."""

    help = (
        "Play an on-sale against a running server, with a throw-away concert, waiting room and "
        "customers, from the line to the payment: more and more people inside, until throughput grows "
        "no more. Then say which capacity and how many entries a minute a room should have, check every "
        "invariant and remove what was made. The concert is on no public list. Run it on a quiet "
        "installation: it takes what there is. Ctrl-C stops it, and still removes what was made. "
        "Example: manage.py rehearse_onsale --think-seconds 120 --report-html report.html"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--server",
            metavar="URL",
            default=f"http://127.0.0.1:{settings.PORT}",
            help="where customers reach Encore; by default this machine's",
        )
        for name, default, most, what in NUMBERS:
            parser.add_argument(
                f"--{name}",
                metavar="N",
                default=default,
                help=f"{what}; by default {default:,}, at most {most:,}",
            )
        parser.add_argument("--report-json", metavar="FILE", help="write the report as JSON")
        parser.add_argument("--report-html", metavar="FILE", help="write it as a page with plots")
        parser.add_argument(
            "--by",
            metavar="EMAIL",
            help="the member of staff who does it; by default this terminal's user is recorded",
        )
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument(
            "--keep",
            action="store_true",
            help="leave what was made until the next rehearsal, or --clean",
        )
        chosen.add_argument(
            "--clean",
            action="store_true",
            help="play nothing; remove what a rehearsal has left that was killed, or kept",
        )
        chosen.add_argument(
            "--dry-run", action="store_true", help="say what would be made, and make nothing"
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rehearse, and report what there is, also where it was stopped."""
        actor = read_actor(options)
        plan = _read_plan(options)
        if options["dry_run"]:
            self._print(_foretell(plan), options, "\n".join(_describe_plan(plan)))
            return
        with rehearse_alone(), tell(cast(TextIO, self.stderr._out)) as progress:
            if options["clean"]:
                self._clean(options, actor=actor, progress=progress)
                return
            rehearsal = Rehearsal(plan, actor=actor, progress=progress)
            rehearsal.run(keep=options["keep"])
        report = rehearsal.report
        _write_files(report, options)
        self._print(report, options, "\n".join(_describe(report)))
        if rehearsal.stopped:
            raise CommandError("Stopped. The report is of what there was.", returncode=STOPPED)
        if not rehearsal.worked:
            why = rehearsal.failure or "see the report."
            raise CommandError(f"The rehearsal did not come to a good end: {why}")

    def _clean(self, options: dict[str, Any], *, actor: Actor, progress: Lines | Bars) -> None:
        removals = remove_leftovers(actor=actor, progress=progress)
        result = {removal.name: describe_removal(removal) for removal in removals}
        text = f"{len(result)} rehearsals removed" if result else "nothing was left"
        self._print({"rehearsals": result}, options, text)
        if any(found["left"] or found["kept"] for found in result.values()):
            raise CommandError("Something is left: see above.")

    def _print(self, result: dict[str, Any], options: dict[str, Any], text: str) -> None:
        self.stdout.write(json.dumps(result, ensure_ascii=False) if options["json"] else text)


def _read_plan(options: dict[str, Any]) -> Plan:
    """Return what was asked for. Raise `CommandError` where it cannot be."""
    address = urlsplit(options["server"])
    try:
        address.port  # noqa: B018  raises ValueError where it is no number
    except ValueError:
        address = urlsplit("")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise CommandError(
            f"--server must be an address such as http://127.0.0.1:8000, not {options['server']!r}."
        )
    numbers = {
        name: read_number(
            options[name.replace("-", "_")],
            name=f"--{name}",
            minimum=2 if name == "seats" else int(name != "think-seconds"),
            maximum=most,
        )
        for name, _default, most, _what in NUMBERS
    }
    plan = Plan(
        name=choose_name(read_clock()),
        server=options["server"].rstrip("/"),
        customers=numbers["customers"],
        seats=numbers["seats"],
        steps=numbers["steps"],
        step_seconds=numbers["step-seconds"],
        think_seconds=numbers["think-seconds"],
    )
    problem = plan.find_problem()
    if problem is not None:
        raise CommandError(problem)
    return plan


def _foretell(plan: Plan) -> dict[str, Any]:
    return {
        "server": plan.server,
        "customers": plan.customers,
        "performances": plan.performances,
        "seats": plan.performances * plan.seats,
        "people_inside": plan.levels,
        "seconds_at_most": (plan.steps + 2) * (plan.step_seconds + plan.warm_up_s),
        "dry_run": True,
    }


def _describe_plan(plan: Plan) -> list[str]:
    told = _foretell(plan)
    return [
        f"would play against {plan.server}:",
        f"{plan.customers:,} customers, {plan.performances:,} performances, {told['seats']:,} seats",
        f"people inside: {', '.join(map(str, plan.levels))}, until throughput grows no more",
        f"{told['seconds_at_most']:,.0f} s at the most, beside making and removing",
        "nothing was made",
    ]


def _write_files(report: dict[str, Any], options: dict[str, Any]) -> None:
    if options["report_json"]:
        with write_whole(Path(options["report_json"]), option="--report-json") as file:
            json.dump(report, file, ensure_ascii=False, indent=1)
            file.write("\n")
    if options["report_html"]:
        with write_whole(Path(options["report_html"]), option="--report-html") as file:
            file.write(render_html(report))


def _describe(report: dict[str, Any]) -> list[str]:
    lines = [describe_step(step) for step in report["steps"]]
    lines += report["words"]
    lines += [f"Beware: {warning}" for warning in report["warnings"]]
    for when, check in report["integrity"].items():
        verdict = f"{check['broken']:,} rows broken" if check["broken"] else "whole"
        lines.append(f"invariants {when.replace('_', ' ')}: {verdict}")
        lines += check["named"]
    removal = report["removal"]
    if removal:
        lines.append(
            f"{sum(removal['removed'].values()):,} rows removed; left: "
            + (", ".join(f"{n:,} {table}" for table, n in removal["left"].items()) or "nothing")
        )
        lines += [f"{kept}: a real customer's" for kept in removal["kept"]]
    if report["proposal"]:
        lines.append(report["proposal"]["command"])
    return lines
