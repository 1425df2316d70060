"""How many seats there are, and how many are sold: for the rows of a list at once."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from apps.concerts.models import Seat
from apps.reservations.models import Reservation, ReservationSeat


@dataclass(frozen=True, kw_only=True)
class SeatCount:
    """Seats of a concert or a performance: those paid for, and all."""

    sold: int = 0
    seats: int = 0

    def __str__(self) -> str:
        return f"{self.sold:,} / {self.seats:,}"


def count_by_concert(concert_ids: Collection[int]) -> dict[int, SeatCount]:
    """Return the seats of these concerts, in two queries."""
    return _count("performance__concert", concert_ids)


def count_by_performance(performance_ids: Collection[int]) -> dict[int, SeatCount]:
    """Return the seats of these performances, in two queries."""
    return _count("performance", performance_ids)


def _count(owner: str, owner_ids: Collection[int]) -> dict[int, SeatCount]:
    ids = list(owner_ids)
    seats = _group(Seat.objects.filter(Q((f"{owner}__in", ids))), owner)
    lines = ReservationSeat.objects.filter(
        Q((f"reservation__{owner}__in", ids)), reservation__status=Reservation.Status.CONFIRMED
    )
    sold = _group(lines, f"reservation__{owner}")
    return {pk: SeatCount(sold=sold.get(pk, 0), seats=seats.get(pk, 0)) for pk in ids}


def _group(rows: Any, owner: str) -> dict[int, int]:
    return dict(rows.values_list(owner).annotate(count=Count("pk")).order_by())
