"""Stepping up: more and more people inside, until more of them only wait for each other."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Avg, F

from apps.core.audit import Actor
from apps.core.clock import read_clock
from apps.queue.models import QueueEntry
from apps.queue.steering import steer_room
from config.rehearsal.figures import describe_window
from config.rehearsal.knee import Point, is_over, refine
from config.rehearsal.making import REASON, Stage
from config.rehearsal.plan import Plan
from config.rehearsal.playing import Players
from config.rehearsal.processors import Usage, compare, read_usage

# In line, beyond those inside: enough that a place is never free for want of somebody who knows of it,
# and no more, since a longer line asks more.
LINE_MIN = 8
LINE_SECONDS = 4.0

NoteStep = Callable[[dict[str, Any]], None]


@dataclass
class Course:
    """The steps so far, and why there are no more."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    ended: str = "interrupted"

    @property
    def points(self) -> list[Point]:
        """The steps as the search for the knee sees them."""
        return [point_of(step) for step in self.steps]


def point_of(step: dict[str, Any]) -> Point:
    """Return a step as the search for the knee sees it."""
    return Point(
        people=step["people"],
        per_second=step["purchases_per_second"],
        latency_s=step["answers_of_a_purchase"].get("mean_ms", 0.0) / 1_000,
        error_share=step["error_share"],
    )


def climb(
    plan: Plan,
    stage: Stage,
    players: Players,
    course: Course,
    *,
    actor: Actor,
    note_step: NoteStep,
    begin_step: Callable[[int, float], None],
) -> None:
    """Double the people inside until the limit shows, then measure beside the knee.

    What was measured is in `course` whenever this stops. Raise `PlayersLost` and `Busy`.
    """

    def measure(people: int) -> bool:
        """Measure one step; return whether there was anybody left to play it."""
        begin_step(people, plan.warm_up_s + plan.step_seconds)
        step = measure_step(plan, stage, players, people, last=course.points[-1:], actor=actor)
        if players.left == 0 and not step["purchases"]:
            return False
        course.steps.append(step)
        note_step(step)
        return players.left > 0

    course.ended = "interrupted"
    for people in plan.levels:
        if not measure(people):
            course.ended = "nobody left"
            return
        if is_over(course.points):
            break
    else:
        course.ended = "last step"
    for people in refine(course.points):
        if not measure(people):
            course.ended = "nobody left"
            return
    if course.ended == "interrupted":
        course.ended = "limit"


def measure_step(
    plan: Plan, stage: Stage, players: Players, people: int, *, last: list[Point], actor: Actor
) -> dict[str, Any]:
    """Let so many inside, wait until it shows, and return what the time after that came to."""
    steer_room(
        room_id=stage.room_id,
        changes={"capacity": people},
        actor=actor,
        reason=f"{REASON}: {people} people inside",
        now=read_clock(),
    )
    rate = last[0].per_second if last else 0.0
    players.want(people + LINE_MIN + min(2 * people, math.ceil(LINE_SECONDS * rate)))
    players.listen(plan.warm_up_s)
    began, began_at, usage = time.monotonic(), read_clock(), read_usage(players.pids)
    players.listen(plan.step_seconds)
    return describe_step(stage, players, people, began=began, began_at=began_at, usage=usage)


def describe_step(
    stage: Stage,
    players: Players,
    people: int,
    *,
    began: float,
    began_at: datetime,
    usage: Usage,
) -> dict[str, Any]:
    """Return what the time since then came to."""
    ended, ended_at = time.monotonic(), read_clock()
    notes = [note for note in players.notes if began <= note.at < ended]
    return {
        "people": people,
        "began_at": began_at.isoformat(),
        **describe_window(notes, seconds=ended - began),
        "inside_mean_s": read_stay(stage, since=began_at, until=ended_at),
        "processors": compare(usage, read_usage(players.pids), seconds=ended - began),
    }


def read_stay(stage: Stage, *, since: datetime, until: datetime) -> float | None:
    """Return how many seconds those who paid in that time had been inside, from being let in to paying,
    on average."""
    paid = QueueEntry.objects.filter(
        room_id=stage.room_id, end_reason="paid", ended_at__gte=since, ended_at__lt=until
    )
    stay = paid.aggregate(mean=Avg(F("ended_at") - F("admitted_at")))["mean"]
    return None if stay is None else round(stay.total_seconds(), 3)
