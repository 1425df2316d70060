"""How long a backup and its restoring take with many reservations: `make bench-backup`."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.integrity import DATABASE, fill
from benchmarks.servers import ROOT, Workbench, describe_machine, workbench

RESTORED = "restored"


def manage(bench: Workbench, database: str, *arguments: str) -> str:
    """Run a command over a database, say how long it took, and return what it printed."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=bench.environment(database),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    print(f"{time.monotonic() - began:6.1f} s  {arguments[0]}", flush=True)
    return done.stdout


def main() -> int:
    """Make a database, back it up, restore it, check what was restored, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", type=int, default=1_000_000)
    options = parser.parse_args()
    print(describe_machine())
    with workbench() as bench, tempfile.TemporaryDirectory() as folder:
        bench.make_database(DATABASE)
        room = "from apps.queue.apps import make_main_room; make_main_room()"
        manage(bench, DATABASE, "shell", "-v", "0", "-c", room)
        fill(bench, count=options.reservations)
        file = Path(folder) / "encore.dump"
        made = json.loads(manage(bench, DATABASE, "backup", str(file), "--json"))
        print(f"{made['database_bytes']:,} bytes of data, {made['bytes']:,} of backup", flush=True)
        with bench.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {RESTORED}")
        manage(bench, RESTORED, "restore", str(file))
        manage(bench, RESTORED, "check_integrity")
    return 0


if __name__ == "__main__":
    sys.exit(main())
