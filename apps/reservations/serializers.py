"""How holds and reservations look in answers."""

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
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
    expires_in_seconds = serializers.SerializerMethodField()

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

    def get_expires_in_seconds(self, hold: Reservation) -> int:
        """Return the whole seconds left at the answer, by the server's clock."""
        left_s = (hold.expires_at - read_clock()).total_seconds()
        return max(math.ceil(left_s), 0)


class ConcertSummaryOutput(serializers.Serializer[Any]):
    """What a ticket says of its concert."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    artist = serializers.CharField()
    venue = serializers.CharField(source="venue.name")


class ReservationOutput(serializers.ModelSerializer[Reservation]):
    """A reservation, its state by the clock."""

    status = serializers.SerializerMethodField()
    concert = ConcertSummaryOutput(source="performance.concert")
    date = serializers.DateField(source="performance.date")
    starts_at = serializers.DateTimeField(source="performance.starts_at")
    seats = ReservedSeatOutput(source="lines", many=True)
    created_at = serializers.DateTimeField(source="reserved_at")
    end_cause = serializers.SerializerMethodField(
        help_text="Why it is expired or cancelled; null while it is neither."
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

    @extend_schema_field(serializers.ChoiceField(choices=PUBLIC_STATUSES))
    def get_status(self, reservation: Reservation) -> str:
        """Return one of `pending_payment`, `confirmed`, `expired`, `cancelled`."""
        return public_status(reservation, now=read_clock())

    @extend_schema_field(
        serializers.ChoiceField(choices=Reservation.EndCause.choices, allow_null=True)
    )
    def get_end_cause(self, reservation: Reservation) -> str | None:
        """Return one of `deadline`, `customer`, `staff`, `called_off`, or null."""
        if reservation.is_overdue(read_clock()):
            return Reservation.EndCause.DEADLINE
        return reservation.end_cause
