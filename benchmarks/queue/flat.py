"""What polls, joins and admissions cost at a thousand waiting and at a million, in alternating rounds."""

import random
import re
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from apps.queue.admission import look_after
from apps.queue.models import WaitingRoom
from apps.queue.selectors import FIND_BY_TOKEN
from benchmarks import wrk
from benchmarks.queue.lines import INSIDE, fill_line, write_tokens
from benchmarks.servers import Workbench
from config.embedded.postgres import ROLE, binary

CURRENT = "/api/v1/queue/tokens/current"
SIZES = {"small": 1_000, "large": 1_000_000}
ROUNDS = 5
LOAD_S = 5
STATEMENT_S = 4
WARM_UP_S = 20
# So many of the line ask, in turn: at a million each of them comes once, or twice, in a round.
ASKING = 20_000
ENTERING = 100
# What was asked last is answered by then.
SETTLE_S = 1
ADMISSIONS = 3

_SQL_TIME = """
SELECT sum(total_exec_time + total_plan_time) FROM pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# Everybody who was let in goes back to their place, and the line is counted afresh.
_PUT_BACK = f"""
UPDATE queue_queueentry SET state = 'waiting', admitted_at = NULL, admitted_turn = NULL,
       session_expires_at = NULL WHERE state = 'admitted' AND number > {INSIDE};
UPDATE queue_turnstile SET now_serving = {INSIDE}, counted_place = {INSIDE};
UPDATE queue_waitingroom SET capacity = {INSIDE};
DELETE FROM queue_segment;
DELETE FROM queue_turn
"""


@dataclass
class Line:
    """One of the lines: its database, its server, its figures, a value for each round."""

    name: str
    waiting: int
    address: str = ""
    polling: Path = Path()
    joining: Path = Path()
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def last_polling(self) -> int:
        """The last number of those who ask where they stand."""
        return INSIDE + self.waiting // 2

    def median(self, figure: str) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.figures[figure])


def use_database(name: str) -> None:
    """Have this process's own connection use another database."""
    connection.close()
    connection.settings_dict["NAME"] = name


def read_sql_ms(statistics_of: psycopg.Connection) -> float:
    """Return the milliseconds that the server has spent on a database's statements."""
    row = statistics_of.execute(_SQL_TIME).fetchone()
    assert row is not None
    return float(row[0])


def make_line(bench: Workbench, name: str, waiting: int, folder: Path) -> Line:
    """Make a database with a line in it, and the files of those who will ask."""
    bench.make_database(name)
    with bench.connect(name) as filling:
        fill_line(filling, waiting)
    use_database(name)
    look_after(WaitingRoom.objects.get(slug="main").pk, now=timezone.now())
    line = Line(name=name, waiting=waiting)
    line.polling, line.joining = folder / f"{name}-polls", folder / f"{name}-joins"
    # The first half of the line asks, from the other half people join again.
    rnd = random.Random(waiting)
    for file, numbers in (
        (line.polling, range(INSIDE + 1, line.last_polling + 1)),
        (line.joining, range(line.last_polling + 1, INSIDE + waiting + 1)),
    ):
        chosen = rnd.sample(numbers, min(len(numbers), ASKING))
        write_tokens(file, chosen, secret_key=bench.secret_key)
    return line


def measure_load(bench: Workbench, line: Line, figure: str, **request: Any) -> None:
    """Load a line's server, and note milliseconds a request: of everything, and of SQL alone."""
    with bench.connect(line.name) as statistics_of:
        before = read_sql_ms(statistics_of)
        loaded = wrk.load(line.address, **request, seconds=LOAD_S)
        spent_ms = read_sql_ms(statistics_of) - before
    line.figures[figure].append(1_000 / loaded.per_second)
    line.figures[f"{figure}, SQL"].append(spent_ms / loaded.requests)
    line.figures[f"{figure}, p99"].append(loaded.p99_ms)


def measure_statement(bench: Workbench, line: Line, folder: Path) -> None:
    """Note the milliseconds of the statement that a poll sends, for anybody of those who ask: by
    pgbench, as the server answers it to one who does nothing else."""
    script = folder / "poll.sql"
    token = "sha256(convert_to('token-' || :number, 'UTF8'))"
    statement = " ".join(FIND_BY_TOKEN.replace("%s", token).split())
    script.write_text(f"\\set number random({INSIDE + 1}, {line.last_polling})\n{statement};\n")
    command = [
        str(binary("pgbench")), "--no-vacuum", "--protocol", "prepared", "--client", "1",
        "--time", str(STATEMENT_S), "--file", str(script),
        "--host", bench.socket_folder, "--username", ROLE, line.name,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    latency = re.search(r"latency average = ([0-9.]+) ms", done.stdout)
    assert latency is not None, done.stdout
    line.figures["statement"].append(float(latency[1]))


def measure_admissions(bench: Workbench, line: Line) -> None:
    """Let a hundred in, several times, and note the milliseconds of each look at the room."""
    use_database(line.name)
    time.sleep(SETTLE_S)
    room = WaitingRoom.objects.get(slug="main")
    for _admission in range(ADMISSIONS):
        room.capacity += ENTERING
        room.save(update_fields=["capacity"])
        began = time.perf_counter()
        entered = look_after(room.pk, now=timezone.now())
        line.figures["admission"].append((time.perf_counter() - began) * 1_000)
        assert entered == ENTERING, f"{entered} entered"
    with bench.connect(line.name) as putting_back:
        for statement in _PUT_BACK.split(";"):
            putting_back.execute(statement)
    look_after(room.pk, now=timezone.now())
    connection.close()


def run(bench: Workbench, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure both lines in turn, round by round, and return medians and ratios."""
    with ExitStack() as servers:
        lines = []
        for name, waiting in SIZES.items():
            say(f"a line of {waiting:,}…")
            line = make_line(bench, name, waiting, folder)
            line.address = servers.enter_context(bench.serve(name))
            lines.append(line)
        for line in lines:
            # As in a line that waits: everybody has asked before, and every server has seen them.
            wrk.load(line.address, CURRENT, lines=line.polling, seconds=WARM_UP_S)
        for number in range(ROUNDS):
            for line in lines:
                say(f"round {number + 1} of {ROUNDS}, {line.waiting:,} waiting")
                measure_load(bench, line, "nothing", path="/api/v1/nothing")
                measure_load(bench, line, "poll", path=CURRENT, lines=line.polling)
                measure_statement(bench, line, folder)
                tokens = {"path": "/api/v1/queue/tokens", "lines": line.joining}
                measure_load(bench, line, "token", **tokens, method="POST")
                measure_admissions(bench, line)
    small, large = lines
    figures = {
        name: {
            "small": small.median(name),
            "large": large.median(name),
            "ratio": large.median(name) / small.median(name),
        }
        for name in small.figures
    }
    return {
        "figures": figures,
        "poll_against_nothing": {
            line.name: line.median("nothing") / line.median("poll") for line in lines
        },
        "rounds": {line.name: dict(line.figures) for line in lines},
    }
