"""The statements that a transaction really sent, as a script for pgbench."""

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.servers import Workbench
from config.embedded.postgres import ROLE, binary

# What psycopg replaces: a parameter, or a percent sign that stands for itself.
PLACEHOLDER = re.compile(r"%[sbt%]")
# What pgbench replaces; it does not look whether it is in quotes.
VARIABLE = re.compile(r"(?<!:):([A-Za-z_]\w*)")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement with its parameters, and whether it was sent inside the transaction."""

    sql: str
    parameters: Sequence[Any]
    in_transaction: bool = True


def write_script(
    statements: Sequence[Statement],
    *,
    expressions: Mapping[int, str],
    quote: Callable[[Any], str],
    setup: Sequence[str] = (),
    teardown: Sequence[str] = (),
) -> str:
    """Return a script that sends the statements in their order, those of the transaction in one.

    A whole number of `expressions` becomes that expression wherever it is a parameter, alone or in a
    list; of any other value `quote` writes the literal. Raise `ValueError` where pgbench would take
    something for a variable that is none.
    """
    lines: list[str] = []
    inside = False
    for statement in statements:
        if statement.in_transaction != inside:
            lines.append("BEGIN;" if statement.in_transaction else "COMMIT;")
            inside = statement.in_transaction
        lines.append(f"{write_statement(statement, expressions=expressions, quote=quote)};")
    if inside:
        lines.append("COMMIT;")
    sql = "\n".join(lines)
    known = set(VARIABLE.findall(" ".join(expressions.values())))
    if unknown := set(VARIABLE.findall(sql)) - known:
        raise ValueError(f"pgbench would take these for variables: {sorted(unknown)}")
    return "\n".join([*setup, sql, *teardown, ""])


def write_statement(
    statement: Statement, *, expressions: Mapping[int, str], quote: Callable[[Any], str]
) -> str:
    """Return the statement's text with its parameters in it."""

    def write(value: Any) -> str:
        if type(value) is int and value in expressions:
            return expressions[value]
        if isinstance(value, list) and value and all(type(member) is int for member in value):
            return f"ARRAY[{', '.join(map(write, value))}]::bigint[]"
        return quote(value)

    text = statement.sql.strip().rstrip(";")
    places = [place for place in PLACEHOLDER.findall(text) if place != "%%"]
    if len(places) != len(statement.parameters):
        raise ValueError(f"{len(statement.parameters)} parameters: {statement.sql}")
    values = iter(statement.parameters)
    return PLACEHOLDER.sub(lambda match: "%" if match[0] == "%%" else write(next(values)), text)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What pgbench said."""

    transactions: int
    per_second: float
    latency_ms: float


def parse(output: str) -> Rate:
    """Return what pgbench printed. Raise `RuntimeError` where a transaction failed."""

    def find(pattern: str) -> str:
        match = re.search(pattern, output)
        if match is None:
            raise RuntimeError(f"pgbench failed: {output}")
        return match[1]

    if find(r"number of failed transactions: (\d+)") != "0":
        raise RuntimeError(f"pgbench failed: {output}")
    return Rate(
        transactions=int(find(r"number of transactions actually processed: (\d+)")),
        per_second=float(find(r"tps = ([0-9.]+)")),
        latency_ms=float(find(r"latency average = ([0-9.]+) ms")),
    )


def run_script(
    bench: Workbench,
    database: str,
    script: Path,
    *,
    clients: int,
    transactions_each: int,
    variables: Mapping[str, int],
) -> Rate:
    """Run a script so often on each of so many connections, its statements prepared."""
    command = [
        str(binary("pgbench")), "--no-vacuum", "--protocol", "prepared", "--client", str(clients),
        "--transactions", str(transactions_each), "--file", str(script),
        *(f"--define={name}={value}" for name, value in variables.items()),
        "--host", bench.socket_folder, "--username", ROLE, database,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return parse(done.stdout + done.stderr)
