"""Running the machine: a set number of steps that are always the same, or random ones without end."""

from collections import Counter
from collections.abc import Collection

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import Clock
from tests.stateful.machine import Machine

STEPS_PER_EXAMPLE = 50

Tally = Counter[tuple[str, str]]


def run_machine(
    clock: Clock,
    *,
    examples: int,
    seeded: int | None = None,
    shrink: bool = True,
    only: Collection[str] = (),
) -> Tally:
    """Run so many examples, the same ones each time or those of a seed; return what was done, how often.

    A failure is made as short as can be, unless `shrink` is off. With `only`, no other actions are taken.
    """
    tally: Tally = Counter()

    def make() -> Machine:
        return Machine(clock, tally, only)

    run_state_machine_as_test(
        make if seeded is None else seed(seeded)(make),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS_PER_EXAMPLE,
            derandomize=seeded is None,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return tally
