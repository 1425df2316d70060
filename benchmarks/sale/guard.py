"""What has become slower, by its ratio to its yardstick."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.sale.figures import GUARDED, Figure, Round, read_figure, spread

# A loss up to this is noise, or not worth stopping for.
LOSS_MAX = 0.15


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How one figure fares against the baseline; without one it cannot be lost."""

    figure: Figure
    baseline: float | None
    now: float
    rounds: int

    @property
    def loss(self) -> float:
        """The share that is lost; below 0 where something is gained."""
        return 0.0 if self.baseline is None else 1 - self.now / self.baseline

    @property
    def lost(self) -> bool:
        """Say whether too much is lost."""
        return self.loss > LOSS_MAX

    def __str__(self) -> str:
        if self.baseline is None:
            return f"{self.figure.name}: {self.now:.3f}, not in the baseline"
        told = "LOST" if self.lost else "kept"
        return (
            f"{self.figure.name}: {told}, baseline {self.baseline:.3f}, now {self.now:.3f} "
            f"({-self.loss:+.1%}, median of {self.rounds} rounds)"
        )


def judge(baseline: Mapping[str, Mapping[str, Any]], rounds: Sequence[Round]) -> list[Verdict]:
    """Return a verdict on each guarded figure that was measured, by the median of all its rounds."""
    verdicts = []
    for figure in GUARDED:
        values = read_figure(figure, rounds)
        if values:
            known = baseline.get(figure.name)
            verdicts.append(
                Verdict(
                    figure=figure,
                    baseline=known["median"] if known else None,
                    now=spread(values).median,
                    rounds=len(values),
                )
            )
    return verdicts
