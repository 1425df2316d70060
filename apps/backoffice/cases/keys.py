"""Which events a case has, newest first: one statement over all that happened, a page at a time.

A page is asked for by the last event of the page before, so it costs the same wherever it is. What is
read is the history of one customer, found by indexes, whatever else the tables hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from django.db import connection

from apps.backoffice.cases.case import Case

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID_MAX = 2**63 - 1
# Actions on a performance that concern some of its seats alone.
_SEAT_ACTIONS = ("block_seats", "unblock_seats")


class Kind(IntEnum):
    """What happened. Of one commit, the causes come first."""

    JOINED = 0
    ADMITTED = 1
    HELD = 2
    RESERVED = 3
    STAFF = 4
    PAID = 5
    REFUNDED = 6
    LEDGER = 7
    CONFIRMED = 8
    OVERDUE = 9
    ENDED = 10
    LINE_OVERDUE = 11
    LINE_ENDED = 12


@dataclass(frozen=True, kw_only=True, order=True)
class Key:
    """One event: when, what, and of which row."""

    at: datetime
    kind: Kind
    row: int

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}-{self.kind:d}-{self.row}"

    @classmethod
    def parse(cls, text: str) -> "Key | None":
        """Return the key that an address names; None where it names none."""
        try:
            microseconds, kind, row = map(int, text.split("-"))
            at = _EPOCH + timedelta(microseconds=microseconds)
            return cls(at=at, kind=Kind(kind), row=row) if 0 <= row <= _ID_MAX else None
        except (ValueError, OverflowError):
            return None


# Of a reservation: the places in line that its customer had while it lived.
_ENTRIES = """
    FROM queue_queueentry e
   WHERE e.customer_id = %(customer)s
     AND (%(reservation)s::bigint IS NULL
          OR e.joined_at <= %(till)s::timestamptz AND coalesce(e.ended_at, 'infinity') >= %(since)s::timestamptz)"""
_RESERVATIONS = """
    FROM reservations_reservation r
   WHERE r.customer_id = %(customer)s AND (%(reservation)s::bigint IS NULL OR r.id = %(reservation)s)"""
_PAYMENTS = """
    FROM payments_payment p
   WHERE p.customer_id = %(customer)s
     AND (%(reservation)s::bigint IS NULL OR p.reservation_id = %(reservation)s)"""
_LEDGER = """
    FROM wallet_walletentry w
   WHERE w.wallet_id = %(customer)s
     AND (%(reservation)s::bigint IS NULL OR w.reference = 'payment:' || %(payment)s::bigint)"""
_LINE_OVERDUE = """
SELECT least(p.last_seen_at + room.idle_seconds * interval '1 second', e.session_expires_at), {kind},
       e.id
  FROM (SELECT e.* {entries} AND e.state <> 'ended') e
  JOIN queue_presence p ON p.entry_id = e.id JOIN queue_waitingroom room ON room.id = e.room_id
 WHERE least(p.last_seen_at + room.idle_seconds * interval '1 second', e.session_expires_at)
       <= %(now)s"""
# What staff did to the customer's rows at any time, and to what these stood on while they did.
_STAFF = """
SELECT DISTINCT a.at, {kind}, a.id
  FROM core_staffaction a
  JOIN (SELECT 'user:' || %(customer)s::bigint AS subject, NULL::timestamptz AS since,
               NULL::timestamptz AS till, NULL::bigint AS seat
         WHERE %(reservation)s::bigint IS NULL
        UNION ALL SELECT 'wallet:' || %(customer)s::bigint, NULL, NULL, NULL
         WHERE %(reservation)s::bigint IS NULL
        UNION ALL SELECT 'walletentry:' || w.id, NULL, NULL, NULL {ledger}
        UNION ALL SELECT 'payment:' || p.id, NULL, NULL, NULL {payments}
        UNION ALL SELECT 'queueentry:' || e.id, NULL, NULL, NULL {entries}
        UNION ALL SELECT 'waitingroom:' || e.room_id, e.joined_at, e.ended_at, NULL {entries}
        UNION ALL SELECT 'reservation:' || r.id, NULL, NULL, NULL {reservations}
        UNION ALL SELECT 'performance:' || r.performance_id, r.held_at, r.ended_at, NULL
                         {reservations}
        UNION ALL SELECT 'concert:' || shown.concert_id, r.held_at, r.ended_at, NULL
          FROM (SELECT r.* {reservations}) r
          JOIN concerts_performance shown ON shown.id = r.performance_id
        UNION ALL SELECT kind.name || CASE kind.name WHEN 'seat:' THEN s.seat_id
                                                     ELSE r.performance_id END,
                         r.held_at, r.ended_at, s.seat_id
          FROM (SELECT r.* {reservations}) r
          JOIN reservations_reservationseat s ON s.reservation_id = r.id
         CROSS JOIN (VALUES ('seat:'), ('performance:')) kind (name)
       ) AS mine ON mine.subject = a.subject
   AND a.at >= coalesce(mine.since, '-infinity') AND a.at <= coalesce(mine.till, 'infinity')
   AND CASE WHEN a.action = ANY(%(seat_actions)s)
            THEN a.after -> 'seats' @> to_jsonb(mine.seat) ELSE true END"""
_PAGE = """
SELECT at, kind, id FROM ({parts}) AS events (at, kind, id)
 WHERE (at, kind, id) < (%(before_at)s, %(before_kind)s, %(before_id)s)
 ORDER BY at DESC, kind DESC, id DESC LIMIT %(limit)s"""


def list_keys(case: Case, *, before: Key | None, limit: int) -> list[Key]:
    """Return up to `limit` events of the case that were before `before`, the newest first."""
    parts = " UNION ALL ".join(_list_parts(case.parts))
    if not parts:
        return []
    first = before or Key(at=datetime.max.replace(tzinfo=UTC), kind=Kind.LINE_ENDED, row=_ID_MAX)
    one = case.reservation
    parameters: dict[str, Any] = {
        "customer": case.customer.pk,
        "reservation": one.pk if one else None,
        "payment": one.payment_id if one else None,
        "since": one.held_at if one else None,
        "till": (one.ended_at or case.now) if one else None,
        "now": case.now,
        "seat_actions": list(_SEAT_ACTIONS),
        "before_at": first.at,
        "before_kind": int(first.kind),
        "before_id": first.row,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAGE.format(parts=parts), parameters)
        return [Key(at=at, kind=Kind(kind), row=row) for at, kind, row in cursor.fetchall()]


def _list_parts(parts: frozenset[str]) -> Iterator[str]:
    """Yield the statement of every kind of event that the viewer may see."""
    if "line" in parts:
        yield _select("e.joined_at", Kind.JOINED, "e", _ENTRIES)
        yield _select("e.admitted_at", Kind.ADMITTED, "e", _ENTRIES)
        yield _select("e.ended_at", Kind.LINE_ENDED, "e", _ENTRIES)
        yield _LINE_OVERDUE.format(kind=int(Kind.LINE_OVERDUE), entries=_ENTRIES)
    if "seats" in parts:
        yield _select("r.held_at", Kind.HELD, "r", _RESERVATIONS)
        yield _select("r.reserved_at", Kind.RESERVED, "r", _RESERVATIONS)
        yield _select("r.confirmed_at", Kind.CONFIRMED, "r", _RESERVATIONS)
        yield _select("r.ended_at", Kind.ENDED, "r", _RESERVATIONS)
        yield _select("r.expires_at", Kind.OVERDUE, "r", _RESERVATIONS) + (
            " AND r.status IN ('held', 'reserved') AND r.expires_at <= %(now)s"
        )
    if "payments" in parts:
        yield _select("p.paid_at", Kind.PAID, "p", _PAYMENTS)
        yield _select("p.refunded_at", Kind.REFUNDED, "p", _PAYMENTS)
    if "ledger" in parts:
        yield _select("w.created_at", Kind.LEDGER, "w", _LEDGER)
    if "staff" in parts:
        yield _STAFF.format(
            kind=int(Kind.STAFF),
            entries=_ENTRIES,
            reservations=_RESERVATIONS,
            payments=_PAYMENTS,
            ledger=_LEDGER,
        )


def _select(column: str, kind: Kind, table: str, source: str) -> str:
    """Return the statement of events that a column tells of, where it is filled."""
    return f"SELECT {column}, {kind:d}, {table}.id {source} AND {column} IS NOT NULL"
