"""Random orders of everything that happens in the line, with seats and with money, against the model."""

import os
import random
import time
from collections import Counter

import pytest

from tests.stateful.running import run_machine

STEPS_MIN = 2_000
# Of fifty steps each; some stop a little earlier.
EXAMPLES = 40
# What the steps must have come to, each at least once, or they prove less than they seem to. The rarer
# `TooManyLapsedHolds` has a negative control.
DONE = {
    "join", "poll", "leave", "see room", "hold", "reserve", "release", "pay", "cancel", "charge",
}  # fmt: skip
TOUCHED = {"expire_holds", "expire_queue", "admit_queue"}
REFUSALS = {
    "WaitingRoomClosed", "QueueTokenExpired", "QueueNotAdmitted", "WrongWaitingRoom",
    "DateNotBookable", "SeatNotFound", "InvalidRequest", "SeatLimitExceeded", "SeatUnavailable",
    "HoldNotFound", "HoldExpired", "SeatAlreadyReserved", "ReservationNotFound",
    "ReservationNotCancellable", "InsufficientBalance", "BalanceLimitExceeded",
    "IdempotencyKeyReused",
}  # fmt: skip
EVERYTHING = DONE | TOUCHED | REFUSALS | {"replayed"}

# Without end, or for so many seconds, and by which seed: see `make test-long`.
LONG = os.environ.get("ENCORE_TEST_LONG")
LONG_SECONDS = float(os.environ.get("ENCORE_TEST_LONG_SECONDS", "inf"))
LONG_SEED = os.environ.get("ENCORE_TEST_LONG_SEED")
LONG_EXAMPLES = 20

# They go through the same lines thousands of times: counting coverage would only slow them down.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(0 if LONG else 900),
    pytest.mark.no_cover,
]


def test_random_orders_are_as_modelled(clock_at_now):
    tally = run_machine(clock_at_now, examples=EXAMPLES)
    assert tally["steps", ""] >= STEPS_MIN
    seen = {name for name, outcome in tally if outcome == "done" and name in DONE}
    seen |= {name for name, outcome in tally if outcome == "touched"}
    seen |= {outcome for _name, outcome in tally}
    assert seen >= EVERYTHING, EVERYTHING - seen


if LONG:

    def test_other_random_orders_are_as_modelled_for_as_long_as_you_like(clock_at_now, capsys):
        until = time.monotonic() + LONG_SECONDS
        total: Counter[tuple[str, str]] = Counter()
        while time.monotonic() < until:
            seed = int(LONG_SEED) if LONG_SEED else random.randrange(2**32)
            with capsys.disabled():
                print(f"{total['steps', '']:,} steps were as modelled; next, seed {seed}")
            total += run_machine(clock_at_now, examples=LONG_EXAMPLES, seeded=seed)
            if LONG_SEED:
                break
        assert total["steps", ""]
