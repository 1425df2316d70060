"""`make bench-queue`: measure the line, print the figures, and put them into docs/performance.md."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

from benchmarks import wrk
from benchmarks.servers import ROOT, Workbench, describe_machine, workbench

STAGES = ("flat", "sweep", "presence", "onsale")
RESULTS = ROOT / "benchmarks" / "results" / "queue.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench-queue: begin -->\n", "<!-- bench-queue: end -->\n"


def say(text: str) -> None:
    """Say how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run_stage(stage: str, bench: Workbench, customers: int) -> Any:
    """Run one stage and return its figures. Django is set up by now."""
    from benchmarks.queue import flat, onsale, presence, sweep

    folder = bench.postgres.data_dir
    stages: dict[str, Callable[[], Any]] = {
        "flat": lambda: flat.run(bench, folder, say),
        "sweep": lambda: sweep.run(bench, folder, say),
        "presence": lambda: presence.run(bench, say),
        "onsale": lambda: onsale.run(bench, onsale.Shape(customers=customers), say),
    }
    return stages[stage]()


def main() -> int:
    """Run the stages that are asked for."""
    parser = argparse.ArgumentParser(prog="make bench-queue", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--customers", type=int, default=100_000, help="of the simulated on-sale")
    options = parser.parse_args()
    if not wrk.is_installed():
        print("wrk is missing: apt-get install wrk", file=sys.stderr)
        return 1
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with workbench() as bench:
        bench.make_database("start")
        os.environ.update(bench.environment("start"))
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        django.setup()
        results["machine"] = describe_machine()
        results["measured_on"] = time.strftime("%Y-%m-%d", time.gmtime())
        for stage in options.only:
            results[stage] = run_stage(stage, bench, options.customers)
            write(results)
    print(read_section(PAGE))
    return 0


def write(results: dict[str, Any]) -> None:
    """Write the figures down: all of them as JSON, those that count as tables in the page."""
    from benchmarks.queue.report import describe

    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    section = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    text = BEGIN + describe(results) + END
    PAGE.write_text(section.sub(lambda _match: text, PAGE.read_text()))


def read_section(page: Path) -> str:
    """Return the page's tables."""
    return page.read_text().partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    sys.exit(main())
