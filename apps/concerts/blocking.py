"""Staff take seats off sale, and put them back, each time with a reason."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from apps.concerts.errors import PerformanceNotFound, SeatNotFound, SeatsBlocked, SeatsNotBlocked
from apps.concerts.models import Performance, Seat
from apps.concerts.transitions import block_seats, unblock_seats
from apps.core.audit import Actor, clean_reason, record_action
from apps.core.db import lock_rows, transaction


def block_seats_for_staff(
    *, performance_id: int, seat_ids: Collection[int], actor: Actor, reason: str, now: datetime
) -> list[Seat]:
    """Take seats of one performance off sale, and record who did it and why, once for all of them.

    A seat that is held or sold stays with its customer, and is off sale as soon as it is free. Those that
    are blocked already keep their reason. Locks the seats; return those that were not blocked before.
    Raise `PerformanceNotFound`, `SeatNotFound`, `SeatsBlocked` where all are, or `InvalidRequest`.
    """
    reason = clean_reason(reason)
    with transaction():
        performance, seats = _lock(performance_id, seat_ids)
        free = [seat for seat in seats if not seat.blocked]
        if not free:
            raise SeatsBlocked
        block_seats([seat.pk for seat in free], reason=reason)
        record_action(
            actor=actor,
            action="block_seats",
            subject=performance,
            reason=reason,
            before={"blocked": False},
            after={"blocked": True, **describe_seats(free)},
            now=now,
        )
        return free


def unblock_seats_for_staff(
    *, performance_id: int, seat_ids: Collection[int], actor: Actor, reason: str, now: datetime
) -> list[Seat]:
    """Put blocked seats of one performance on sale again, and record who did it and why, once for all.

    Locks the seats; return those that were blocked, with the reasons that they had. Raise
    `PerformanceNotFound`, `SeatNotFound`, `SeatsNotBlocked` where none is, or `InvalidRequest`.
    """
    reason = clean_reason(reason)
    with transaction():
        performance, seats = _lock(performance_id, seat_ids)
        blocked = [seat for seat in seats if seat.blocked]
        if not blocked:
            raise SeatsNotBlocked
        unblock_seats([seat.pk for seat in blocked])
        record_action(
            actor=actor,
            action="unblock_seats",
            subject=performance,
            reason=reason,
            before={
                "blocked": True,
                "reasons": _group(blocked, by=lambda seat: seat.blocked_reason),
            },
            after={"blocked": False, **describe_seats(blocked)},
            now=now,
        )
        return blocked


def describe_seats(seats: Iterable[Seat]) -> dict[str, Any]:
    """Return what a record says of seats: their ids, and their numbers by section and row."""
    names: dict[str, dict[str, list[str]]] = {}
    ordered = sorted(seats, key=lambda seat: seat.position)
    for seat in ordered:
        names.setdefault(seat.section, {}).setdefault(seat.row, []).append(seat.number)
    return {"seats": [seat.pk for seat in ordered], "names": names}


def _lock(performance_id: int, seat_ids: Collection[int]) -> tuple[Performance, list[Seat]]:
    performance = Performance.objects.filter(pk=performance_id).first()
    if performance is None:
        raise PerformanceNotFound
    wanted = set(seat_ids)
    seats = lock_rows(Seat.objects.filter(performance=performance, pk__in=wanted))
    if not seats or len(seats) < len(wanted):
        raise SeatNotFound
    return performance, seats


def _group(seats: Iterable[Seat], *, by: Callable[[Seat], str]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for seat in seats:
        grouped.setdefault(by(seat), []).append(seat.pk)
    return grouped
