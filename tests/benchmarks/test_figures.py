"""Medians, ratios, targets, the order of rounds, and the tables made of them."""

import pytest

from benchmarks.sale.figures import FIGURES, GUARDED, needed_for, read_figure, spread, sum_up
from benchmarks.sale.report import describe
from benchmarks.sale.rounds import MEASUREMENTS, order


def load(per_second: float, **figures: object) -> dict[str, object]:
    """Return the record of a load."""
    return {
        "requests": 100,
        "per_second": per_second,
        "p50_ms": 2.0,
        "p99_ms": 9.0,
        "answer_bytes": 400.0,
        "processor_ms": {"web": 0.5, "PostgreSQL": 0.25, "load": 0.125},
        "load_share": 0.04,
        **figures,
    }


# The machine slows down by half from the first round to the last; the second one had a bad moment.
ROUNDS = [
    {"nothing": load(8_000), "hold": load(1_600), "sweep": {"seconds": 4.0}},
    {"nothing": load(6_000), "hold": load(600), "sweep": {"seconds": 9.0}},
    {"nothing": load(4_000), "hold": load(800), "sweep": {"seconds": 6.0}},
]
FIGURE = {figure.name: figure for figure in FIGURES}


def test_a_spread_is_the_median_with_the_least_and_the_most():
    of = spread([3.0, 1.0, 9.0])
    assert (of.median, of.least, of.most) == (3.0, 1.0, 9.0)
    assert of.format(".1f") == "3.0 (1.0 to 9.0)"


def test_a_ratio_is_made_within_a_round():
    assert read_figure(FIGURE["hold"], ROUNDS) == [0.2, 0.1, 0.2]


def test_a_round_without_the_yardstick_says_nothing():
    rounds = [{"hold": load(1_600)}, *ROUNDS[1:]]
    assert read_figure(FIGURE["hold"], rounds) == [0.1, 0.2]


@pytest.mark.parametrize(
    ("name", "value", "met"),
    [
        ("hold", 0.18, True),
        ("hold", 0.179, False),
        ("sweep", 5.0, True),
        ("sweep", 5.1, False),
        ("seats_plain", 0.0, True),
    ],
)
def test_targets_are_the_least_or_the_most(name: str, value: float, met: bool):
    assert FIGURE[name].is_met(value) is met


def test_what_was_not_measured_is_left_out():
    figures = sum_up([{name: of for name, of in ROUNDS[0].items() if name != "sweep"}])
    assert list(figures) == ["hold"]
    assert figures["hold"] == {
        "median": 0.2, "least": 0.2, "most": 0.2, "target": 0.18, "at_most": False, "met": True,
    }  # fmt: skip


def test_every_figure_is_measured_and_has_a_name_of_its_own():
    assert len(FIGURE) == len(FIGURES)
    assert {name for figure in FIGURES for name in figure.needs} == set(MEASUREMENTS)


def test_the_guard_watches_requests_and_the_transaction():
    assert {figure.name for figure in GUARDED} == {
        "poll", "token", "seats_unchanged", "seats_changed", "seats_plain", "hold", "reserve", "pay",
        "transaction",
    }  # fmt: skip


def test_a_part_comes_with_its_yardsticks():
    assert needed_for(["poll", "transaction"]) == {"poll", "nothing", "transaction", "pgbench"}
    assert needed_for(["one_seat"]) == {"one_seat", "hold_crowd"}


def test_every_round_has_all_and_begins_elsewhere():
    names = ["a", "b", "c", "d"]
    rounds = [order(names, number, 4) for number in range(4)]
    assert all(sorted(each) == names for each in rounds)
    assert [each[0] for each in rounds] == names
    assert rounds[1] == ["b", "a", "d", "c"]


def test_tables_say_what_was_measured_and_what_is_missed():
    text = describe(
        {
            "measured_on": "2026-11-23",
            "machine": "2 cores",
            "options": {"rounds": 3, "seconds": 5},
            "rounds": [
                {**of, "sweep": {**of["sweep"], "busy_p99_ms": 30, "quiet_p99_ms": 20}}
                for of in ROUNDS
            ],
        }
    )
    assert "2026-11-23: 2 cores. Medians of 3 rounds" in text
    assert "| an endpoint that does nothing | 6,000 | 2.0 | 9.0 | 1 |  |" in text
    assert "| a hold of one free seat | 800 | 2.0 | 9.0 | 0.20 (0.10 to 0.20) | 0.18, met |" in text
    assert (
        "| 100,000 overdue holds swept beside holds | 6.0 (4.0 to 9.0) s | at most 5 s, missed |"
    ) in text
    assert "| 1.50 (1.50 to 1.50) | at most 2, met |" in text
    assert "0.50 (0.50 to 0.50) | 0.25 (0.25 to 0.25) | 0.12 (0.12 to 0.12) | 4% | 400 |" in text
    assert "a poll of the line" not in text
