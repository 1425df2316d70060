"""What wrk prints is read, and what went wrong is not taken for a figure."""

import pytest

from benchmarks.wrk import parse

PRINTED = """Running 5s test @ http://127.0.0.1:1
  1 threads and 8 connections
figures requests={requests} duration_us=5000000 bytes=1000000 refused={refused} broken={broken}\
 p50_us=1500 p99_us=9250 used_up={used_up} processor_us=250000
"""


def print_figures(
    *, requests: int = 2_000, refused: int = 0, broken: int = 0, used_up: int = 0
) -> str:
    return PRINTED.format(requests=requests, refused=refused, broken=broken, used_up=used_up)


def test_figures_are_read():
    load = parse(print_figures())
    assert (load.requests, load.per_second, load.median_ms, load.p99_ms) == (
        2_000,
        400.0,
        1.5,
        9.25,
    )
    assert (load.answer_bytes, load.processor_s, load.seconds) == (500.0, 0.25, 5.0)
    assert load.statuses == {}


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("unable to connect\n", "wrk failed: unable to connect"),
        (print_figures(refused=3), "3 of 2000 requests failed"),
        (print_figures(broken=1), "1 of 2000 requests failed"),
        (print_figures(requests=0), "0 of 0 requests failed"),
        (print_figures(used_up=1), "more requests than lines"),
    ],
)
def test_failures_are_no_figures(output: str, problem: str):
    with pytest.raises(RuntimeError, match=problem):
        parse(output)


def test_refusals_that_are_part_of_it_are_counted():
    printed = print_figures(refused=1_999) + "status 409 1999\nstatus 201 1\n"
    assert parse(printed, allowed=(201, 409)).statuses == {409: 1_999, 201: 1}
    with pytest.raises(RuntimeError, match="1999 of 2000 requests failed"):
        parse(printed, allowed=(201,))
    with pytest.raises(RuntimeError, match="2 of 2000 requests failed"):
        parse(print_figures(broken=2) + "status 201 1998\n", allowed=(201,))
