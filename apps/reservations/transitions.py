"""Steps on reservations that the caller has locked."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import BigIntegerField, DateTimeField, F, OuterRef, QuerySet, Subquery

from apps.concerts.models import Performance, Seat
from apps.concerts.transitions import block_seats
from apps.core.audit import Actor, clean_reason, record_action
from apps.core.db import ask_locked, lock_row, lock_rows
from apps.core.errors import Busy
from apps.core.prepared import (
    Prepared,
    PreparedUpdate,
    Question,
    insert_rows,
    new_instance,
    update_row,
)
from apps.queue.transitions import customer_of
from apps.reservations.errors import (
    HoldExpired,
    HoldNotFound,
    ReservationNotFound,
    SeatAlreadyReserved,
)
from apps.reservations.models import Reservation, ReservationSeat

Status = Reservation.Status
EndCause = Reservation.EndCause

OWN = Prepared(
    lambda reservation_id, customer_id: Reservation.objects.filter(
        pk=reservation_id, customer_id=customer_id
    ).select_related("performance__concert__venue"),
    reservation_id=BigIntegerField(),
    customer_id=BigIntegerField(),
)


OWN_OF_ENTRY = Prepared(
    lambda reservation_id, entry_id: Reservation.objects.filter(
        pk=reservation_id, customer_id=customer_of(entry_id)
    ).select_related("performance__concert__venue"),
    reservation_id=BigIntegerField(),
    entry_id=BigIntegerField(),
)


def _overdue_claims(
    seat_ids: Any, customer_id: Any, performance_id: Any, now: Any
) -> QuerySet[Reservation]:
    claims = ReservationSeat.objects.filter(seat__pk__any=seat_ids, released_at__isnull=True)
    own = Reservation.objects.overdue(now).filter(
        customer_id=customer_id, performance_id=performance_id
    )
    return Reservation.objects.overdue(now).filter(
        pk__in=claims.values("reservation").union(own.values("pk"), all=True)
    )


OVERDUE_CLAIMS = Prepared(
    _overdue_claims,
    seat_ids=BigIntegerField(),
    customer_id=BigIntegerField(),
    performance_id=BigIntegerField(),
    now=DateTimeField(),
)


RELEASE_LINES = PreparedUpdate(
    lambda reservation_ids: (
        ReservationSeat.objects.filter(
            reservation__pk__any=reservation_ids, released_at__isnull=True
        ),
        {
            "released_at": Subquery(
                Reservation.objects.filter(pk=OuterRef("reservation")).values("expires_at")
            )
        },
    ),
    reservation_ids=BigIntegerField(),
)
EXPIRE = PreparedUpdate(
    lambda reservation_ids: (
        Reservation.objects.filter(pk__any=reservation_ids),
        {
            "status": Status.EXPIRED.value,
            "ended_at": F("expires_at"),
            "end_cause": EndCause.DEADLINE.value,
        },
    ),
    reservation_ids=BigIntegerField(),
)


def lock_reservation(reservation_id: int, *, customer_id: int) -> Reservation | None:
    """Lock one of the customer's own reservations; None for anybody else's. The caller holds a
    transaction and no lock of a lower rank than the reservation's."""
    return lock_row(OWN, reservation_id=reservation_id, customer_id=customer_id)


def ask_reservation(reservation_id: int, *, entry_id: int) -> Question[Reservation]:
    """Return the question that locks a reservation as `lock_reservation` does, of an entry's customer. It
    is asked after the one that locks the entry."""
    return ask_locked(OWN_OF_ENTRY, reservation_id=reservation_id, entry_id=entry_id)


def lock_for_staff(reservation_id: int, *, with_seats: bool = False) -> Reservation | None:
    """Lock anybody's reservation for a member of staff, `with_seats` where these are to be withdrawn.

    Seats come first, as the ranks of locks have it. Raise `Busy` where the reservation was moved to
    other seats before its own lock was had.
    """
    lines = ReservationSeat.objects.filter(reservation=reservation_id)
    locked = lock_rows(Seat.objects.filter(pk__in=lines.values("seat"))) if with_seats else []
    reservation = lock_row(Reservation.objects.filter(pk=reservation_id))
    if with_seats and {seat.pk for seat in locked} != set(lines.values_list("seat", flat=True)):
        raise Busy
    return reservation


def require_live_hold(hold: Reservation | None, *, now: datetime) -> Reservation:
    """Return the hold where it is one. Raise `HoldNotFound`, `HoldExpired` or `SeatAlreadyReserved`."""
    if hold is None or hold.status == Status.CANCELLED:
        raise HoldNotFound
    if hold.status == Status.EXPIRED or hold.is_overdue(now):
        raise HoldExpired(expired_at=hold.expires_at)
    if hold.status != Status.HELD:
        raise SeatAlreadyReserved(reservation_id=hold.pk)
    return hold


