"""What to offer to somebody who was not the first: the nearest free groups of the same size."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from django.db.models import Exists, F, FloatField, OuterRef, Value
from django.db.models.functions import Power

from apps.concerts.models import Seat
from apps.reservations import limits
from apps.reservations.models import ReservationSeat


def find_alternatives(seat_ids: Sequence[int], *, now: datetime) -> list[list[int]]:
    """Return up to `ALTERNATIVES_MAX` groups of free seats beside each other, the nearest first.

    Each is of as many seats as were wanted, in one row of the same performance; no seat is in two.
    """
    wanted = list(Seat.objects.filter(pk__in=seat_ids))
    if not wanted:
        return []
    groups = sorted(
        (sum(distances) / len(distances), ids)
        for ids, distances in _list_groups(_list_nearest_free(wanted, now=now), len(wanted))
    )
    chosen: list[list[int]] = []
    offered: set[int] = set()
    for _distance, ids in groups:
        if len(chosen) < limits.ALTERNATIVES_MAX and offered.isdisjoint(ids):
            chosen.append(ids)
            offered.update(ids)
    return chosen


def _list_nearest_free(wanted: Sequence[Seat], *, now: datetime) -> list[Seat]:
    """Return the free seats nearest to the middle of the wanted ones."""
    middle_x = sum(seat.x for seat in wanted) / len(wanted)
    middle_y = sum(seat.y for seat in wanted) / len(wanted)
    claims = ReservationSeat.objects.live(now).filter(seat=OuterRef("pk"))
    count = max(
        len(wanted) * limits.ALTERNATIVE_CANDIDATES_PER_SEAT, limits.ALTERNATIVE_CANDIDATES_MIN
    )
    return list(
        Seat.objects.filter(performance=wanted[0].performance_id, blocked=False)
        .exclude(Exists(claims))
        .annotate(
            distance=Power(F("x") - Value(middle_x, FloatField()), 2)
            + Power(F("y") - Value(middle_y, FloatField()), 2)
        )
        .order_by("distance", "pk")[:count]
    )


def _list_groups(seats: Sequence[Seat], size: int) -> Iterator[tuple[list[int], list[float]]]:
    """Yield every run of `size` neighbours: their ids, and their distances squared."""
    in_order = sorted(seats, key=lambda seat: seat.position)
    for _row, neighbours in groupby(
        enumerate(in_order),
        key=lambda pair: (pair[1].section, pair[1].row, pair[1].position - pair[0]),
    ):
        run = [seat for _index, seat in neighbours]
        for start in range(len(run) - size + 1):
            group = run[start : start + size]
            yield [seat.pk for seat in group], [seat.distance for seat in group]  # type: ignore[attr-defined]
