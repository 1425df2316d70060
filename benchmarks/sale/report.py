"""The figures as tables."""

from collections.abc import Sequence
from typing import Any

from benchmarks.queue.report import table
from benchmarks.sale.figures import OTHERS, REQUESTS, Figure, Round, read_figure, spread
from benchmarks.sale.stage import GENERATOR, POSTGRESQL, WEB

PICTURES = (
    ("ratios", "Each request against the endpoint that does nothing"),
    ("latencies", "How long answers take"),
    ("processors", "Whose processor time a request takes"),
)
FOLDER = "performance"


def describe(results: dict[str, Any]) -> str:
    """Return what was measured, as Markdown."""
    rounds = results["rounds"]
    options = results["options"]
    parts = [
        f"Measured on {results['measured_on']}: {results['machine']}. Medians of "
        f"{options['rounds']} rounds, loads of {options['seconds']} s; behind the medians, from "
        "which round to which.\n",
        describe_requests(rounds),
        describe_others(rounds),
        describe_processors(rounds),
    ]
    return "\n".join(part for part in parts if part)


def show_pictures() -> str:
    """Return what shows the pictures in the page."""
    return "\n".join(f"![{title}]({FOLDER}/{name}.svg)\n" for name, title in PICTURES)


def describe_requests(rounds: Sequence[Round]) -> str:
    """Return the table of what is asked through HTTP."""
    rows = []
    if any("nothing" in of for of in rounds):
        rows.append(["an endpoint that does nothing", *_load_cells("nothing", rounds), "1", ""])
    for figure in REQUESTS:
        values = read_figure(figure, rounds)
        if values:
            rows.append(
                [
                    figure.title,
                    *_load_cells(figure.name, rounds),
                    spread(values).format(figure.form),
                    describe_target(figure, values),
                ]
            )
    head = ["Through HTTP", "a second", "p50, ms", "p99, ms", "of doing nothing", "at least"]
    return table(head, rows) if rows else ""


def describe_others(rounds: Sequence[Round]) -> str:
    """Return the table of everything else."""
    rows = []
    for figure in OTHERS:
        values = read_figure(figure, rounds)
        if values:
            measured = f"{spread(values).format(figure.form)} {figure.unit}".strip()
            rows.append([figure.title, measured, describe_target(figure, values)])
    return table(["", "measured", "target"], rows) if rows else ""


def describe_processors(rounds: Sequence[Round]) -> str:
    """Return the table of the processor time of one request, and the share of who asks."""
    rows = []
    for name, title in processor_titles():
        records = [of[name] for of in rounds if name in of]
        if not records:
            continue
        means = [
            spread(record["processor_ms"][group] for record in records).format(".2f")
            for group in (WEB, POSTGRESQL, GENERATOR)
        ]
        share = spread(record["load_share"] for record in records).median
        size = spread(record["answer_bytes"] for record in records).median
        rows.append([title, *means, f"{share:.0%}", f"{size:,.0f}"])
    head = [
        "Processor time of a request, ms",
        "web server",
        "PostgreSQL",
        "wrk",
        "wrk's share of the processors",
        "bytes of an answer",
    ]
    return table(head, rows) if rows else ""


def processor_titles() -> list[tuple[str, str]]:
    """Return the measurements whose processor time is told, with what they are called."""
    return [
        ("nothing", "an endpoint that does nothing"),
        *((figure.name, figure.title) for figure in REQUESTS),
        ("one_seat", "one seat wanted by 64"),
    ]


def describe_target(figure: Figure, values: Sequence[float]) -> str:
    """Return the target of a figure, and whether the median reaches it."""
    if figure.target is None:
        return ""
    told = "met" if figure.is_met(spread(values).median) else "missed"
    # The heading of requests says it already.
    side = "at most " if figure.at_most else "" if figure in REQUESTS else "at least "
    return f"{side}{_format_target(figure)}, {told}"


def _format_target(figure: Figure) -> str:
    target = figure.target or 0.0
    number = f"{target:,.0f}" if target == int(target) and target > 1 else f"{target:.2f}"
    return f"{number} {figure.unit}".strip()


def _load_cells(name: str, rounds: Sequence[Round]) -> list[str]:
    records = [of[name] for of in rounds if name in of]
    return [
        f"{spread(record['per_second'] for record in records).median:,.0f}",
        f"{spread(record['p50_ms'] for record in records).median:.1f}",
        f"{spread(record['p99_ms'] for record in records).median:.1f}",
    ]
