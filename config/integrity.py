"""All checks of all apps, by invariant, over one moment of the database."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from apps.core import integrity as core
from apps.core.integrity import Check, Finding, run_check
from apps.payments import integrity as payments
from apps.queue import integrity as queue
from apps.reservations import integrity as reservations
from apps.wallet import integrity as wallet

CHECKS: tuple[Check, ...] = (
    *reservations.CHECKS,
    *wallet.CHECKS,
    *payments.CHECKS,
    *queue.CHECKS,
    *core.CHECKS,
)

# What must be true after every commit, whatever fails.
INVARIANTS = {
    1: "a seat is on at most one live reservation, and reservations agree with their seats",
    2: "a balance is the sum of its ledger entries, never negative, and entries never change",
    3: "confirmed, paid once and debited once are the same; refunded likewise",
    4: "payment, debit, seats made over and token ended are one commit",
    5: "nobody enters before somebody who is ahead in the same line",
    6: "no more are inside a room than its capacity",
    7: "nobody has more seats of a performance than the concert allows",
    8: "an idempotency key is answered with one outcome, which happened",
    9: "what staff end or book is recorded, with who did it and why",
}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was found of one invariant: `broken` rows, of which some are named, in `seconds`."""

    invariant: int
    broken: int
    named: list[Finding]
    seconds: float

    @property
    def complete(self) -> bool:
        """Say whether every broken row is named."""
        return self.broken == len(self.named)


def check_invariants(
    cursor: CursorWrapper,
    *,
    now: datetime,
    limit: int,
    invariants: Collection[int] = tuple(INVARIANTS),
    note_result: Callable[[Result], None] = lambda _result: None,
) -> list[Result]:
    """Check the invariants one after the other, in the transaction of `snapshot`, and return what each
    amounts to; up to `limit` rows of each check are named."""
    results = []
    for invariant in sorted(invariants):
        result = _check(cursor, invariant, now=now, limit=limit)
        note_result(result)
        results.append(result)
    return results


def _check(cursor: CursorWrapper, invariant: int, *, now: datetime, limit: int) -> Result:
    began = time.monotonic()
    broken = 0
    named: dict[str, Finding] = {}
    for check in CHECKS:
        if check.invariant != invariant:
            continue
        outcome = run_check(cursor, check, now=now, limit=limit)
        broken += outcome.total
        for finding in outcome.named:
            earlier = named.get(finding.subject)
            # One row that two checks name is one broken row.
            broken -= earlier is not None
            named[finding.subject] = _merge(earlier, finding) if earlier else finding
    return Result(
        invariant=invariant,
        broken=broken,
        named=list(named.values()),
        seconds=time.monotonic() - began,
    )


def _merge(first: Finding, second: Finding) -> Finding:
    return Finding(
        invariant=first.invariant,
        subject=first.subject,
        detail=f"{first.detail}; {second.detail}",
        concert_id=first.concert_id or second.concert_id,
    )
