"""What has become slower is told from what has not."""

import pytest

from benchmarks.sale.guard import judge


def make_rounds(*ratios: float) -> list[dict[str, dict[str, float]]]:
    """Return rounds with these ratios of a hold."""
    return [
        {"nothing": {"per_second": 1_000.0}, "hold": {"per_second": 1_000.0 * ratio}}
        for ratio in ratios
    ]


@pytest.mark.parametrize(("now", "lost"), [(0.25, False), (0.172, False), (0.168, True)])
def test_a_loss_over_fifteen_in_a_hundred_fails(now: float, lost: bool):
    (verdict,) = judge({"hold": {"median": 0.2}}, make_rounds(now))
    assert verdict.lost is lost
    assert verdict.loss == pytest.approx(1 - now / 0.2)


def test_the_verdict_names_item_baseline_and_now():
    (verdict,) = judge({"hold": {"median": 0.2}}, make_rounds(0.15, 0.14, 0.3))
    assert str(verdict) == "hold: LOST, baseline 0.200, now 0.150 (-25.0%, median of 3 rounds)"
    (verdict,) = judge({"hold": {"median": 0.2}}, make_rounds(0.21))
    assert str(verdict) == "hold: kept, baseline 0.200, now 0.210 (+5.0%, median of 1 rounds)"


def test_more_rounds_outweigh_a_slow_moment_and_not_a_loss():
    slow_moment = make_rounds(0.1, 0.1, 0.2)
    (verdict,) = judge({"hold": {"median": 0.2}}, slow_moment)
    assert verdict.lost
    (verdict,) = judge({"hold": {"median": 0.2}}, slow_moment + make_rounds(0.2, 0.19, 0.2))
    assert not verdict.lost
    (verdict,) = judge({"hold": {"median": 0.2}}, slow_moment + make_rounds(0.1, 0.2, 0.11))
    assert verdict.lost


def test_what_the_baseline_does_not_have_is_told_and_not_lost():
    (verdict,) = judge({}, make_rounds(0.2))
    assert not verdict.lost
    assert str(verdict) == "hold: 0.200, not in the baseline"
