"""What a transaction sent becomes a script for pgbench."""

import pytest

from benchmarks.sale.pgbench import Statement, parse, write_script

EXPRESSIONS = {7: ":customer::bigint", 901: ":seat::bigint", 55: "currval('ids')"}


def quote(value: object) -> str:
    return "NULL" if value is None else f"'{value}'"


def write(*statements: Statement) -> str:
    return write_script(statements, expressions=EXPRESSIONS, quote=quote)


def test_statements_stay_in_their_order_in_one_transaction():
    script = write_script(
        [
            Statement(sql="SELECT 1", parameters=[], in_transaction=False),
            Statement(sql="SELECT %s FOR UPDATE", parameters=[7]),
            Statement(sql=" INSERT INTO t VALUES (%s, %b, %t);\n", parameters=[55, 901, None]),
        ],
        expressions=EXPRESSIONS,
        quote=quote,
        setup=["\\set customer 1"],
        teardown=["\\set turn 2"],
    )
    assert script.splitlines() == [
        "\\set customer 1",
        "SELECT 1;",
        "BEGIN;",
        "SELECT :customer::bigint FOR UPDATE;",
        "INSERT INTO t VALUES (currval('ids'), :seat::bigint, NULL);",
        "COMMIT;",
        "\\set turn 2",
    ]


def test_only_whole_numbers_that_are_known_become_variables():
    script = write(Statement(sql="SELECT %s, %s, %s, %s", parameters=[8, True, "7", 7.0]))
    assert "SELECT '8', 'True', '7', '7.0';" in script


def test_lists_of_ids_have_variables_in_them():
    script = write(Statement(sql="SELECT = ANY(%s), %s", parameters=[[901, 3], []]))
    assert "SELECT = ANY(ARRAY[:seat::bigint, '3']::bigint[]), '[]';" in script


def test_a_percent_sign_stays_one():
    script = write(Statement(sql="SELECT 5 %% 2, %s", parameters=[None]))
    assert "SELECT 5 % 2, NULL;" in script


def test_what_pgbench_would_misread_is_refused():
    with pytest.raises(ValueError, match="state"):
        write(Statement(sql="SELECT %s", parameters=['{"a":state}']))
    # Neither a time nor a cast is a variable.
    write(Statement(sql="SELECT %s::text", parameters=["08:11:37+00:00"]))


@pytest.mark.parametrize("parameters", [[], [1, 2]])
def test_each_place_has_one_parameter(parameters: list[int]):
    with pytest.raises(ValueError, match=f"{len(parameters)} parameters"):
        write(Statement(sql="SELECT %s", parameters=parameters))


PRINTED = """number of transactions actually processed: 15992/15992
number of failed transactions: {failed} (0.000%)
latency average = 5.545 ms
tps = 1442.826207 (without initial connection time)
"""


def test_rates_are_read():
    rate = parse(PRINTED.format(failed=0))
    assert (rate.transactions, rate.per_second, rate.latency_ms) == (15_992, 1442.826207, 5.545)


@pytest.mark.parametrize("output", [PRINTED.format(failed=2), "ERROR: no such table"])
def test_failed_transactions_are_no_rate(output: str):
    with pytest.raises(RuntimeError, match="pgbench failed"):
        parse(output)
