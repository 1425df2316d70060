"""A rehearsal from beginning to end."""

import os
import platform
import time
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError

from apps.core.audit import Actor
from apps.core.clock import read_clock
from apps.core.db import snapshot
from apps.core.errors import Busy
from apps.core.rehearsals import HEADER, sign_pass
from config.integrity import check_invariants
from config.rehearsal.client import NO_ANSWER, Ask, Client
from config.rehearsal.making import Stage, make_stage
from config.rehearsal.plan import Plan
from config.rehearsal.playing import Players, PlayersLost, Target
from config.rehearsal.progress import Bars, Lines
from config.rehearsal.removal import Removal, list_rehearsals, remove_rehearsal
from config.rehearsal.report import (
    add_warnings,
    describe_course,
    describe_line,
    describe_notes,
)
from config.rehearsal.steps import Course, climb

# Broken rows of one check that are named; all are counted.
NAMED_MAX = 100
PROCESSES_MAX = 8


class Rehearsal:
    """One rehearsal. `report` says what there is of it, whenever it ends."""

    def __init__(self, plan: Plan, *, actor: Actor, progress: Lines | Bars) -> None:
        self.plan = plan
        self.actor = actor
        self.progress = progress
        self.course = Course()
        self.stopped = False
        self.failure = ""
        self.report: dict[str, Any] = {
            "name": plan.name,
            "server": plan.server,
            "began_at": read_clock().isoformat(),
            "plan": {
                "customers": plan.customers,
                "performances": plan.performances,
                "seats_of_a_performance": plan.seats,
                "step_seconds": plan.step_seconds,
                "warm_up_seconds": plan.warm_up_s,
                "think_seconds": plan.think_seconds,
            },
            "machine": {
                "processors": os.cpu_count(),
                "system": platform.platform(terse=True),
                "python": platform.python_version(),
            },
            "requests": [],
            "seconds": [],
            "line": {"people": [], "waits": []},
        }

    def run(self, *, keep: bool) -> None:
        """Make, play, check, and remove what was made, also where it is stopped; with `keep`, or where
        an invariant is broken, it stays. Raise `CommandError` where it cannot be played."""
        require_server(self.plan.server, self.plan.name, exists=False)
        remove_leftovers(actor=self.actor, progress=self.progress)
        try:
            try:
                self._play()
            except KeyboardInterrupt:
                self.stopped = True
                self.progress.say("Stopping: what was made is removed. Ctrl-C again leaves it.")
            self.report["stopped"] = self.stopped
            self.report |= describe_course(self.course, think_s=self.plan.think_seconds)
            add_warnings(self.report)
            broken = self._check("before_removal")
        except BaseException:
            remove_leftovers(actor=self.actor, progress=self.progress)
            raise
        self.report["removal"] = None
        if keep or broken:
            self.progress.say(f"{self.plan.name} stays until the next rehearsal, or --clean.")
        else:
            self._remove()
        self.report["ended_at"] = read_clock().isoformat()

    @property
    def worked(self) -> bool:
        """Say whether a knee was found, every invariant holds and nothing is left that should not be."""
        removal = self.report["removal"] or {}
        broken = any(check["broken"] for check in self.report["integrity"].values())
        left = removal.get("left") or removal.get("kept")
        return self.report["knee"] is not None and not (broken or left or self.failure)

    def _play(self) -> None:
        plan, progress = self.plan, self.progress
        progress.begin(f"making {plan.customers:,} customers and {plan.performances} performances")
        stage = make_stage(plan, actor=self.actor, note_progress=progress.advance)
        require_server(plan.server, plan.name, exists=True)
        target = Target(
            servers=(plan.server,),
            headers={HEADER: sign_pass(plan.name)},
            concert_id=stage.concert_id,
        )
        began, began_at = time.monotonic(), read_clock()
        players = Players(target, stage.tickets, processes=count_processes())
        try:
            climb(
                plan,
                stage,
                players,
                self.course,
                actor=self.actor,
                note_step=lambda step: progress.say(describe_step(step)),
                begin_step=lambda people, seconds: progress.begin(
                    f"{people} people inside, {seconds:.0f} s"
                ),
            )
        except PlayersLost:
            raise CommandError("A process of the players has ended by itself.") from None
        finally:
            progress.begin("the last answers")
            players.stop()
            self._note_history(stage, players, began=began, began_at=began_at)

    def _note_history(
        self, stage: Stage, players: Players, *, began: float, began_at: datetime
    ) -> None:
        self.report |= describe_notes(players.notes, began=began)
        self.report["line"] = describe_line(stage, began_at=began_at)

    def _check(self, when: str) -> int:
        """Check every invariant over the whole database; return how many rows break one."""
        self.progress.begin("checking every invariant")
        with snapshot() as cursor:
            results = check_invariants(cursor, now=read_clock(), limit=NAMED_MAX)
        broken = sum(result.broken for result in results)
        named = [
            f"{finding.invariant} {finding.subject} {finding.detail}"
            for result in results
            for finding in result.named
        ]
        checks = self.report.setdefault("integrity", {})
        checks[when] = {
            "broken": broken,
            "seconds": round(sum(result.seconds for result in results), 2),
            "named": named[:NAMED_MAX],
        }
        self.progress.say(f"invariants: {f'{broken:,} rows broken' if broken else 'whole'}")
        return broken

    def _remove(self) -> None:
        """Remove what was made, and check once more. The report is there even where that fails."""
        self.progress.begin("removing what was made")
        try:
            removal = remove_rehearsal(
                self.plan.name, actor=self.actor, note_progress=self.progress.advance
            )
        except Busy as error:
            self.failure = f"It was not removed ({error.__cause__}): run it with --clean."
            return
        self.report["removal"] = describe_removal(removal)
        self._check("after_removal")


