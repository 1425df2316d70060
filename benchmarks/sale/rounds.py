"""All measurements, in rounds: each once a round, beginning with another one each time."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from benchmarks import wrk
from benchmarks.sale import house, purchases, running, sweep, web
from benchmarks.sale.stage import Record, Stage

# By name, in the order of a sale.
MEASUREMENTS: dict[str, Callable[[Stage], Record]] = {
    "nothing": web.measure_nothing,
    "poll": web.measure_poll,
    "token": web.measure_token,
    "seats_unchanged": web.measure_seats_unchanged,
    "seats_changed": web.measure_seats_changed,
    "seats_plain": web.measure_seats_plain,
    "hold": web.measure_hold,
    "reserve": web.measure_reserve,
    "pay": web.measure_pay,
    "transaction": lambda stage: _transaction().measure_transaction(stage),
    "pgbench": lambda stage: _transaction().measure_pgbench(stage),
    "hold_crowd": web.measure_hold_crowd,
    "one_seat": web.measure_one_seat,
    "purchases": purchases.measure_purchases,
    "sweep": sweep.measure_sweep,
    "house": house.measure_house,
    "running": running.measure_running,
}
# So that nothing is imported, connected or planned for the first time while it is measured.
WARM_UP = ("nothing", "poll", "token", "seats_changed", "hold", "reserve", "pay")
WARM_UP_S = 2


def _transaction() -> Any:
    # Django's models cannot be imported before it is set up.
    from benchmarks.sale import transaction

    return transaction


def order(names: Sequence[str], number: int, rounds: int) -> list[str]:
    """Return the order of a round: every other one backwards, each beginning elsewhere."""
    start = number * len(names) // rounds
    turned = [*names[start:], *names[:start]]
    return turned if number % 2 == 0 else turned[:1] + turned[:0:-1]


def measure_round(stage: Stage, names: Sequence[str], *, title: str) -> dict[str, Record]:
    """Measure each of them once, and say on the way what came out."""
    measured: dict[str, Record] = {}
    for name in names:
        began = time.monotonic()
        try:
            measured[name] = MEASUREMENTS[name](stage)
        except RuntimeError as error:
            raise SystemExit(f"{name}: {error}") from error
        stage.scene.reset()
        say(f"{title}, {name}: {describe(measured[name])} ({time.monotonic() - began:.0f} s)")
    return measured


def measure_rounds(stage: Stage, names: Collection[str], rounds: int) -> list[dict[str, Record]]:
    """Measure all of them in so many rounds."""
    known = [name for name in MEASUREMENTS if name in names]
    return [
        measure_round(stage, order(known, number, rounds), title=f"round {number + 1} of {rounds}")
        for number in range(rounds)
    ]


def warm_up(stage: Stage, names: Collection[str]) -> None:
    """Have everybody ask once or twice, and ask for a little of everything."""
    say("warming up, everybody asks")
    web.let_everybody_ask(stage)
    briefly = replace(stage, seconds=min(stage.seconds, WARM_UP_S))
    measure_round(briefly, [name for name in WARM_UP if name in names], title="warming up")


def describe(record: Record) -> str:
    """Return a record in a few words."""
    return ", ".join(
        f"{name} {value:,.4g}"
        for name, value in record.items()
        if isinstance(value, int | float) and name not in ("requests", "load_share")
    )


def say(text: str) -> None:
    """Say how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def prepare_to_stop() -> None:
    """Be ended by any signal as by Ctrl-C, which leaves nothing behind; also where a shell that started
    this in the background had it ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def require_tools(parser: argparse.ArgumentParser) -> None:
    """End where wrk is missing."""
    if not wrk.is_installed():
        parser.exit(1, "wrk is missing: apt-get install wrk\n")
