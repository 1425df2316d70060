"""What may stand in the way of a hold, read in one statement: who claims the seats that are wanted, and
what the customer has held of the concert until now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, DateTimeField, Q, QuerySet

from apps.core.prepared import Prepared, Question
from apps.queue.transitions import customer_of
from apps.reservations.deadlines import UNPAID, is_live, is_overdue
from apps.reservations.models import Reservation, ReservationSeat

EXPIRED = Reservation.Status.EXPIRED


class ClaimedSeat(NamedTuple):
    """A line of a reservation, with what says whether it claims its seat."""

    line_id: int
    seat_id: int
    released_at: datetime | None
    reservation_id: int
    performance_id: int
    customer_id: int
    status: str
    expires_at: datetime


# In the order of the fields above.
_COLUMNS = (
    "pk",
    "seat_id",
    "released_at",
    "reservation_id",
    "reservation__performance_id",
    "reservation__customer_id",
    "reservation__status",
    "reservation__expires_at",
)


def _lines(entry_id: Any, concert_id: Any, seat_ids: Any, since: Any) -> QuerySet[Any, Any]:
    of_seats = ReservationSeat.objects.filter(seat__pk__any=seat_ids, released_at__isnull=True)
    own = ReservationSeat.objects.filter(
        Q(reservation__status__in=(*UNPAID, Reservation.Status.CONFIRMED))
        | Q(reservation__status=EXPIRED, reservation__expires_at__gt=since),
        reservation__customer_id=customer_of(entry_id),
        reservation__performance__concert_id=concert_id,
    )
    return of_seats.values_list(*_COLUMNS).union(own.values_list(*_COLUMNS), all=True)


LINES = Prepared(
    _lines,
    entry_id=BigIntegerField(),
    concert_id=BigIntegerField(),
    seat_ids=BigIntegerField(),
    since=DateTimeField(),
)


@dataclass(frozen=True, kw_only=True)
class Claims:
    """The claims on some seats of a performance, and those of one customer on the whole concert."""

    rows: Sequence[Sequence[Any]]
    customer_id: int
    performance_id: int
    seat_ids: Sequence[int]
    now: datetime

    @cached_property
    def lines(self) -> list[ClaimedSeat]:
        """What was read."""
        return [ClaimedSeat(*row) for row in self.rows]

    def find_taken(self) -> set[int]:
        """Return those of the seats that somebody claims."""
        return {line.seat_id for line in self.lines if self._claims(line)}.intersection(
            self.seat_ids
        )

    def count_own(self) -> int:
        """Return how many seats of the performance the customer holds, has reserved or owns."""
        own = {
            line.line_id
            for line in self.lines
            if line.customer_id == self.customer_id
            and line.performance_id == self.performance_id
            and self._claims(line)
        }
        return len(own)

    def list_lapses(self, since: datetime) -> list[datetime]:
        """Return when the time of the customer's holds of the concert ran out unpaid after `since`, the
        latest first.

        By the clock: it is the same before a sweep and after it. What was given back has not run out.
        """
        lapsed = {
            line.reservation_id: line.expires_at
            for line in self.lines
            if line.customer_id == self.customer_id
            and line.status in (*UNPAID, EXPIRED)
            and since < line.expires_at <= self.now
        }
        return sorted(lapsed.values(), reverse=True)

    def has_overdue(self) -> bool:
        """Say whether a claim on the seats, or one of the customer on the performance, is over by the
        clock and not written down."""
        return any(
            line.status in UNPAID and is_overdue(line.expires_at, self.now) for line in self.lines
        )

    def _claims(self, line: ClaimedSeat) -> bool:
        return line.released_at is None and is_live(line.status, line.expires_at, self.now)


def ask_claims(
    *, entry_id: int, concert_id: int, seat_ids: Sequence[int], since: datetime
) -> Question[ClaimedSeat]:
    """Return the question for the claims on the seats and those of the entry's customer on the concert;
    of what ran out, those after `since`. Asked after those that lock the entry and the seats, so nobody
    adds to them meanwhile."""
    return LINES.ask(entry_id=entry_id, concert_id=concert_id, seat_ids=list(seat_ids), since=since)
