"""The seats of a concert that are sold or reserved, as one table: streamed, as of one moment."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from apps.accounts.models import User
from apps.concerts.models import Concert, Performance, Seat
from apps.core.db import snapshot
from apps.payments.models import Payment
from apps.reservations.models import Reservation, ReservationSeat

# Rows that one answer of the database brings; a thousand take a quarter of a megabyte.
FETCHED = 2_000
# However slowly the rows are taken: while a pipe is read by a person, say.
STANDSTILL_MAX = "10min"

COLUMNS = (
    *("performance_id", "starts_at", "section", "row", "number", "grade", "price", "currency"),
    *("status", "seat_id", "reservation_id", "reserved_at", "payment_id", "paid_at", "customer_id"),
)
CUSTOMER_COLUMNS = ("customer_email",)

# By the indexes of one performance, in house order; the ORM has no join to a payment by its id.
_ROWS = f"""
SELECT p.id, p.starts_at, s.section, s.row, s.number, s.grade, l.price, r.currency,
       CASE r.status WHEN 'confirmed' THEN 'sold' ELSE 'reserved' END,
       s.id, r.id, r.reserved_at, r.payment_id, m.paid_at, r.customer_id, c.email
  FROM {Reservation._meta.db_table} r
  JOIN {ReservationSeat._meta.db_table} l ON l.reservation_id = r.id AND l.released_at IS NULL
  JOIN {Seat._meta.db_table} s ON s.id = l.seat_id
  JOIN {Performance._meta.db_table} p ON p.id = r.performance_id
  JOIN {User._meta.db_table} c ON c.id = r.customer_id
  LEFT JOIN {Payment._meta.db_table} m ON m.id = r.payment_id
 WHERE r.performance_id = %(performance)s
   AND (r.status = 'confirmed' OR r.status = 'reserved' AND r.expires_at > %(now)s)
 ORDER BY s.position, s.id
"""  # noqa: S608  table names alone


@dataclass(frozen=True, kw_only=True)
class Sales:
    """How many seats there are by the table of claims, and their rows with all columns."""

    count: int
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def read_sales(concert: Concert, *, now: datetime) -> Iterator[Sales]:
    """Yield the seats of a concert that are sold, or reserved and not overdue; prices as they were sold,
    in the minor unit.

    All in one transaction, so that it passes through a pooler, and in little memory: the rows come
    from a cursor of the server's.
    """
    with snapshot() as cursor:
        cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{STANDSTILL_MAX}'")
        # Closed while the transaction is open, whoever stops half-way: the cursor ends with it.
        with closing(_read_rows(concert, now)) as rows:
            yield Sales(count=_count(concert, now), rows=rows)


def _count(concert: Concert, now: datetime) -> int:
    lines = ReservationSeat.objects.live(now).filter(
        reservation__performance__concert=concert,
        reservation__status__in=(Reservation.Status.RESERVED, Reservation.Status.CONFIRMED),
    )
    return lines.count()


def _read_rows(concert: Concert, now: datetime) -> Generator[tuple[Any, ...], None, None]:
    shows = concert.performances.order_by("starts_at").values_list("pk", flat=True)
    for performance_id in list(shows):
        # Django's own iterator is without it where server-side cursors are switched off, for poolers:
        # inside a transaction nothing speaks against it.
        with connection.chunked_cursor() as cursor:
            cursor.execute(_ROWS, {"performance": performance_id, "now": now})
            while rows := cursor.fetchmany(FETCHED):
                yield from rows
