"""How holds and reservations look in answers."""

import math
from typing import Any

from rest_framework import serializers

from apps.core.clock import read_clock
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.selectors import PUBLIC_STATUSES, public_status

SEAT_EXAMPLE = {
    "id": 17,
    "section": "A",
    "row": "1",
    "number": "17",
    "grade": "VIP",
    "price": 154000,
    "x": 17.0,
    "y": 1.0,
}
HOLD_EXAMPLE = {
    "id": 5,
    "performance_id": 2,
    "date": "2026-12-24",
    "seats": [SEAT_EXAMPLE],
    "total": 154000,
    "currency": "KRW",
    "held_at": "2026-11-01T10:00:00Z",
    "expires_at": "2026-11-01T10:05:00Z",
    "expires_in_seconds": 300,
}
RESERVATION_EXAMPLE = {
    "id": 5,
    "status": "pending_payment",
    "concert": {"id": 1, "title": "The Golden Hour", "artist": "IU", "venue": "Olympic Stadium"},
    "performance_id": 2,
    "date": "2026-12-24",
    "starts_at": "2026-12-24T10:00:00Z",
    "seats": [SEAT_EXAMPLE],
    "total": 154000,
    "currency": "KRW",
    "created_at": "2026-11-01T10:01:00Z",
    "expires_at": "2026-11-01T10:05:00Z",
    "confirmed_at": None,
    "payment_id": None,
    "end_cause": None,
}


def describe_seat(line: ReservationSeat) -> dict[str, Any]:
    """Return the fields of `ReservedSeatOutput`."""
    seat = line.seat
    return {
        "id": seat.pk,
        "section": seat.section,
        "row": seat.row,
        "number": seat.number,
        "grade": seat.grade,
        "price": line.price,
        "x": seat.x,
        "y": seat.y,
    }


def describe_seats(reservation: Reservation) -> list[dict[str, Any]]:
    """Return the seats of a hold or a reservation in house order."""
    lines = reservation.known_lines
    if lines is None:
        lines = list(reservation.lines.all())
    return [describe_seat(line) for line in lines]


def describe_hold(hold: Reservation) -> dict[str, Any]:
    """Return the fields of `HoldOutput`. They are fixed: the serializer's machinery would take longer
    than holding the seats."""
    left_s = (hold.expires_at - read_clock()).total_seconds()
    return {
        "id": hold.pk,
        "performance_id": hold.performance_id,
        "date": hold.performance.date,
        "seats": describe_seats(hold),
        "total": hold.total,
        "currency": hold.currency,
        "held_at": hold.held_at,
        "expires_at": hold.expires_at,
        "expires_in_seconds": max(math.ceil(left_s), 0),
    }


def describe_reservation(reservation: Reservation) -> dict[str, Any]:
    """Return the fields of `ReservationOutput`, as `describe_hold` does."""
    now = read_clock()
    performance = reservation.performance
    concert = performance.concert
    overdue = reservation.is_overdue(now)
    return {
        "id": reservation.pk,
        "status": public_status(reservation, now=now),
        "concert": {
            "id": concert.pk,
            "title": concert.title,
            "artist": concert.artist,
            "venue": concert.venue.name,
        },
        "performance_id": performance.pk,
        "date": performance.date,
        "starts_at": performance.starts_at,
        "seats": describe_seats(reservation),
        "total": reservation.total,
        "currency": reservation.currency,
        "created_at": reservation.reserved_at,
        "expires_at": reservation.expires_at,
        "confirmed_at": reservation.confirmed_at,
        "payment_id": reservation.payment_id,
        "end_cause": Reservation.EndCause.DEADLINE.value if overdue else reservation.end_cause,
    }


class ReservedSeatOutput(serializers.ModelSerializer[ReservationSeat]):
    """A seat at the price that it was held for."""

    id = serializers.IntegerField(source="seat_id")
    section = serializers.CharField(source="seat.section")
    row = serializers.CharField(source="seat.row")
    number = serializers.CharField(source="seat.number")
    grade = serializers.CharField(source="seat.grade")
    x = serializers.FloatField(source="seat.x")
    y = serializers.FloatField(source="seat.y")

    class Meta:
        model = ReservationSeat
        fields = ("id", "section", "row", "number", "grade", "price", "x", "y")


class HoldOutput(serializers.ModelSerializer[Reservation]):
    """A hold and the time that is left of it."""

    date = serializers.DateField(source="performance.date")
    seats = ReservedSeatOutput(source="lines", many=True)
    expires_in_seconds = serializers.IntegerField(
        help_text="The whole seconds left at the answer, by the server's clock."
    )

    class Meta:
        model = Reservation
        fields = (
            "id",
            "performance_id",
            "date",
            "seats",
            "total",
            "currency",
            "held_at",
            "expires_at",
            "expires_in_seconds",
        )

    def to_representation(self, instance: Reservation) -> dict[str, Any]:
        """Return the fields of a hold."""
        return describe_hold(instance)


class ConcertSummaryOutput(serializers.Serializer[Any]):
    """What a ticket says of its concert."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()
    venue = serializers.CharField(source="venue.name")


class ReservationOutput(serializers.ModelSerializer[Reservation]):
    """A reservation, its state by the clock."""

    status = serializers.ChoiceField(choices=PUBLIC_STATUSES)
    concert = ConcertSummaryOutput(source="performance.concert")
    date = serializers.DateField(source="performance.date")
    starts_at = serializers.DateTimeField(source="performance.starts_at")
    seats = ReservedSeatOutput(source="lines", many=True)
    created_at = serializers.DateTimeField(source="reserved_at")
    end_cause = serializers.ChoiceField(
        choices=Reservation.EndCause.choices,
        allow_null=True,
        help_text="Why it is expired or cancelled; null while it is neither.",
    )

    class Meta:
        model = Reservation
        fields = (
            "id",
            "status",
            "concert",
            "performance_id",
            "date",
            "starts_at",
            "seats",
            "total",
            "currency",
            "created_at",
            "expires_at",
            "confirmed_at",
            "payment_id",
            "end_cause",
        )

    def to_representation(self, instance: Reservation) -> dict[str, Any]:
        """Return the fields of a reservation."""
        return describe_reservation(instance)
