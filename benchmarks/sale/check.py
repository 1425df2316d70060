"""`make bench-check`: whether anything has become slower than the committed baseline says.

Measures the requests through HTTP and the transaction of a hold in a few short rounds, and compares the
ratios to the yardsticks (so that another machine, or a slower hour of this one, matters little) with
those of benchmarks/results/bench.json. Fails where the median of an item's rounds is more than 15 %
below the baseline's median.

What seems lost is measured again, with its yardstick, up to twice: the new rounds join the old ones, and
the median of all of them decides. A slow moment is a minority among more rounds, while what is really
slower stays so; taking the best block instead would forgive a loss as large as the noise.
"""

import argparse
import json
import sys

from benchmarks.sale.__main__ import RESULTS
from benchmarks.sale.figures import GUARDED, needed_for
from benchmarks.sale.guard import judge
from benchmarks.sale.rounds import measure_rounds, prepare_to_stop, require_tools, say, warm_up
from benchmarks.sale.stage import open_stage

AGAIN_MAX = 2


def main() -> int:
    """Measure, say what became of each item, and return 1 where one has lost."""
    parser = argparse.ArgumentParser(prog="make bench-check", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="at first, and each time again")
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    options = parser.parse_args()
    require_tools(parser)
    prepare_to_stop()
    if not RESULTS.exists():
        parser.exit(1, "there is no baseline: `make bench` makes it\n")
    baseline = json.loads(RESULTS.read_text())["figures"]
    with open_stage(options.seconds) as stage:
        names = needed_for(figure.needs[0] for figure in GUARDED)
        warm_up(stage, names)
        rounds = measure_rounds(stage, names, options.rounds)
        for _again in range(AGAIN_MAX):
            lost = [verdict.figure for verdict in judge(baseline, rounds) if verdict.lost]
            if not lost:
                break
            say(f"again: {', '.join(figure.name for figure in lost)}")
            names = needed_for(figure.needs[0] for figure in lost)
            rounds += measure_rounds(stage, names, options.rounds)
    verdicts = judge(baseline, rounds)
    for verdict in verdicts:
        print(verdict)
    return int(any(verdict.lost for verdict in verdicts))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
