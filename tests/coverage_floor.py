"""Fail where the tests cover less of `apps/` than agreed: lines and branches each by themselves."""

import json
import sys
from pathlib import Path

LINES_MIN_PERCENT = 95.0
BRANCHES_MIN_PERCENT = 90.0


def main() -> int:
    totals = json.loads(Path(sys.argv[1]).read_text())["totals"]
    lines = 100 * totals["covered_lines"] / totals["num_statements"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    print(
        f"coverage of apps/: {lines:.1f} % of lines (at least {LINES_MIN_PERCENT:.0f}), "
        f"{branches:.1f} % of branches (at least {BRANCHES_MIN_PERCENT:.0f})"
    )
    return int(lines < LINES_MIN_PERCENT or branches < BRANCHES_MIN_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
