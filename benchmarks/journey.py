"""The whole journey, from the line to the payment, on one web node and on two: `make bench-journey`.

The players are those of `rehearse_onsale`, in a room that holds more people than the web servers can
serve. One node and two over the same PostgreSQL alternate, round by round; each round says how many bought
and whose processor time it took. The figures go into docs/performance.md, all rounds into a file.
"""

import argparse
import json
import os
import re
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import django

from benchmarks.queue.report import table
from benchmarks.servers import ROOT, WEB_THREADS, WEB_WORKERS, describe_machine, workbench

DATABASE = "journey"
PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results" / "journey.json"
BEGIN, END = "<!-- bench-journey: begin -->\n", "<!-- bench-journey: end -->\n"
NODES = (1, 2)
# What a round may sell, a second, at the most: so many customers are made for it.
PER_SECOND_MAX = 150
GROUPS = ("web", "PostgreSQL", "players", "machine")


@contextmanager
def beat() -> Iterator[None]:
    """Let people in each second, as beat does, for the time of the block."""
    from django.db import connections

    from apps.core.clock import read_clock
    from apps.queue.services import admit_queue

    over = threading.Event()

    def tick() -> None:
        while not over.wait(1):
            admit_queue(now=read_clock())
        connections.close_all()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def play_round(servers: Sequence[str], options: argparse.Namespace, name: str) -> dict[str, Any]:
    """Sell to people who choose any of the servers, and return what the measured time came to."""
    from apps.core.audit import Actor
    from apps.core.rehearsals import HEADER, sign_pass
    from config.rehearsal.making import make_stage
    from config.rehearsal.plan import Plan
    from config.rehearsal.playing import Players, Target
    from config.rehearsal.removal import remove_rehearsal
    from config.rehearsal.steps import measure_step

    actor = Actor(name="benchmark")
    seconds = options.seconds + 10
    plan = Plan(
        name=name,
        server=servers[0],
        customers=max(int(PER_SECOND_MAX * seconds), 3 * options.inside),
        seats=options.seats,
        steps=1,
        step_seconds=options.seconds,
        think_seconds=0,
    )
    stage = make_stage(plan, actor=actor, note_progress=lambda _done, _total: None)
    target = Target(
        servers=tuple(servers), headers={HEADER: sign_pass(name)}, concert_id=stage.concert_id
    )
    players = Players(target, stage.tickets, processes=options.processes)
    try:
        with beat():
            step = measure_step(plan, stage, players, options.inside, last=[], actor=actor)
            left = players.left
    finally:
        players.stop()
    remove_rehearsal(name, actor=actor, note_progress=lambda _done, _total: None)
    if not left:
        raise RuntimeError("everybody had bought before the round was over")
    return step


def measure(options: argparse.Namespace) -> dict[int, list[dict[str, Any]]]:
    """Play all rounds, one node and two in turn."""
    rounds: dict[int, list[dict[str, Any]]] = {nodes: [] for nodes in NODES}
    with workbench() as bench:
        bench.make_database(DATABASE)
        os.environ.update(bench.environment(DATABASE))
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        for number in range(options.rounds):
            for nodes in NODES if number % 2 == 0 else NODES[::-1]:
                with ExitStack() as stack:
                    servers = [stack.enter_context(bench.serve(DATABASE)) for _ in range(nodes)]
                    step = play_round(servers, options, f"journey-{number}-{nodes}")
                rounds[nodes].append(step)
                say = (
                    f"round {number + 1}, {nodes} web: {step['purchases_per_second']:.1f} a second"
                )
                print(say, file=sys.stderr, flush=True)
    return rounds


def describe(rounds: dict[int, list[dict[str, Any]]], options: argparse.Namespace) -> str:
    """Return the figures as Markdown: the median of each, and from which to which."""

    def spread(nodes: int, read: Any, form: str) -> str:
        values = [read(step) for step in rounds[nodes]]
        middle = format(statistics.median(values), form)
        return f"{middle} ({format(min(values), form)} to {format(max(values), form)})"

    def share(group: str, part: str) -> Any:
        return lambda step: step["processors"].get(group, {}).get(part, 0.0)

    def row(title: str, read: Any, form: str = ".2f") -> list[str]:
        return [title, *(spread(nodes, read, form) for nodes in NODES)]

    def each(group: str) -> Any:
        return lambda step: (
            1_000
            * sum(step["processors"].get(group, {}).values())
            / max(step["purchases_per_second"], 0.001)
        )

    rows = [
        row("purchases a minute", lambda step: step["purchases_per_second"] * 60, ",.0f"),
        row("requests a second", lambda step: step["requests_per_second"], ",.0f"),
        row(
            "a request of somebody inside, p50, ms", lambda step: step["latency"]["p50_ms"], ",.0f"
        ),
        row("p99, ms", lambda step: step["latency"]["p99_ms"], ",.0f"),
        row("errors", lambda step: step["errors"], ".0f"),
        *(
            row(f"processors of {group}: {what}", share(group, part))
            for group in GROUPS
            for part, what in (("user", "its own code"), ("system", "kernel and network"))
        ),
        *(row(f"milliseconds of {group} for a purchase", each(group), ".1f") for group in GROUPS),
    ]
    workers = f"{WEB_WORKERS} workers of {WEB_THREADS} threads each"
    head = [f"Median of {options.rounds} alternating rounds of {options.seconds:.0f} s"]
    head += [f"{nodes} web node{'s' * (nodes > 1)} ({workers})" for nodes in NODES]
    return (
        f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}: {describe_machine()}; "
        f"{options.inside} people inside, {options.seats:,} seats a performance.\n\n"
        + table(head, rows)
    )


def write(rounds: dict[int, list[dict[str, Any]]], options: argparse.Namespace) -> str:
    """Put the figures into the page, and all rounds into the file; return the figures."""
    results = {
        "measured_on": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": describe_machine(),
        "options": vars(options),
        "rounds": {str(nodes): steps for nodes, steps in rounds.items()},
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    text = describe(rounds, options)
    section = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    PAGE.write_text(section.sub(lambda _match: BEGIN + text + END, PAGE.read_text()))
    return text


def main() -> int:
    """Play the rounds, and write down what they came to."""
    parser = argparse.ArgumentParser(prog="make bench-journey", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--inside", type=int, default=128, help="people inside")
    parser.add_argument("--seats", type=int, default=2_000, help="of one performance")
    parser.add_argument("--processes", type=int, default=1, help="of the players")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing down")
    options = parser.parse_args()
    rounds = measure(options)
    print(describe(rounds, options) if options.dry else write(rounds, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
