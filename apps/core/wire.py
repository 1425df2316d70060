"""A prepared statement's way to the server and back, with nothing between but libpq's own call.

psycopg's cursor prepares statements too, in Python: it took as long as all else that a hold does. The
values go as text, whose types the server knows from the statement; rows come in binary.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from psycopg import Connection, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

Parameters = Sequence[Any] | Mapping[str, Any]

PLACEHOLDER = re.compile(r"%(?:[%s]|\((?P<name>\w+)\)s)")
# Texts of statements that are kept with their placeholders numbered.
TEXTS_MAX = 1_000

# The names under which a connection's server knows statements.
_names: WeakKeyDictionary[Connection[Any], dict[bytes, bytes]] = WeakKeyDictionary()


class Reply(NamedTuple):
    """The rows of a statement, and how many it touched."""

    rows: list[tuple[Any, ...]]
    touched: int


def exchange(connection: Connection[Any], sql: str, parameters: Parameters) -> Reply:
    """Run a statement, in whose text `%s` or `%(name)s` marks a parameter, and return what came of it.

    It is prepared at its first use, where the connection may prepare. Raise psycopg's errors.
    """
    server = connection.pgconn
    if not connection.autocommit and server.transaction_status == TransactionStatus.IDLE:
        _require_success(connection, server.exec_(b"BEGIN"))
    text, names = number_parameters(sql)
    given = [parameters[name] for name in names] if isinstance(parameters, Mapping) else parameters
    transformer = Transformer(connection)
    values = transformer.dump_sequence(given, [PyFormat.TEXT] * len(given))
    if connection.prepare_threshold is None:
        result = server.exec_params(text, values, result_format=Format.BINARY)
    else:
        name = _prepare(connection, text)
        # Its types know no NULL among the values; libpq does.
        result = server.exec_prepared(name, values, result_format=Format.BINARY)  # type: ignore[arg-type]
    _require_success(connection, result)
    transformer.set_pgresult(result)
    return Reply(transformer.load_rows(0, result.ntuples, tuple), result.command_tuples or 0)


def _prepare(connection: Connection[Any], text: bytes) -> bytes:
    """Return the name under which the connection's server knows a statement, from now on at the latest."""
    known = _names.setdefault(connection, {})
    name = known.get(text)
    if name is None:
        name = b"encore_%d" % len(known)
        _require_success(connection, connection.pgconn.prepare(name, text))
        known[text] = name
    return name


def _require_success(connection: Connection[Any], result: PGresult) -> None:
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return
    error = error_from_result(result, encoding=connection.info.encoding)
    if error.diag.sqlstate is None:
        # Not the server says so, but libpq of a server that it cannot reach any more.
        raise OperationalError(str(error))
    raise error


@lru_cache(TEXTS_MAX)
def number_parameters(sql: str) -> tuple[bytes, list[str]]:
    """Return the text as the server reads it, `$1`, `$2` for the parameters and `%` for `%%`, and the
    names of those that have one."""
    names: list[str] = []
    numbers = count(1)

    def write(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        if found["name"] is None:
            return f"${next(numbers)}"
        if found["name"] not in names:
            names.append(found["name"])
        return f"${names.index(found['name']) + 1}"

    return PLACEHOLDER.sub(write, sql).encode(), names
