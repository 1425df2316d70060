"""Use cases of holds and reservations."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date as Date
from datetime import datetime, timedelta
from math import ceil

from django.conf import settings
from django.db import IntegrityError
from django.db.models import BigIntegerField, DateField, DateTimeField
from django.utils.translation import gettext_lazy as _

from apps.concerts.errors import SeatNotFound
from apps.concerts.models import Concert, Performance, Seat
from apps.concerts.selectors import get_bookable_performances, get_concert, takes_place
from apps.concerts.transitions import require_not_called_off, require_sale_goes_on
from apps.core.audit import Actor
from apps.core.db import ask_locked, lock_rows, transaction
from apps.core.errors import InvalidRequest
from apps.core.limits import ID_MAX
from apps.core.prepared import Prepared, Question, fetch_together
from apps.queue.transitions import (
    ask_entry,
    lock_admitted_entry,
    require_found_admitted,
    require_room_of,
)
from apps.reservations import limits, selectors
from apps.reservations.claims import Claims, ask_claims
from apps.reservations.deadlines import UNPAID
from apps.reservations.errors import (
    ReservationNotFound,
    ReservationNotReleasable,
    SeatLimitExceeded,
    SeatUnavailable,
    TooManyLapsedHolds,
)
from apps.reservations.models import Reservation
from apps.reservations.transitions import (
    ask_reservation,
    cancel,
    create_hold,
    end_for_staff,
    expire_reservations,
    lock_for_staff,
    lock_reservation,
    release_overdue_claims,
    require_live_hold,
    reserve,
)

# The last fence against a seat sold twice, in case a lock is ever forgotten.
CLAIM_ONCE = "reservation_seat_claimed_once"

# With their performance and concert: a hold asks for nothing else of these.
SEATS = Prepared(
    lambda seat_ids, concert_id, date, now: Seat.objects.filter(
        takes_place(now, "performance__"),
        pk__any=seat_ids,
        performance__concert_id=concert_id,
        performance__date=date,
        performance__concert__published=True,
    ).select_related("performance__concert"),
    seat_ids=BigIntegerField(),
    concert_id=BigIntegerField(),
    date=DateField(),
    now=DateTimeField(),
)


def hold_seats(
    *, entry_id: int, concert_id: int, date: Date, seat_ids: Sequence[int], now: datetime
) -> Reservation:
    """Hold seats of one performance for `HOLD_SECONDS`, all of them or none (4.1.1).

    Locks the caller's queue entry, then the seats: customers who want different seats do not wait for
    each other, unless both were in one overdue hold that they take over. Raise `QueueTokenExpired`,
    `QueueNotAdmitted`, `ConcertNotFound`, `WrongWaitingRoom`, `SaleStopped`, `DateNotBookable`,
    `SeatNotFound`, `SeatLimitExceeded`, `TooManyLapsedHolds` or `SeatUnavailable`.
    """
    concert_id = min(concert_id, ID_MAX)
    asked_claims = ask_claims(
        entry_id=entry_id,
        concert_id=concert_id,
        seat_ids=seat_ids,
        since=now - timedelta(minutes=settings.HOLD_LAPSE_MINUTES),
    )
    with transaction():
        found, seats, rows = fetch_together(
            ask_entry(entry_id),
            ask_seats(seat_ids, concert_id=concert_id, date=date, now=now),
            asked_claims,
        )
        entry = require_found_admitted(found, now=now)
        concert = seats[0].performance.concert if seats else get_concert(concert_id)
        require_room_of(entry, concert)
        require_sale_goes_on(concert)
        if len(seats) < len(seat_ids) or not concert.is_on_sale(now):
            get_bookable_performances(concert, date=date, now=now)
            raise SeatNotFound
        performance = require_one_performance(seats)
        claims = Claims(
            rows=rows,
            customer_id=entry.customer_id,
            performance_id=performance.pk,
            seat_ids=seat_ids,
            now=now,
        )
        require_few_lapses(claims)
        require_within_limit(concert, claims)
        if claims.has_overdue():
            release_overdue_claims(
                seat_ids,
                customer_id=entry.customer_id,
                performance_id=performance.pk,
                now=now,
            )
            (rows,) = fetch_together(asked_claims)
            claims = replace(claims, rows=rows)
        require_free(seats, claims)
        try:
            return create_hold(
                customer_id=entry.customer_id, performance=performance, seats=seats, now=now
            )
        except IntegrityError as error:
            if CLAIM_ONCE not in str(error):
                raise
            raise SeatUnavailable(seat_ids=sorted(seat_ids)) from error


def ask_seats(
    seat_ids: Sequence[int], *, concert_id: int, date: Date, now: datetime
) -> Question[Seat]:
    """Return the question that locks those of the seats that are of a performance of this date that takes
    place and has not begun; each comes with it and its published concert."""
    return ask_locked(SEATS, seat_ids=list(seat_ids), concert_id=concert_id, date=date, now=now)


def require_one_performance(seats: Sequence[Seat]) -> Performance:
    """Return the seats' performance. Raise `InvalidRequest` where they are of more than one."""
    if len({seat.performance_id for seat in seats}) > 1:
        raise InvalidRequest.of(
            "seat_ids", "several_performances", _("All seats must be of one performance.")
        )
    return seats[0].performance


