"""`make bench`: everything side by side in one run, against its yardsticks and its targets.

Each round measures every item once, in another order: the requests by wrk, beside a DRF endpoint that
does nothing under the same server; the transaction of a hold, beside pgbench with the SQL that it really
sends; and whole things: purchases, a sweep, a big house, `make run`. Ratios are made within a round.
"""

import argparse
import json
import re
import sys
import time
from typing import Any

from benchmarks.sale.figures import needed_for, sum_up
from benchmarks.sale.report import FOLDER, describe, show_pictures
from benchmarks.sale.rounds import (
    MEASUREMENTS,
    measure_rounds,
    prepare_to_stop,
    require_tools,
    say,
    warm_up,
)
from benchmarks.sale.stage import open_stage
from benchmarks.servers import ROOT, describe_machine

RESULTS = ROOT / "benchmarks" / "results" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"


def main() -> int:
    """Measure, print, and write down what was measured whole."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=MEASUREMENTS,
        help="with what they are compared with; nothing is written down",
    )
    parser.add_argument("--dry", action="store_true", help="print, and write nothing down")
    options = parser.parse_args()
    require_tools(parser)
    prepare_to_stop()
    names = needed_for(options.only or MEASUREMENTS)
    with open_stage(options.seconds) as stage:
        warm_up(stage, names)
        rounds = measure_rounds(stage, names, options.rounds)
    results = {
        "measured_on": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": describe_machine(),
        "options": {"rounds": options.rounds, "seconds": options.seconds},
        "figures": sum_up(rounds),
        "rounds": rounds,
    }
    if not (options.only or options.dry):
        write(results)
    print(describe(results))
    return 0


def write(results: dict[str, Any]) -> None:
    """Write everything into the file, the figures as tables and pictures into the page."""
    from benchmarks.sale.plots import draw

    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    draw(results["rounds"], PAGE.parent / FOLDER)
    section = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    text = f"{BEGIN}{describe(results)}\n{show_pictures()}{END}"
    PAGE.write_text(section.sub(lambda _match: text, PAGE.read_text()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("stopped; nothing was written down")
        sys.exit(130)
