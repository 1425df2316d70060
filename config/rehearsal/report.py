"""The report: as JSON, and as one HTML file that needs nothing else."""

import html
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import override

from apps.queue.models import QueueEntry, Turn
from config.rehearsal.figures import count_kinds, describe_times, list_seconds
from config.rehearsal.knee import find_knee, propose
from config.rehearsal.making import Stage
from config.rehearsal.playing import Note
from config.rehearsal.processors import GROUPS
from config.rehearsal.steps import Course
from config.rehearsal.words import ENDS, describe_knee, describe_proposal, list_warnings

# The line's history is told in as many points at the most.
POINTS_MAX = 400
# Those who entered within so many seconds of each other are counted together.
WAIT_BUCKET_S = 5
# Seconds to a row of the table beside a plot.
SUM_S = 10
CHART = "unfold/js/chart/chart.js"


def describe_course(course: Course, *, think_s: float) -> dict[str, Any]:
    """Return the steps, the knee, and what follows from it, in numbers and in words."""
    knee = find_knee(course.points)
    found: dict[str, Any] = {
        "steps": sorted(course.steps, key=lambda step: step["people"]),
        "ended": course.ended,
        "knee": None,
        "proposal": None,
        "words": [ENDS[course.ended]],
    }
    if knee is None:
        found["words"].append(
            "No step had purchases and few enough errors, so nothing is proposed."
        )
        return found
    nearest = min(course.steps, key=lambda step: abs(step["people"] - knee.people))
    stay_s = nearest["inside_mean_s"] or knee.latency_s
    proposal = propose(knee, think_s=think_s, service_s=stay_s)
    found["knee"] = {
        "people": round(knee.people, 1),
        "purchases_per_second": round(knee.per_second, 2),
        "answers_of_a_purchase_ms": round(knee.latency_s * 1_000, 1),
        "fit": knee.fit.value,
        "steps": list(knee.steps),
    }
    found["proposal"] = {
        "capacity": proposal.capacity,
        "admit_per_minute": proposal.admit_per_minute,
        "headroom": proposal.headroom,
        "think_seconds": proposal.think_s,
        "service_seconds": round(proposal.service_s, 3),
        "command": f"manage.py room SLUG open --capacity {proposal.capacity} "
        f"--per-minute {proposal.admit_per_minute} --reason 'as rehearsed'",
    }
    found["words"] += [*describe_knee(knee, stay_s), *describe_proposal(proposal)]
    return found


def describe_notes(notes: list[Note], *, began: float) -> dict[str, Any]:
    """Return all requests by kind, and what happened second by second."""
    return {"requests": count_kinds(notes), "seconds": list_seconds(notes, began=began)}


def describe_line(stage: Stage, *, began_at: datetime) -> dict[str, Any]:
    """Return how the line went, by its own history: who waited and was inside, and how long they waited."""
    turns = list(
        Turn.objects.filter(room_id=stage.room_id)
        .order_by("at")
        .values_list("at", "waiting", "admitted")
    )
    every = max(-(-len(turns) // POINTS_MAX), 1)
    waits: defaultdict[int, list[float]] = defaultdict(list)
    entered = QueueEntry.objects.filter(room_id=stage.room_id, admitted_at__isnull=False)
    for joined_at, admitted_at in entered.values_list("joined_at", "admitted_at"):
        assert admitted_at is not None, "they have entered"
        second = int((admitted_at - began_at).total_seconds())
        waits[second - second % WAIT_BUCKET_S].append((admitted_at - joined_at).total_seconds())
    return {
        "people": [
            {
                "second": round((at - began_at).total_seconds(), 1),
                "waiting": waiting,
                "inside": inside,
            }
            for at, waiting, inside in turns[::every]
        ],
        "waits": [
            {"second": second, "entered": len(waits[second]), **describe_times(waits[second])}
            for second in sorted(waits)
        ],
    }


def add_warnings(report: dict[str, Any]) -> None:
    """Add what a reader must know before they believe the figures."""
    report["warnings"] = list_warnings(report)


def render_html(report: dict[str, Any]) -> str:
    """Return the report as one page, with its plots, that works without a network."""
    groups = [*GROUPS, "machine"]
    none = {"user": "", "system": ""}
    knee = report["knee"]
    people = [step["people"] for step in report["steps"]]
    context = {
        "report": report,
        "chart": _read_chart(),
        "licence": _read_licence(),
        "broken": sum(check["broken"] for check in report["integrity"].values()),
        "nearest": min(people, key=lambda level: abs(level - knee["people"])) if knee else None,
        "groups": groups,
        "processors": [
            {
                "people": step["people"],
                "shares": [step["processors"].get(group, none) for group in groups],
            }
            for step in report["steps"]
        ],
        "tens": _sum_up(report["seconds"]),
    }
    with override("en"):
        return render_to_string("rehearsal/report.html", context)


def _sum_up(seconds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the figures of each `SUM_S` seconds."""
    return [
        {
            "second": part[0]["second"],
            **{
                name: sum(row[name] for row in part) for name in ("purchases", "requests", "errors")
            },
        }
        for part in (seconds[at : at + SUM_S] for at in range(0, len(seconds), SUM_S))
    ]


def _read_chart() -> SafeString:
    """Return Chart.js as the back office has it."""
    source = Path(str(finders.find(CHART))).read_text(encoding="utf-8")
    assert "</script" not in source, "it would end the element that it stands in"
    return mark_safe(source)  # nosec B308  # noqa: S308  a file of our own packages


def _read_licence() -> SafeString:
    """Return the licence of Chart.js, as it may stand in a comment of a script."""
    text = (Path(str(finders.find(CHART))).parent / "LICENSE").read_text(encoding="utf-8")
    return mark_safe(html.escape(text.replace("*/", ""), quote=False))  # nosec B308  # noqa: S308  likewise
