"""What is asked of a rehearsal, and what follows from it."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from apps.concerts.limits import PERFORMANCES_PER_CONCERT_MAX, SEATS_PER_FILE_MAX

# What each player buys, and what a seat costs, in the minor unit.
SEATS_EACH = 2
PRICE = 100
# So that whoever comes last still finds seats beside those that others are just taking.
SPARE = 1.2
CUSTOMERS_MAX = int(SEATS_PER_FILE_MAX / SPARE / SEATS_EACH)
SEATS_MAX = 100_000
STEPS_MAX = 15
STEP_SECONDS_MAX = 600
THINK_SECONDS_MAX = 3_600
# The first part of a step is not measured: polls must have learnt of the new limit.
WARM_UP_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A rehearsal. `seats` are those of one performance; `steps` is how often the people inside are
    doubled at the most."""

    name: str
    server: str
    customers: int
    seats: int
    steps: int
    step_seconds: float
    think_seconds: float
    warm_up_s: float = WARM_UP_S

    @property
    def performances(self) -> int:
        """How many performances it takes for all customers to buy."""
        return max(-(-int(self.customers * SEATS_EACH * SPARE) // self.seats), 1)

    @property
    def levels(self) -> list[int]:
        """The people inside, step by step."""
        return [2**step for step in range(self.steps)]

    def find_problem(self) -> str | None:
        """Return what cannot be made of it, in words for who asked for it."""
        if self.performances > PERFORMANCES_PER_CONCERT_MAX:
            return (
                f"{self.customers:,} customers need {self.performances:,} performances of "
                f"{self.seats:,} seats, and a concert has {PERFORMANCES_PER_CONCERT_MAX} at most: "
                "give more --seats or fewer --customers."
            )
        if self.performances * self.seats > SEATS_PER_FILE_MAX:
            return (
                f"{self.performances:,} performances of {self.seats:,} seats are more than the "
                f"{SEATS_PER_FILE_MAX:,} seats of one concert file: give fewer --seats."
            )
        return None


def choose_name(now: datetime) -> str:
    """Return a name that no other rehearsal has: the slug of its concert and of its room."""
    return f"rehearsal-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