def require_few_lapses(claims: Claims) -> None:
    """Raise `TooManyLapsedHolds` where the customer has let more than `HOLD_LAPSES_MAX` holds of the
    concert run out in the last `HOLD_LAPSE_MINUTES`; 0 of either forgives everything.

    The lock on the queue entry keeps out the request that is giving one back.
    """
    allowed, lately = settings.HOLD_LAPSES_MAX, timedelta(minutes=settings.HOLD_LAPSE_MINUTES)
    if not (allowed and lately):
        return
    lapses = claims.list_lapses(claims.now - lately)
    if len(lapses) > allowed:
        wait = lapses[allowed] + lately - claims.now
        raise TooManyLapsedHolds(retry_after_seconds=ceil(wait.total_seconds()))


def require_within_limit(concert: Concert, claims: Claims) -> None:
    """Raise `SeatLimitExceeded` where these would be too many seats for the customer.

    The lock on the queue entry keeps a second request of the same customer out meanwhile.
    """
    if claims.count_own() + len(claims.seat_ids) > concert.seats_per_customer:
        raise SeatLimitExceeded(limit=concert.seats_per_customer)


def require_free(seats: Sequence[Seat], claims: Claims) -> None:
    """Raise `SeatUnavailable` with the seats that are blocked or claimed. The caller has locked them."""
    taken = claims.find_taken()
    lost = [seat.pk for seat in seats if seat.blocked or seat.pk in taken]
    if lost:
        raise SeatUnavailable(seat_ids=lost)


def release_hold(*, entry_id: int, hold_id: int, now: datetime) -> None:
    """Give the seats of the caller's hold back. Raise `HoldNotFound`, `HoldExpired` or
    `SeatAlreadyReserved`, and what the queue token lacks."""
    with transaction():
        entry = lock_admitted_entry(entry_id, now=now)
        hold = require_live_hold(lock_reservation(hold_id, customer_id=entry.customer_id), now=now)
        require_room_of(entry, hold.performance.concert)
        cancel(hold, now=now)


def reserve_hold(*, entry_id: int, hold_id: int, now: datetime) -> Reservation:
    """Turn the caller's hold into a reservation that waits for payment (5.1.1).

    Raise `HoldNotFound`, `HoldExpired` (5.1.3), `SeatAlreadyReserved` (5.1.4), `SaleStopped` or
    `DateNotBookable` where the performance was called off, and what the queue token lacks.
    """
    with transaction():
        found, held, lines = fetch_together(
            ask_entry(entry_id),
            ask_reservation(hold_id, entry_id=entry_id),
            selectors.ask_lines(hold_id),
        )
        entry = require_found_admitted(found, now=now)
        hold = require_live_hold(next(iter(held), None), now=now)
        hold.known_lines = lines
        require_room_of(entry, hold.performance.concert)
        require_sale_goes_on(hold.performance.concert)
        require_not_called_off(hold.performance)
        reserve(hold, now=now)
        return hold


def release_for_staff(
    *, reservation_id: int, actor: Actor, reason: str, now: datetime, withdraw: bool = False
) -> Reservation:
    """End anybody's hold or unpaid reservation before its time; its seats are free, or with `withdraw`
    off sale. Locks seats, reservation. Raise `ReservationNotFound`, `ReservationNotReleasable` or
    `InvalidRequest`."""
    with transaction():
        claim = lock_for_staff(reservation_id, with_seats=withdraw)
        if claim is None:
            raise ReservationNotFound
        if claim.status not in UNPAID or claim.is_overdue(now):
            raise ReservationNotReleasable
        end_for_staff(
            claim, action="release_hold", actor=actor, reason=reason, now=now, withdraw=withdraw
        )
        return claim


def expire_holds(*, now: datetime) -> int:
    """Write down which holds and unpaid reservations the clock has ended; free their seats (8.2).

    Works in batches of `SWEEP_BATCH` and passes over rows that somebody else has locked, so two runs
    at once do no harm. Return how many were expired.
    """
    expired = 0
    # The batch is looked for by deadline: to order all that are overdue by key, as locks are taken,
    # took ten times as long as ending them.
    first = Reservation.objects.overdue(now).order_by("expires_at").values("pk")
    batch = Reservation.objects.overdue(now).filter(pk__in=first[: limits.SWEEP_BATCH]).only("pk")
    for _batch in range(limits.SWEEP_BATCHES_PER_RUN):
        with transaction():
            overdue = lock_rows(batch, skip_locked=True)
            expire_reservations([reservation.pk for reservation in overdue])
        expired += len(overdue)
        if not overdue:
            break
    return expired
