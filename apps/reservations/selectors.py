"""Reads of holds and reservations, always of one customer's own."""

from datetime import datetime

from django.db.models import BigIntegerField, DateTimeField, Prefetch, Q, QuerySet

from apps.core.prepared import Prepared, Question
from apps.reservations.deadlines import overdue
from apps.reservations.models import Reservation, ReservationSeat

# The states of a reservation as customers know them, in the order of its life.
PENDING_PAYMENT = "pending_payment"
CONFIRMED = "confirmed"
EXPIRED = "expired"
CANCELLED = "cancelled"
PUBLIC_STATUSES = (PENDING_PAYMENT, CONFIRMED, EXPIRED, CANCELLED)


def with_seats(reservations: QuerySet[Reservation]) -> QuerySet[Reservation]:
    """Return `reservations` with all that an answer shows of them, seats in house order."""
    return reservations.select_related("performance__concert__venue").prefetch_related(
        _lines_in_house_order()
    )


def ask_lines(reservation_id: int) -> Question[ReservationSeat]:
    """Return the question for a reservation's lines with their seats, in house order."""
    return LINES.ask(reservation_id=reservation_id)


def attach_seats(reservation: Reservation) -> Reservation:
    """Return `reservation`, which a service has written, with its seats in house order."""
    reservation.known_lines = LINES.fetch(reservation_id=reservation.pk)
    return reservation


def _in_house_order() -> QuerySet[ReservationSeat]:
    return ReservationSeat.objects.select_related("seat").order_by("seat__position")


def _lines_in_house_order() -> Prefetch:
    return Prefetch("lines", _in_house_order())


LINES = Prepared(
    lambda reservation_id: _in_house_order().filter(reservation_id=reservation_id),
    reservation_id=BigIntegerField(),
)
CLAIMED_OF = Prepared(
    lambda customer_id, performance_id, now: (
        ReservationSeat.objects.live(now)
        .filter(reservation__customer_id=customer_id, reservation__performance_id=performance_id)
        .values_list("pk", flat=True)
    ),
    customer_id=BigIntegerField(),
    performance_id=BigIntegerField(),
    now=DateTimeField(),
)
CLAIMED = Prepared(
    lambda seat_ids, now: (
        ReservationSeat.objects.live(now)
        .filter(seat__pk__any=seat_ids)
        .values_list("seat_id", flat=True)
    ),
    seat_ids=BigIntegerField(),
    now=DateTimeField(),
)


def list_live_holds(customer_id: int, *, now: datetime) -> QuerySet[Reservation]:
    """Return the customer's holds that still claim their seats."""
    return with_seats(
        Reservation.objects.live(now).filter(
            customer_id=customer_id, status=Reservation.Status.HELD
        )
    )


def find_own(customer_id: int, reservation_id: int) -> Reservation | None:
    """Return the customer's hold or reservation of that id, whatever its state."""
    own = Reservation.objects.filter(customer_id=customer_id, pk=reservation_id)
    return with_seats(own).first()


def list_reservations(
    customer_id: int, *, now: datetime, status: str | None = None
) -> QuerySet[Reservation]:
    """Return what the customer has ever reserved; holds that never became reservations are none."""
    own = Reservation.objects.filter(customer_id=customer_id, reserved_at__isnull=False)
    if status is not None:
        own = own.filter(_filter_by_status(status, now))
    return with_seats(own)


def _filter_by_status(status: str, now: datetime) -> Q:
    match status:
        case "pending_payment":
            return Q(status=Reservation.Status.RESERVED, expires_at__gt=now)
        case "expired":
            return Q(status=Reservation.Status.EXPIRED) | overdue(now)
    return Q(status=status)


def public_status(reservation: Reservation, *, now: datetime) -> str:
    """Return the state as customers know it, by the clock."""
    if reservation.is_overdue(now):
        return EXPIRED
    if reservation.status == Reservation.Status.RESERVED:
        return PENDING_PAYMENT
    return reservation.status


def count_claimed_seats(customer_id: int, performance_id: int, *, now: datetime) -> int:
    """Return how many seats of a performance the customer holds, has reserved or owns."""
    return len(CLAIMED_OF.fetch(customer_id=customer_id, performance_id=performance_id, now=now))


def find_claimed(seat_ids: list[int], *, now: datetime) -> set[int]:
    """Return those of the seats that somebody claims."""
    return set(CLAIMED.fetch(seat_ids=seat_ids, now=now))
