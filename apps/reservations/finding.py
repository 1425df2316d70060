"""Finding reservations as staff name them: by number, by seat, by what the ledger calls them."""

import re
from typing import Any

from django.db.models import QuerySet

from apps.concerts.models import Performance, Seat
from apps.core.searching import read_reference
from apps.reservations.models import Reservation, ReservationSeat

# “A 1-12” is written on a ticket and in a complaint alike: section, row, number.
_SEAT = re.compile(r"(?P<section>[^@]+) (?P<row>[^@ ]+)-(?P<number>[^@ -]+)")
# A seat is looked for in so many performances, the newest, unless one is chosen.
PERFORMANCES_SEARCHED_MAX = 1_000


def read_seat(text: str) -> dict[str, Any] | None:
    """Return what to filter seats by where a seat is typed, “A 1-12”; None where it is something else."""
    match = _SEAT.fullmatch(text)
    if match is None:
        return None
    section = match["section"]
    return {
        "section__in": sorted({section, section.upper()}),
        "row": match["row"],
        "number": match["number"],
    }


def find_by_seat(seat: dict[str, Any], *, performance_id: int | None) -> list[int]:
    """Return the ids of the reservations that ever had such a seat, of one performance or of any."""
    performances = (
        [performance_id]
        if performance_id is not None
        else list(
            Performance.objects.order_by("-pk").values_list("pk", flat=True)[
                :PERFORMANCES_SEARCHED_MAX
            ]
        )
    )
    # Written out, so that the index of seats is asked once for each performance.
    seats = Seat.objects.filter(performance__in=performances, **seat).values_list("pk", flat=True)
    lines = ReservationSeat.objects.filter(seat__in=list(seats))
    return list(lines.values_list("reservation", flat=True))


def find_by_reference(rows: QuerySet[Reservation], text: str) -> QuerySet[Reservation] | None:
    """Return the reservation of “reservation:42” or “payment:42”; None where something else is typed."""
    match read_reference(text):
        case ("reservation", number):
            return rows.filter(pk=number)
        case ("payment", number):
            return rows.filter(payment_id=number)
    return None
