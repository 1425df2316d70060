"""Ask whether the pinned versions have known vulnerabilities.

Exit status 0: they were all asked about, and have none; 1: some have; 2: nobody could be asked, which
says nothing about them.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = "requirements.txt"
# Of PyPI itself, and of OSV where PyPI's cannot be reached.
SERVICES = ("pypi", "osv")

Ask = Callable[[str], list[dict[str, Any]]]


def ask(service: str) -> list[dict[str, Any]]:
    """Return what a service knows of each dependency; nothing where it cannot be reached."""
    command = ["-m", "pip_audit", "--requirement", REQUIREMENTS, "--vulnerability-service", service]
    done = subprocess.run(
        [sys.executable, *command, "--format", "json", "--progress-spinner", "off"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return []


def audit(ask: Ask) -> tuple[int, list[str]]:
    """Return the exit status and what to say."""
    unknown: list[str] = []
    for service in SERVICES:
        dependencies = ask(service)
        found = [
            f"{dependency['name']} {dependency['version']}: {flaw['id']}, fixed in "
            f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
            for dependency in dependencies
            for flaw in dependency.get("vulns", ())
        ]
        if found:
            return 1, found
        skipped = [told["name"] for told in dependencies if "skip_reason" in told]
        if dependencies and not skipped:
            return 0, [f"{len(dependencies)} packages have no known vulnerability ({service})."]
        unknown = skipped or unknown
    if unknown:
        return 2, [f"NOT AUDITED: no service knows {len(unknown)} packages: {', '.join(unknown)}."]
    return 2, ["NOT AUDITED: no vulnerability service can be reached from here."]


if __name__ == "__main__":
    status, lines = audit(ask)
    print("\n".join(lines))
    sys.exit(status)
