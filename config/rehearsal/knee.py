"""Where throughput stops to pay for latency, and which limits of a room follow from it.

The knee is where throughput divided by latency, Kleinrock's power, is greatest: before it, places inside
stand idle; behind it, more people inside only wait for each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# More people inside, and purchases a second grow by less than this share: the limit is reached …
GAIN_MIN = 0.05
# … where answers take longer by this share.
SLOWER = 0.10
# More requests than this share that come to nothing are a limit of their own.
ERRORS_MAX = 0.01
# What is proposed of the rate at the knee: the rest is for what a rehearsal does not know.
HEADROOM = 0.7


@dataclass(frozen=True, kw_only=True)
class Point:
    """What one step came to: `people` inside, purchases a second, and the seconds that the answers of
    one purchase take together; `error_share` of the requests came to nothing."""

    people: int
    per_second: float
    latency_s: float
    error_share: float = 0.0

    @property
    def power(self) -> float:
        """Throughput divided by latency."""
        return self.per_second / self.latency_s if self.latency_s else 0.0


class Fit(StrEnum):
    """How the knee was found."""

    PARABOLA = "parabola"
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, kw_only=True)
class Knee:
    """The knee, between the measured steps, and how it was found."""

    people: float
    per_second: float
    latency_s: float
    fit: Fit
    steps: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The limits of a room that serves no more than this installation can."""

    admit_per_minute: int
    capacity: int
    purchases_per_second: float
    headroom: float
    think_s: float
    service_s: float


def is_over(points: Sequence[Point]) -> bool:
    """Say whether the last step has shown the limit, so that a higher one would tell nothing."""
    if not points:
        return False
    last = points[-1]
    if last.error_share > ERRORS_MAX:
        return True
    if len(points) < 2:
        return False
    before = points[-2]
    gains = last.per_second >= before.per_second * (1 + GAIN_MIN)
    slower = last.latency_s > before.latency_s * (1 + SLOWER)
    return slower and not gains


def list_usable(points: Sequence[Point]) -> list[Point]:
    """Return the steps in which something was bought and hardly anything went wrong, by people."""
    usable = [p for p in points if p.per_second > 0 and p.error_share <= ERRORS_MAX]
    return sorted(usable, key=lambda point: point.people)


def refine(points: Sequence[Point]) -> list[int]:
    """Return the steps to measure beside the one with the greatest power: half-way to its neighbours,
    by ratio."""
    usable = list_usable(points)
    if not usable:
        return []
    measured = {point.people for point in points}
    best = max(usable, key=lambda point: point.power)
    beside = (round(best.people / math.sqrt(2)), round(best.people * math.sqrt(2)))
    return [people for people in beside if people >= 1 and people not in measured]


def find_knee(points: Sequence[Point]) -> Knee | None:
    """Return the knee; None where no step was usable.

    A parabola through the logarithms of people and of power, of the step with the greatest power and its
    two neighbours, has its vertex there. At the first or last step there is none: it is taken as it is.
    """
    usable = list_usable(points)
    if not usable:
        return None
    at = max(range(len(usable)), key=lambda index: usable[index].power)
    best = usable[at]
    if at in (0, len(usable) - 1):
        # The last first: a single step has shown no limit.
        fit = Fit.LAST if at == len(usable) - 1 else Fit.FIRST
        return Knee(
            people=best.people,
            per_second=best.per_second,
            latency_s=best.latency_s,
            fit=fit,
            steps=(best.people,),
        )
    around = usable[at - 1 : at + 2]
    x = _find_vertex([(math.log(point.people), math.log(point.power)) for point in around])
    return Knee(
        people=math.exp(x),
        per_second=_interpolate(around, x, [point.per_second for point in around]),
        latency_s=_interpolate(around, x, [point.latency_s for point in around]),
        fit=Fit.PARABOLA,
        steps=tuple(point.people for point in around),
    )


def _find_vertex(points: Sequence[tuple[float, float]]) -> float:
    """Return where the parabola through three points, of which the middle one is highest, is highest."""
    (x0, y0), (x1, y1), (x2, y2) = points
    left, right = (x1 - x0) * (y1 - y2), (x1 - x2) * (y1 - y0)
    if left == right:
        return x1  # all three are equally high
    return x1 - ((x1 - x0) * left - (x1 - x2) * right) / (2 * (left - right))


def _interpolate(around: Sequence[Point], x: float, values: Sequence[float]) -> float:
    """Return the value at `x`, a logarithm of people, on the straight lines between the three steps."""
    places = [math.log(point.people) for point in around]
    at = 0 if x < places[1] else 1
    share = (x - places[at]) / (places[at + 1] - places[at])
    return values[at] + share * (values[at + 1] - values[at])


def propose(knee: Knee, *, think_s: float, service_s: float) -> Proposal:
    """Return the limits of a room for people who take `think_s` seconds more than a player, who is inside
    for `service_s`.

    By Little's law as many are inside as enter in the time that one of them stays.
    """
    per_second = knee.per_second * HEADROOM
    per_minute = max(int(per_second * 60), 1)
    return Proposal(
        admit_per_minute=per_minute,
        capacity=max(math.ceil(per_minute / 60 * (think_s + service_s)), 1),
        purchases_per_second=knee.per_second,
        headroom=HEADROOM,
        think_s=think_s,
        service_s=service_s,
    )
