"""What clients were told about seats and money: the side that the database must agree with."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["charge", "pay", "cancel"]
Outcome = Literal["unknown", "acknowledged", "refused"]


@dataclass(kw_only=True)
class Call:
    """One request with an `Idempotency-Key`, however often it was sent, and how it ended for its sender.

    `subject` is the amount of a charge, each of which is charged but once, or the id of a reservation.
    """

    kind: Kind
    key: str
    customer_id: int
    subject: int
    seat_ids: frozenset[int] = frozenset()
    total: int = 0
    first_sent_at: float = field(default_factory=time.monotonic)
    answered_at: float = 0.0
    attempts: int = 0
    outcome: Outcome = "unknown"
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)


class Witness:
    """All calls of all buyers, and the errors that they met, by the fault of the moment."""

    def __init__(self) -> None:
        self.fault = "none"
        self.calls: list[Call] = []
        self.errors: Counter[tuple[str, str]] = Counter()
        self.oddities: list[str] = []
        self._lock = threading.Lock()

    def note_call(self, call: Call) -> None:
        """Remember a call before it is first sent."""
        with self._lock:
            self.calls.append(call)

    def note_error(self, what: str) -> None:
        """Count an answer or a silence that made a client try again."""
        with self._lock:
            self.errors[self.fault, what] += 1

    def note_oddity(self, what: str) -> None:
        """Remember an answer that no fault excuses."""
        with self._lock:
            self.oddities.append(f"{self.fault}: {what}")

    def calls_of(self, kind: Kind, outcome: Outcome | None = None) -> list[Call]:
        """Return the calls of a kind, of all outcomes or of one."""
        return [c for c in self.calls if c.kind == kind and outcome in (None, c.outcome)]

    def has_purchase_since(self, moment: float) -> bool:
        """Say whether a payment that was first sent after `moment` (monotonic) is acknowledged."""
        return any(c.first_sent_at > moment for c in self.calls_of("pay", "acknowledged"))
