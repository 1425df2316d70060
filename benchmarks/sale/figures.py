"""What is made of the measurements: figures with their targets, over rounds."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A round: what each of its measurements came to.
Round = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a round, and what it is to reach: `target` at the least, or with `at_most` at the
    most. It takes the measurements that it `needs` from one round, so that what slowed the machine
    down meanwhile has slowed down both sides of a ratio."""

    name: str
    title: str
    needs: tuple[str, ...]
    read: Callable[[Round], float]
    target: float | None = None
    at_most: bool = False
    form: str = ".2f"
    unit: str = ""
    guarded: bool = False

    def is_met(self, value: float) -> bool:
        """Say whether a value reaches the target; nothing is always reached."""
        if self.target is None:
            return True
        return value <= self.target if self.at_most else value >= self.target


def against(name: str, yardstick: str, *, what: str = "per_second") -> Callable[[Round], float]:
    """Return what reads the ratio of one measurement to another."""
    return lambda of: float(of[name][what] / of[yardstick][what])


def plain(name: str, what: str) -> Callable[[Round], float]:
    """Return what reads a figure as it was measured."""
    return lambda of: float(of[name][what])


def over_nothing(name: str, title: str, target: float | None) -> Figure:
    """Return the ratio of a request to the one that does nothing."""
    return Figure(
        name=name,
        title=title,
        needs=(name, "nothing"),
        read=against(name, "nothing"),
        target=target,
        guarded=True,
    )


# Requests through HTTP, beside the endpoint that does nothing.
REQUESTS = (
    over_nothing("poll", "a poll of the line", 0.40),
    over_nothing("token", "a token issued", 0.20),
    over_nothing("seats_unchanged", "2,000 seats, unchanged (304)", 0.40),
    over_nothing("seats_changed", "2,000 seats, changed, gzip", 0.15),
    over_nothing("seats_plain", "2,000 seats, changed, not packed", None),
    over_nothing("hold", "a hold of one free seat", 0.18),
    over_nothing("reserve", "a reservation", 0.20),
    over_nothing("pay", "a payment", 0.12),
)
OTHERS = (
    Figure(
        name="transaction",
        title="the transaction of a hold from Python, against pgbench with the same SQL",
        needs=("transaction", "pgbench"),
        read=against("transaction", "pgbench"),
        target=0.30,
        guarded=True,
    ),
    Figure(
        name="one_seat_rate",
        title="one seat wanted by 64: answers a second, against holds of free seats",
        needs=("one_seat", "hold_crowd"),
        read=against("one_seat", "hold_crowd"),
        target=1.0,
    ),
    Figure(
        name="one_seat_p99",
        title="the same: 99th percentile, against that of holds of free seats",
        needs=("one_seat", "hold_crowd"),
        read=against("one_seat", "hold_crowd", what="p99_ms"),
        target=3,
        at_most=True,
    ),
    Figure(
        name="purchases",
        title="from the line to the payment: seats sold a minute",
        needs=("purchases",),
        read=plain("purchases", "seats_per_minute"),
        target=4_000,
        form=",.0f",
    ),
    Figure(
        name="sweep",
        title="100,000 overdue holds swept beside holds",
        needs=("sweep",),
        read=plain("sweep", "seconds"),
        target=5,
        at_most=True,
        form=".1f",
        unit="s",
    ),
    Figure(
        name="sweep_p99",
        title="the 99th percentile of holds meanwhile, against that of holds without",
        needs=("sweep",),
        read=lambda of: float(of["sweep"]["busy_p99_ms"] / of["sweep"]["quiet_p99_ms"]),
        target=2,
        at_most=True,
    ),
    Figure(
        name="house_uncached",
        title="50,000 seats listed for the first time",
        needs=("house",),
        read=plain("house", "uncached_ms"),
        target=150,
        at_most=True,
        form=".1f",
        unit="ms",
    ),
    Figure(
        name="house_cached",
        title="50,000 seats listed again",
        needs=("house",),
        read=plain("house", "cached_ms"),
        target=5,
        at_most=True,
        form=".1f",
        unit="ms",
    ),
    Figure(
        name="house_delta",
        title="ten changes of 50,000 seats, by `?since=`",
        needs=("house",),
        read=plain("house", "delta_ms"),
        target=5,
        at_most=True,
        form=".1f",
        unit="ms",
    ),
    Figure(
        name="memory",
        title="memory of all processes of `make run`, idle",
        needs=("running",),
        read=plain("running", "memory_mb"),
        target=450,
        at_most=True,
        form=".0f",
        unit="MB",
    ),
    Figure(
        name="start",
        title="the first page after its second start",
        needs=("running",),
        read=plain("running", "start_s"),
        target=8,
        at_most=True,
        form=".1f",
        unit="s",
    ),
)
FIGURES = (*REQUESTS, *OTHERS)
# What `make bench-check` watches.
GUARDED = tuple(figure for figure in FIGURES if figure.guarded)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The median of the rounds, and from which to which they went."""

    median: float
    least: float
    most: float

    def format(self, form: str) -> str:
        """Return it in words."""
        middle, least, most = (
            format(value, form) for value in (self.median, self.least, self.most)
        )
        return f"{middle} ({least} to {most})"


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of some values, of which there is one at least."""
    known = list(values)
    return Spread(median=statistics.median(known), least=min(known), most=max(known))


def read_figure(figure: Figure, rounds: Sequence[Round]) -> list[float]:
    """Return a figure of each round that has what it needs."""
    return [figure.read(of) for of in rounds if all(name in of for name in figure.needs)]


def sum_up(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """Return all figures that were measured, by name: median, spread, target, whether it is reached."""
    figures = {}
    for figure in FIGURES:
        values = read_figure(figure, rounds)
        if values:
            of = spread(values)
            figures[figure.name] = {
                "median": of.median,
                "least": of.least,
                "most": of.most,
                "target": figure.target,
                "at_most": figure.at_most,
                "met": figure.is_met(of.median),
            }
    return figures


def needed_for(measurements: Iterable[str]) -> set[str]:
    """Return these measurements and what they are compared with."""
    asked = set(measurements)
    return asked.union(*(figure.needs for figure in FIGURES if figure.needs[0] in asked))
