"""The figures as pictures for the documentation: the same figures make the same files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.sale.figures import REQUESTS, Round, read_figure, spread
from benchmarks.sale.report import processor_titles
from benchmarks.sale.stage import GENERATOR, POSTGRESQL, WEB

mpl.use("Agg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "encore",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)

# Of Okabe and Ito: told apart by everybody, and in grey.
BLUE, ORANGE, GREEN, BLACK = "#0072b2", "#e69f00", "#009e73", "#000000"
GROUPS = ((WEB, "web server", BLUE), (POSTGRESQL, "PostgreSQL", ORANGE), (GENERATOR, "wrk", GREEN))


def draw(rounds: Sequence[Round], folder: Path) -> None:
    """Draw what was measured through HTTP into files of this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in (
        ("ratios", draw_ratios(rounds)),
        ("latencies", draw_latencies(rounds)),
        ("processors", draw_processors(rounds)),
    ):
        save(picture, folder / f"{name}.svg")


def save(picture: Any, path: Path) -> None:
    """Write a picture without the time at which it was drawn."""
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    picture.savefig(path, metadata=metadata, facecolor="white", bbox_inches="tight")


def draw_ratios(rounds: Sequence[Round]) -> Any:
    """Draw each request against the one that does nothing, from round to round, with its target."""
    known = [(figure, read_figure(figure, rounds)) for figure in REQUESTS]
    known = [(figure, values) for figure, values in known if values]
    picture, axes = make_axes([figure.title for figure, _values in known])
    for row, (figure, values) in enumerate(known):
        of = spread(values)
        errors = [[of.median - of.least], [of.most - of.median]]
        axes.barh(row, of.median, xerr=errors, color=BLUE, ecolor=BLACK, capsize=3, height=0.6)
        if figure.target is not None:
            axes.plot([figure.target] * 2, [row - 0.42, row + 0.42], color=ORANGE, linewidth=3)
    axes.axvline(1, color=BLACK, linewidth=1)
    axes.plot([], [], color=ORANGE, linewidth=3, label="target")
    axes.plot([], [], color=BLACK, linewidth=1, label="doing nothing")
    axes.plot([], [], color=BLACK, linewidth=0, marker="|", label="least and most of all rounds")
    axes.set_xlim(0, 1.05)
    axes.set_xlabel("requests a second, as a share of those of an endpoint that does nothing")
    set_legend(axes, columns=3)
    return picture


def draw_latencies(rounds: Sequence[Round]) -> Any:
    """Draw the median and the 99th percentile of the answers' times."""
    titles = list_titles(rounds)
    picture, axes = make_axes([title for _name, title in titles])
    for row, (name, _title) in enumerate(titles):
        records = [of[name] for of in rounds if name in of]
        middle = spread(record["p50_ms"] for record in records).median
        late = spread(record["p99_ms"] for record in records).median
        axes.plot([middle, late], [row, row], color="#999999", linewidth=2, zorder=1)
        axes.scatter(middle, row, color=BLUE, s=45, zorder=2)
        axes.scatter(late, row, color=ORANGE, marker="D", s=40, zorder=2)
    axes.scatter([], [], color=BLUE, label="median")
    axes.scatter([], [], color=ORANGE, marker="D", label="99th percentile")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.grid(visible=True, axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.set_xlabel("milliseconds from the request to the answer, at full load (logarithmic)")
    set_legend(axes, columns=2)
    return picture


def draw_processors(rounds: Sequence[Round]) -> Any:
    """Draw where the processor time of one request goes."""
    titles = list_titles(rounds)
    picture, axes = make_axes([title for _name, title in titles])
    for row, (name, _title) in enumerate(titles):
        left = 0.0
        for group, _label, colour in GROUPS:
            used = spread(of[name]["processor_ms"][group] for of in rounds if name in of).median
            axes.barh(row, used, left=left, color=colour, height=0.6)
            left += used
    for _group, label, colour in GROUPS:
        axes.barh(0, 0, color=colour, label=label)
    axes.set_xlabel("milliseconds of processors for one request")
    set_legend(axes, columns=3)
    return picture


def list_titles(rounds: Sequence[Round]) -> list[tuple[str, str]]:
    """Return what was measured, with what it is called."""
    return [(name, title) for name, title in processor_titles() if any(name in of for of in rounds)]


def make_axes(titles: Sequence[str]) -> tuple[Any, Any]:
    """Return a picture with a row for each title, the first on top."""
    picture = Figure(figsize=(8, 0.9 + 0.38 * len(titles)))
    axes = picture.subplots()
    axes.set_yticks(range(len(titles)), titles)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    return picture, axes


def set_legend(axes: Any, *, columns: int) -> None:
    """Put the legend above the picture, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False)
