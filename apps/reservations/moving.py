"""Staff move a reservation to other seats of the same price."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _

from apps.concerts.blocking import describe_seats
from apps.concerts.errors import SeatNotFound
from apps.concerts.models import Seat
from apps.concerts.transitions import mark_changed
from apps.core.audit import Actor, clean_reason, record_action
from apps.core.db import lock_rows, transaction
from apps.reservations import selectors
from apps.reservations.deadlines import overdue
from apps.reservations.errors import (
    ReservationNotFound,
    ReservationNotMovable,
    SeatNotOfReservation,
    SeatPricesDiffer,
    SeatUnavailable,
)
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.services import CLAIM_ONCE
from apps.reservations.transitions import expire_reservations


def move_reservation(
    *,
    reservation_id: int,
    from_seat_ids: Collection[int],
    to_seat_ids: Collection[int],
    actor: Actor,
    reason: str,
    now: datetime,
) -> Reservation:
    """Give a live hold, an unpaid or a paid reservation other seats of its performance, seat for seat at
    the same price, and record who did it and why. Its deadline, total and payment stay.

    Seats in both are kept. A line keeps its id and takes another seat: the total stays the sum of the
    lines, and the record keeps where the reservation was. Locks seats, old and new, then reservations.
    Raise `ReservationNotFound`, `SeatNotFound`, `ReservationNotMovable`, `SeatNotOfReservation`,
    `SeatPricesDiffer`, `SeatUnavailable` or `InvalidRequest`.
    """
    reason = clean_reason(reason)
    leaving, taking = set(from_seat_ids), set(to_seat_ids)
    with transaction():
        seats = {seat.pk: seat for seat in _lock_seats(reservation_id, leaving | taking)}
        reservation = _lock_reservations(reservation_id, taking, now=now)
        _require_movable(reservation, now=now)
        lines = list(reservation.lines.filter(released_at__isnull=True))
        before = [line.seat_id for line in lines]
        if not leaving <= set(before):
            raise SeatNotOfReservation
        pairs = pair_seats(
            [seats[pk] for pk in leaving - taking], [seats[pk] for pk in taking - leaving]
        )
        _require_free([new for _old, new in pairs], now=now)
        _write(lines, {old.pk: new for old, new in pairs})
        mark_changed([seat.pk for pair in pairs for seat in pair])
        after = Seat.objects.filter(pk__in=[line.seat_id for line in lines])
        record_action(
            actor=actor,
            action="move_reservation",
            subject=reservation,
            reason=reason,
            before=describe_seats(Seat.objects.filter(pk__in=before)),
            after={**describe_seats(after), "moved": [[old.pk, new.pk] for old, new in pairs]},
            now=now,
        )
        return reservation


def pair_seats(leaving: Sequence[Seat], taking: Sequence[Seat]) -> list[tuple[Seat, Seat]]:
    """Return which seat goes to which: those of one price in house order. Raise `SeatPricesDiffer` where
    they are not as many of each price, or none."""
    pairs = list(zip(_in_order(leaving), _in_order(taking), strict=False))
    uneven = len(leaving) != len(taking) or any(old.price != new.price for old, new in pairs)
    if uneven or not pairs:
        raise SeatPricesDiffer
    return pairs


def _in_order(seats: Sequence[Seat]) -> list[Seat]:
    return sorted(seats, key=lambda seat: (seat.price, seat.position))


def _lock_seats(reservation_id: int, seat_ids: Collection[int]) -> list[Seat]:
    reservation = Reservation.objects.filter(pk=reservation_id).first()
    if reservation is None:
        raise ReservationNotFound
    performance_id = reservation.performance_id
    seats = lock_rows(Seat.objects.filter(pk__in=seat_ids, performance=performance_id))
    if len(seats) < len(seat_ids):
        raise SeatNotFound
    return seats


def _lock_reservations(
    reservation_id: int, seat_ids: Collection[int], *, now: datetime
) -> Reservation:
    """Lock the reservation, in one order with the overdue ones that still claim these seats; those end."""
    claims = ReservationSeat.objects.filter(
        overdue(now, "reservation__"), seat__in=seat_ids, released_at__isnull=True
    )
    wanted = {reservation_id, *claims.values_list("reservation", flat=True)}
    locked = lock_rows(Reservation.objects.filter(pk__in=wanted).select_related("performance"))
    expire_reservations(
        [other.pk for other in locked if other.pk != reservation_id and other.is_overdue(now)]
    )
    return next(row for row in locked if row.pk == reservation_id)


def _require_movable(reservation: Reservation, *, now: datetime) -> None:
    ended = reservation.status in (Reservation.Status.EXPIRED, Reservation.Status.CANCELLED)
    called_off = reservation.performance.called_off_at is not None
    if ended or called_off or reservation.is_overdue(now):
        raise ReservationNotMovable


def _require_free(seats: Sequence[Seat], *, now: datetime) -> None:
    claimed = selectors.find_claimed([seat.pk for seat in seats], now=now)
    lost = sorted(seat.pk for seat in seats if seat.blocked or seat.pk in claimed)
    if lost:
        raise SeatUnavailable(_("A new seat is not free any more. Choose again."), seat_ids=lost)


def _write(lines: Sequence[ReservationSeat], new_seats: dict[int, Seat]) -> None:
    moved = [line for line in lines if line.seat_id in new_seats]
    for line in moved:
        new = new_seats[line.seat_id]
        if line.price != new.price:
            raise SeatPricesDiffer
        line.seat = new
    try:
        ReservationSeat.objects.bulk_update(moved, ["seat"])
    except IntegrityError as error:
        if CLAIM_ONCE not in str(error):
            raise
        raise SeatUnavailable(seat_ids=sorted(line.seat_id for line in moved)) from error
