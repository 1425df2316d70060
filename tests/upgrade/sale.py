"""An on-sale that goes on: buyers behind a balancer, until the block ends."""

import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg

from tests.faults.buyers import ANSWER_WITHIN_S, PATIENCE_S, Buyer
from tests.faults.stack import SWEEPS
from tests.faults.witness import Witness
from tests.running.encore import wait_until
from tests.upgrade.balancer import Answer, Balancer

PURCHASES_WITHIN_S = 60.0
SWEPT_WITHIN_S = 30.0


class Sale:
    """Buyers who buy, cancel and come back, with all their answers."""

    def __init__(self, *, accesses: list[str], balancer: Balancer) -> None:
        self.balancer = balancer
        self.witness = Witness()
        self._stop = threading.Event()
        self._threads = []
        for access in accesses:
            buyer = Buyer(
                access=access, addresses=["http://encore"], witness=self.witness, stop=self._stop
            )
            buyer.http = balancer.client(buyer.http.headers, timeout_s=ANSWER_WITHIN_S)
            self._threads.append(threading.Thread(target=buyer.run, daemon=True))

    def __enter__(self) -> "Sale":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=PATIENCE_S)

    def begin(self, phase: str) -> None:
        """Name what follows."""
        self.balancer.phase = self.witness.fault = phase

    def await_purchases(self, count: int) -> None:
        """Wait until so many more purchases were begun and acknowledged."""
        began = time.monotonic()
        wait_until(
            lambda: (
                sum(
                    call.first_sent_at > began
                    for call in self.witness.calls_of("pay", "acknowledged")
                )
                >= count
            ),
            seconds=PURCHASES_WITHIN_S,
            what=f"{count} purchases while {self.balancer.phase}",
        )

    def report(self) -> dict[str, Any]:
        """Return the figures of each phase; milliseconds, and seconds without a purchase."""
        phases = dict.fromkeys(answer.phase for answer in self.balancer.answers)
        return {phase: self._report_on(phase) for phase in phases}

    def longest_gap_s(self) -> float:
        """Return the longest time between two acknowledged purchases."""
        moments = [answer.at for answer in self.balancer.answers if is_purchase(answer)]
        return max(later - at for at, later in itertools.pairwise(moments))

    def _report_on(self, phase: str) -> dict[str, Any]:
        answers = [answer for answer in self.balancer.answers if answer.phase == phase]
        seconds = sorted(answer.seconds for answer in answers)
        return {
            "requests": len(answers),
            "failed": sum(not 0 < answer.status < 500 for answer in answers),
            "purchases": sum(map(is_purchase, answers)),
            "p50_ms": round(seconds[len(seconds) // 2] * 1000),
            "max_ms": round(seconds[-1] * 1000),
            "lasted_s": round(answers[-1].at - answers[0].at, 1),
        }


def is_purchase(answer: Answer) -> bool:
    """Say whether a payment was acknowledged."""
    return answer.path.endswith("/payments") and answer.status == 201


def await_sweeps(connect: "Callable[[], psycopg.Connection[Any]]") -> None:
    """Wait until each sweep has run from now on."""
    now = datetime.now(UTC)

    def have_run() -> bool:
        with connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM core_heartbeat WHERE name = ANY(%s) AND beat_at > %s",
                [SWEEPS, now],
            ).fetchone()
        return row == (len(SWEEPS),)

    wait_until(have_run, seconds=SWEPT_WITHIN_S, what="sweeps")