def require_payable(reservation: Reservation | None, *, now: datetime) -> Reservation:
    """Return the reservation where it waits for payment, or is paid: that is for the caller to tell.

    Raise `ReservationNotFound` where there is nothing to pay (no reservation, a mere hold, or one that
    was cancelled) and `HoldExpired` after the deadline.
    """
    if reservation is None or reservation.status == Status.CANCELLED:
        raise ReservationNotFound
    if reservation.status == Status.EXPIRED or reservation.is_overdue(now):
        raise HoldExpired(expired_at=reservation.expires_at)
    if reservation.status == Status.HELD:
        raise ReservationNotFound
    return reservation


def create_hold(
    *, customer_id: int, performance: Performance, seats: Sequence[Seat], now: datetime
) -> Reservation:
    """Write a hold on seats of a performance that the caller has locked and found free."""
    hold = new_instance(
        Reservation,
        customer_id=customer_id,
        performance_id=performance.pk,
        status=Status.HELD.value,
        total=sum(seat.price for seat in seats),
        currency=performance.concert.currency,
        held_at=now,
        expires_at=now + timedelta(seconds=settings.HOLD_SECONDS),
        changed_in=0,
    )
    hold.performance = performance
    hold.known_lines = [
        ReservationSeat(seat=seat, price=seat.price)
        for seat in sorted(seats, key=lambda seat: seat.position)
    ]
    insert_rows(hold, hold.known_lines, link="reservation_id")
    return hold


def release_overdue_claims(
    seat_ids: Collection[int], *, customer_id: int, performance_id: int, now: datetime
) -> None:
    """Expire the overdue reservations that still claim any of these seats, with all their seats, and
    those of the customer for the performance: a clock that is behind must not find one still payable
    that was not counted against the customer's limit.

    The caller has locked the seats. What somebody pays or reserves meanwhile is waited for.
    """
    overdue = lock_rows(
        OVERDUE_CLAIMS,
        seat_ids=list(seat_ids),
        customer_id=customer_id,
        performance_id=performance_id,
        now=now,
    )
    expire_reservations([reservation.pk for reservation in overdue])


def expire_reservations(reservation_ids: Collection[int]) -> int:
    """Write down that these overdue reservations, which the caller has locked, are over since their
    deadline; free their seats. Return how many."""
    if not reservation_ids:
        return 0
    overdue = list(reservation_ids)
    RELEASE_LINES.run(reservation_ids=overdue)
    return EXPIRE.run(reservation_ids=overdue)


def reserve(hold: Reservation, *, now: datetime) -> None:
    """Turn a live hold into a reservation that waits for payment; the deadline stays."""
    hold.status = Status.RESERVED
    hold.reserved_at = now
    update_row(hold, "status", "reserved_at")


def confirm(reservation: Reservation, *, payment_id: int, now: datetime) -> None:
    """Make the seats over to the customer: the reservation is paid."""
    reservation.status = Status.CONFIRMED
    reservation.payment_id = payment_id
    reservation.confirmed_at = now
    update_row(reservation, "status", "payment_id", "confirmed_at")


def cancel(
    reservation: Reservation, *, now: datetime, cause: Reservation.EndCause = EndCause.CUSTOMER
) -> None:
    """End a claim before its time and free its seats."""
    reservation.lines.filter(released_at__isnull=True).update(released_at=now)
    reservation.status = Status.CANCELLED
    reservation.ended_at = now
    reservation.end_cause = cause
    reservation.save(update_fields=["status", "ended_at", "end_cause"])


def end_for_staff(
    reservation: Reservation,
    *,
    action: str,
    actor: Actor,
    reason: str,
    now: datetime,
    withdraw: bool,
) -> None:
    """Cancel a reservation that `lock_for_staff` has locked, and record who did it and why.

    Its seats are free again, or with `withdraw` off sale for the same reason. Raise `InvalidRequest`
    where the reason is missing.
    """
    reason = clean_reason(reason)
    before = _describe(reservation)
    cancel(reservation, cause=EndCause.STAFF, now=now)
    if withdraw:
        block_seats(before["seats"], reason=reason)
    record_action(
        actor=actor,
        action=action,
        subject=reservation,
        reason=reason,
        before=before,
        after={"status": reservation.status, "seats_withdrawn": withdraw},
        now=now,
    )


def _describe(reservation: Reservation) -> dict[str, Any]:
    return {
        "status": reservation.status,
        "customer": reservation.customer_id,
        "performance": reservation.performance_id,
        "total": reservation.total,
        "seats": sorted(reservation.lines.values_list("seat", flat=True)),
    }
