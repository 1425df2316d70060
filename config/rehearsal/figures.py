"""What the players noted, counted."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from config.rehearsal.journey import KINDS
from config.rehearsal.playing import PURCHASE, Note

# Refusals that are part of any sale: somebody was faster.
EXPECTED = ("409 seat_unavailable",)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that this share of the ordered values does not exceed, by nearest rank."""
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def describe_times(seconds: Iterable[float]) -> dict[str, float]:
    """Return mean, percentiles and maximum, in milliseconds; nothing of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    figures = {
        "mean_ms": sum(ordered) / len(ordered),
        "p50_ms": percentile(ordered, 0.50),
        "p95_ms": percentile(ordered, 0.95),
        "p99_ms": percentile(ordered, 0.99),
        "max_ms": ordered[-1],
    }
    return {name: round(value * 1_000, 2) for name, value in figures.items()}


def is_error(note: Note) -> bool:
    """Say whether a request came to nothing that should have come to something."""
    good = note.outcome.startswith("2") and " " not in note.outcome
    return note.kind not in (PURCHASE, "leave") and not good and note.outcome not in EXPECTED


def count_kinds(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """Return for each kind of request how often, how quickly and how it was answered."""
    rows = []
    for kind in KINDS:
        of_kind = [note for note in notes if note.kind == kind]
        if of_kind:
            rows.append(
                {
                    "kind": kind,
                    "count": len(of_kind),
                    **describe_times(note.took_s for note in of_kind),
                    "outcomes": dict(sorted(Counter(note.outcome for note in of_kind).items())),
                }
            )
    return rows


def describe_window(notes: Sequence[Note], *, seconds: float) -> dict[str, Any]:
    """Return what a time of so many seconds came to."""
    bought = [n.took_s for n in notes if n.kind == PURCHASE and n.outcome == "bought"]
    requests = [note for note in notes if note.kind != PURCHASE]
    inside = [note for note in requests if note.kind not in ("token", "poll", "leave")]
    errors = sum(is_error(note) for note in requests)
    late = describe_times(note.late_s for note in requests)
    return {
        "seconds": round(seconds, 2),
        "purchases": len(bought),
        "purchases_per_second": round(len(bought) / seconds, 3),
        "answers_of_a_purchase": describe_times(bought),
        "requests": len(requests),
        "requests_per_second": round(len(requests) / seconds, 1),
        "polls_per_second": round(sum(n.kind == "poll" for n in requests) / seconds, 1),
        "latency": describe_times(note.took_s for note in inside),
        "errors": errors,
        "error_share": round(errors / len(requests), 5) if requests else 0.0,
        "waited_for_a_thread_p95_ms": late.get("p95_ms", 0.0),
        "kinds": count_kinds(notes),
    }


def list_seconds(notes: Sequence[Note], *, began: float) -> list[dict[str, Any]]:
    """Return purchases, requests and errors of each second since `began`."""
    bought: Counter[int] = Counter()
    requests: Counter[int] = Counter()
    errors: Counter[int] = Counter()
    for note in notes:
        second = int(note.at - began)
        if note.kind == PURCHASE:
            bought[second] += note.outcome == "bought"
        else:
            requests[second] += 1
            errors[second] += is_error(note)
    return [
        {
            "second": second,
            "purchases": bought[second],
            "requests": requests[second],
            "errors": errors[second],
        }
        for second in range(max(requests, default=-1) + 1)
    ]
