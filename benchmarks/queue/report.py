"""The figures as tables."""

from collections.abc import Sequence
from typing import Any

# figure, what it is called, the target of its ratio
RATIOS = (
    ("poll", "a poll, through HTTP", 1.3),
    ("statement", "the statement of a poll (pgbench, prepared)", 1.3),
    ("poll, SQL", "the same between the web server's work, time in PostgreSQL", None),
    ("token", "a token issued, through HTTP", 1.3),
    ("token, SQL", "a token issued, in PostgreSQL", 1.3),
    ("admission", "letting 100 people in, and counting the line", 1.5),
)


def describe(results: dict[str, Any]) -> str:
    """Return what was measured, as Markdown."""
    parts = [f"Measured on {results['measured_on']}: {results['machine']}.\n"]
    for stage, describe_stage in (
        ("flat", describe_flat),
        ("sweep", describe_sweep),
        ("presence", describe_presence),
        ("onsale", describe_onsale),
    ):
        if stage in results:
            parts.append(describe_stage(results[stage]))
    return "\n".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def describe_flat(flat: dict[str, Any]) -> str:
    """Return what polls, joins and admissions cost, and polls against doing nothing."""
    figures = flat["figures"]
    rows = [
        [
            title,
            f"{figures[name]['small']:.3f} ms",
            f"{figures[name]['large']:.3f} ms",
            f"{figures[name]['ratio']:.2f}",
            f"{target or ''}",
        ]
        for name, title, target in RATIOS
    ]
    head = ["Median of 5 alternating rounds", "1,000 wait", "1,000,000 wait", "ratio", "at most"]
    against = flat["poll_against_nothing"]
    rates = [
        [
            f"{1_000 / figures['nothing'][line]:,.0f}",
            f"{1_000 / figures['poll'][line]:,.0f}",
            f"{against[line]:.2f}",
            f"{1_000 / figures['token'][line]:,.0f}",
        ]
        for line in ("small", "large")
    ]
    return (
        table(head, rows)
        + "\n"
        + table(
            [
                "",
                "requests a second",
                "polls a second",
                "polls against it, at least 0.35",
                "tokens a second",
            ],
            [
                ["1,000 wait: a DRF endpoint that does nothing", *rates[0]],
                ["1,000,000 wait", *rates[1]],
            ],
        )
    )


def describe_sweep(sweep: dict[str, Any]) -> str:
    """Return what the polls felt of the sweep."""
    return table(
        [f"{sweep['silent']:,} fall silent", ""],
        [
            ["swept in", f"{sweep['sweep_s']:.0f} s"],
            ["polls a second meanwhile", f"{sweep['polls_per_second']:.0f}"],
            ["99th percentile of a poll, quiet", f"{sweep['quiet_p99_ms']:.1f} ms"],
            [
                "during the sweep (median and worst of windows of 10 s)",
                f"{sweep['busy_p99_ms']:.1f} ms, {sweep['busy_p99_ms_worst']:.1f} ms",
            ],
            ["ratio, at most 3", f"{sweep['ratio']:.2f}, {sweep['ratio_worst']:.2f}"],
        ],
    )


def describe_presence(presence: dict[str, Any]) -> str:
    """Return what an hour of polls did to the tables."""
    first, last = presence["sizes"][0], presence["sizes"][-1]
    rows = [
        [name, f"{first[at] / 1024:,.0f} kB", f"{last[at] / 1024:,.0f} kB"]
        for at, name in enumerate(("presence", "its index", "entries, with all indexes"))
    ]
    rows.append(
        ["calls noted without touching an index", "", f"{presence['share_without_index']:.1%}"]
    )
    title = f"{presence['people']:,} people, {presence['calls']:,} calls"
    return table([title, "after 10 minutes", "after an hour"], rows)


def describe_onsale(sale: dict[str, Any]) -> str:
    """Return what the simulated on-sale came to."""
    rows = [
        ["customers, capacity", f"{sale['customers']:,}, {sale['capacity']:,}"],
        ["let in, in so many turns", f"{sale['admitted']:,}, {sale['turns']:,}"],
        ["ended as", ", ".join(f"{reason} {count:,}" for reason, count in sale["ends"].items())],
        ["overtakings found by `verify_queue`", f"{sale['overtakings']}"],
        ["most inside after any turn", f"{sale['most_inside']:,}"],
        [
            "error of the estimates (median, of the wait still to come), under 20 %",
            f"{sale['estimate_error_median']:.1%} of {sale['estimates']:,} answers",
        ],
        [
            "error of the first answer alone",
            f"{sale['first_estimate_error_median']:.1%} of {sale['first_estimates']:,} customers",
        ],
        [
            "polls, and had everybody asked every 5 s",
            f"{sale['polls']:,}, {sale['polls_every_5_s']:,}",
        ],
        ["simulated, in", f"{sale['simulated_s'] / 60:.0f} min, {sale['took_s'] / 60:.0f} min"],
    ]
    return table(["A simulated on-sale", ""], rows)
