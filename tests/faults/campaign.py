"""Injects faults one after another, waits for recovery from each, and sums up."""

import json
import random
import statistics
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from config.embedded.child import Timing
from tests.faults.buyers import Load
from tests.faults.injections import Fault
from tests.faults.stack import READY_WITHIN_S, Stack
from tests.faults.witness import Witness
from tests.running.encore import wait_until

# A sweep that was sent before beat was killed has begun by then.
UNDER_WAY_AT_MOST = timedelta(seconds=1)


@dataclass
class Campaign:
    """Faults, one at a time, on a stack under load."""

    stack: Stack
    load: Load
    witness: Witness
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _deaths_seen: Counter[str] = field(default_factory=Counter)
    _deaths: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def warm_up(self) -> None:
        """Wait for the first purchase."""
        wait_until(
            lambda: self.witness.has_purchase_since(0),
            seconds=READY_WITHIN_S,
            what="the first purchase",
        )

    def strike(self, fault: Fault, *, hold_s: float) -> None:
        """Inject a fault for `hold_s` seconds, where it can last, and wait until all is well again."""
        if fault.ends:
            self._await_allowance(fault)
        self.witness.fault = fault.name
        fault.inject(self.stack, self.load, hold_s)
        over_at, over = datetime.now(UTC), time.monotonic()
        wait_until(
            lambda: self._is_well_since(over_at, over),
            seconds=READY_WITHIN_S,
            what=f"well again after “{fault.name}”, see {self.stack.log}",
        )
        self.recoveries[fault.name].append(time.monotonic() - over)
        self.witness.fault = "none"
        self._note_deaths()

    def strike_for(self, faults: Sequence[Fault], *, seconds: float, hold_s: float) -> None:
        """Inject all the faults, in turns of ever other order, until `seconds` are over; once at least."""
        ends_at = time.monotonic() + seconds
        order = random.Random(len(faults))
        turn = list(faults)
        while True:
            for fault in turn:
                self.strike(fault, hold_s=hold_s)
                if time.monotonic() > ends_at and self.recoveries.keys() >= {
                    f.name for f in faults
                }:
                    return
            order.shuffle(turn)

    def _is_well_since(self, over_at: datetime, over: float) -> bool:
        """Say whether all processes are there, `/readyz` says so, and sweeps and purchases go on."""
        if not self.witness.has_purchase_since(over) or not self.stack.is_ready():
            return False
        beat_at = self.stack.oldest_heartbeat()
        return (
            beat_at is not None
            and beat_at - over_at > UNDER_WAY_AT_MOST
            and self.stack.is_complete()
        )

    def _note_deaths(self) -> None:
        deaths = self.stack.count_deaths()
        for child, count in (deaths - self._deaths_seen).items():
            self._deaths[child].extend([time.monotonic()] * count)
        self._deaths_seen = deaths

    def _await_allowance(self, fault: Fault) -> None:
        """Wait until the supervisor would restart the child after all the deaths that may follow."""
        timing = Timing()
        deaths = self._deaths[fault.ends]
        while len(deaths) + fault.deaths >= timing.deaths_limit:
            if time.monotonic() - deaths[0] > timing.deaths_window_s:
                deaths.popleft()
            else:
                time.sleep(0.2)

    def report(self) -> dict[str, Any]:
        """Return the figures: faults with their recoveries in seconds, what buyers got and met."""
        return {
            "faults": {
                name: {
                    "times": len(seconds),
                    "recovery_median_s": round(statistics.median(seconds), 2),
                    "recovery_max_s": round(max(seconds), 2),
                    "errors": dict(
                        Counter(
                            {what: n for (f, what), n in self.witness.errors.items() if f == name}
                        ).most_common()
                    ),
                }
                for name, seconds in self.recoveries.items()
            },
            "restarts": dict(self.stack.count_deaths()),
            "calls": {
                kind: dict(Counter(call.outcome for call in self.witness.calls_of(kind)))
                for kind in ("pay", "charge", "cancel")
            },
            "resent_and_acknowledged": sum(
                call.attempts > 1 and call.outcome == "acknowledged" for call in self.witness.calls
            ),
            "errors": sum(self.witness.errors.values()),
        }


def describe(report: dict[str, Any]) -> str:
    """Return the report as a JSON line and a table."""
    lines = [
        json.dumps(report, ensure_ascii=False),
        f"{'fault':<28}{'times':>6}{'median s':>10}{'max s':>8}  errors seen by buyers",
    ]
    for name, row in report["faults"].items():
        errors = ", ".join(f"{n} × {what}" for what, n in row["errors"].items()) or "none"
        lines.append(
            f"{name:<28}{row['times']:>6}{row['recovery_median_s']:>10.2f}"
            f"{row['recovery_max_s']:>8.2f}  {errors}"
        )
    lines.append(f"calls: {report['calls']}; restarts: {report['restarts']}")
    return "\n".join(lines)
