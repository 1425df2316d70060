"""Ask `/readyz` whether a worker or beat should be started anew: `python config/probes/sweeps.py http://web:8000/readyz`.

It should where the sweeps have stopped although database and broker answer. Where those do not, or the web servers do
not, starting it anew would help nobody and delay it when they are back.
"""

import json
import sys
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

TIMEOUT_S = 4
OTHERS = ("database", "broker")


def find_fault(url: str) -> str:
    """Return what is wrong with the sweeps, nothing where all is well or something else is to blame."""
    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310  # nosec B310  # an operator's own address
            text = answer.read()
    except HTTPError as error:
        text = error.read()
    except (URLError, OSError):
        return ""
    try:
        checks = json.loads(text)["checks"]
        if any(checks[name] != "ok" for name in OTHERS):
            return ""
        return "" if checks["sweeps"] == "ok" else str(checks["sweeps"])
    except (ValueError, KeyError, TypeError):
        return ""


if __name__ == "__main__":
    sys.exit(find_fault(sys.argv[1]) or 0)
