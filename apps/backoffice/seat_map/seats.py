"""The seats of a performance as the map draws them: compact, and in a handful of queries however many."""

from datetime import datetime
from typing import Any

from apps.concerts.models import Performance, Seat
from apps.core.money import format_money
from apps.reservations.availability import (
    STATUS_BY_RESERVATION,
    Version,
    filter_changed,
    read_version,
)
from apps.reservations.models import Reservation, ReservationSeat

# A state goes over the wire as its place in this list.
STATES = ("available", "held", "reserved", "sold", "blocked")
FREE, BLOCKED = STATES.index("available"), STATES.index("blocked")
COLUMNS = (
    "id",
    "section",
    "row",
    "number",
    "grade",
    "price",
    "x",
    "y",
    "blocked",
    "blocked_reason",
)


def read_seats(
    performance: Performance, *, since: Version | None, now: datetime, names_claims: bool
) -> dict[str, Any]:
    """Return all seats, or those that have changed since `since`, and the version to ask with next.

    `seats` has [id, section, row, number, price, x, y], where section and price are places in `sections`
    and `prices`; `states` has [id, state, blocked, reason, reservation, deadline in seconds] of every seat
    that is not simply free, and of each that has changed. Without `names_claims` no reservation is named.
    """
    version = read_version(now=now)
    seats = Seat.objects.filter(performance=performance)
    if since is not None:
        seats = filter_changed(performance, since=since, now=now)
    claims = _read_claims(performance, now=now)
    sections: dict[str, int] = {}
    prices: dict[tuple[str, int], int] = {}
    rows, states = [], []
    for pk, section, row, number, grade, price, x, y, blocked, reason in seats.order_by(
        "position"
    ).values_list(*COLUMNS):
        section_at = sections.setdefault(section, len(sections))
        price_at = prices.setdefault((grade, price), len(prices))
        rows.append((pk, section_at, row, number, price_at, x, y))
        state, reservation, deadline = claims.get(pk) or (BLOCKED if blocked else FREE, 0, 0)
        if since is not None or state != FREE:
            named = reservation if names_claims else 0
            states.append((pk, state, int(blocked), reason, named, deadline))
    currency = performance.concert.currency
    return {
        "version": str(version),
        "sections": list(sections),
        "prices": [(grade, price, format_money(price, currency)) for grade, price in prices],
        "seats": rows,
        "states": states,
    }


def _read_claims(performance: Performance, *, now: datetime) -> dict[int, tuple[int, int, int]]:
    """Return state, reservation and deadline (0 where it is paid) of every seat that somebody claims."""
    lines = (
        ReservationSeat.objects.live(now)
        .filter(reservation__performance=performance)
        .values_list("seat_id", "reservation_id", "reservation__status", "reservation__expires_at")
    )
    claims = {}
    for seat_id, reservation_id, status, expires_at in lines:
        state = STATES.index(STATUS_BY_RESERVATION[Reservation.Status(status)])
        paid = status == Reservation.Status.CONFIRMED
        claims[seat_id] = (state, reservation_id, 0 if paid else int(expires_at.timestamp()))
    return claims