def remove_leftovers(*, actor: Actor, progress: Lines | Bars) -> list[Removal]:
    """Remove what earlier rehearsals have left. Raise `Busy`."""
    removals = []
    for name in list_rehearsals():
        progress.begin(f"removing {name}")
        removal = remove_rehearsal(name, actor=actor, note_progress=progress.advance)
        progress.say(f"{name}: {sum(removal.removed.values()):,} rows removed")
        for kept in removal.kept:
            progress.say(f"{name}: {kept} is a real customer's, and stays with its concert")
        removals.append(removal)
    return removals


def describe_removal(removal: Removal) -> dict[str, Any]:
    """Return what went and what is left."""
    return {
        "removed": dict(sorted(removal.removed.items())),
        "left": removal.count_left(),
        "kept": removal.kept,
    }


def describe_step(step: dict[str, Any]) -> str:
    """Return a step in one line."""
    answers = step["answers_of_a_purchase"]
    return (
        f"{step['people']:>6,} inside: {step['purchases_per_second']:>7.1f} purchases/s, "
        f"{answers.get('mean_ms', 0):>7.0f} ms for the answers of one, requests p95 "
        f"{step['latency'].get('p95_ms', 0):>6.0f} ms, {step['errors']:,} errors"
    )


def count_processes() -> int:
    """Return how many processes play: half the processors, since the server may need the others."""
    return min(max((os.cpu_count() or 1) // 2, 1), PROCESSES_MAX)


def require_server(server: str, name: str, *, exists: bool) -> None:
    """Raise `CommandError` unless the server answers, and has the room of this name where it `exists`: then
    it works with the database that we work with."""
    client = Client(server, {})
    ask = Ask(kind="room", method="GET", path=f"/queue/rooms/{name}", headers={})
    answer = client.ask(ask, due=time.monotonic())
    client.close()
    if answer.status == NO_ANSWER:
        raise CommandError(f"{server} does not answer ({answer.code}). Is it running?")
    wanted = (200,) if exists else (200, 404)
    if answer.status in wanted:
        return
    if answer.status == 404:
        raise CommandError(f"{server} does not know what was made: it has another database.")
    hint = {
        301: " It redirects: give the address that it redirects to.",
        400: " Is its name among its ALLOWED_HOSTS?",
    }.get(answer.status, "")
    raise CommandError(f"{server} answers {answer.outcome}, which is no Encore.{hint}")
