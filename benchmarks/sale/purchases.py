"""The whole journey from the line to the payment, by the players of `make bench-journey`."""

import argparse
import itertools

from benchmarks.journey import play_round
from benchmarks.sale.stage import Record, Stage
from config.rehearsal.plan import SEATS_EACH

# A concert of their own, in a room that holds more people than the web server can serve.
INSIDE, SEATS, PROCESSES = 128, 2_000, 1
SECONDS_MIN = 10
_rounds = itertools.count()


def measure_purchases(stage: Stage) -> Record:
    """Sell the seats of one concert, and return what the measured time came to."""
    options = argparse.Namespace(
        seconds=max(stage.seconds, SECONDS_MIN), inside=INSIDE, seats=SEATS, processes=PROCESSES
    )
    step = play_round([stage.address], options, f"bench-{next(_rounds)}")
    if step["errors"]:
        raise RuntimeError(f"{step['errors']} requests of the players failed")
    return {
        # Two seats a purchase.
        "seats_per_minute": step["purchases_per_second"] * 60 * SEATS_EACH,
        **step,
    }
