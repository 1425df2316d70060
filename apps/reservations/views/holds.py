"""`/holds`, and holding the seats of a date."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.permissions import customer_id_of
from apps.concerts.errors import ConcertNotFound, DateNotBookable, SaleStopped, SeatNotFound
from apps.core.clock import read_clock
from apps.core.errors import InvalidRequest
from apps.core.fields import IdField, read_field
from apps.core.idempotency import answer_once
from apps.core.limits import ID_MAX
from apps.core.pagination import CursorPages
from apps.core.schema import IDEMPOTENCY_KEY, RETRIED, path_id, problems
from apps.queue.errors import WrongWaitingRoom
from apps.queue.permissions import HasQueueToken, IsAdmitted, entry_of
from apps.queue.schema import INSIDE, QUEUE_TOKEN
from apps.queue.transitions import require_room_of
from apps.reservations import limits, selectors, services
from apps.reservations.alternatives import find_alternatives
from apps.reservations.errors import (
    HoldExpired,
    HoldNotFound,
    SeatAlreadyReserved,
    SeatLimitExceeded,
    SeatUnavailable,
    TooManyLapsedHolds,
)
from apps.reservations.models import Reservation
from apps.reservations.serializers import (
    HOLD_EXAMPLE,
    HoldOutput,
    describe_hold,
)
from apps.reservations.transitions import require_live_hold
from apps.reservations.views.dates import CONCERT_ID, DATE, parse_date

HOLD_ID = path_id("hold_id", "The hold.")


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "integer", "format": "int64", "minimum": 1, "maximum": ID_MAX},
        "minItems": 1,
        "maxItems": limits.SEATS_PER_REQUEST_MAX,
        "uniqueItems": True,
    }
)
class SeatIdsField(serializers.ListField):
    """Ids of seats, each named once."""

    child = IdField()

    def __init__(self) -> None:
        super().__init__(min_length=1, max_length=limits.SEATS_PER_REQUEST_MAX)

    def to_internal_value(self, data: Any) -> list[int]:
        """Return the ids. Raise `ValidationError` where a seat is named twice."""
        seat_ids: list[int] = super().to_internal_value(data)
        if len(set(seat_ids)) < len(seat_ids):
            raise serializers.ValidationError(_("A seat is named twice."), code="duplicate")
        return seat_ids


class HoldInput(serializers.Serializer[None]):
    """Which seats."""

    seat_ids = SeatIdsField()


class HoldViewSet(GenericViewSet[Reservation]):
    """The customer's holds."""

    serializer_class = HoldOutput
    pagination_class = CursorPages

    def get_permissions(self) -> list[BasePermission]:
        """Let the service judge the token where it locks the entry."""
        reading = self.action in ("list", "retrieve")
        return [IsAdmitted()] if reading else [HasQueueToken()]

    def get_queryset(self) -> Any:
        """Return the customer's live holds."""
        return selectors.list_live_holds(customer_id_of(self.request), now=read_clock())

    @extend_schema(
        operation_id="hold_seats",
        summary="Hold seats for five minutes",
        parameters=[CONCERT_ID, DATE, QUEUE_TOKEN, IDEMPOTENCY_KEY],
        request=HoldInput,
        responses={
            201: HoldOutput,
            **problems(
                InvalidRequest,
                *INSIDE,
                WrongWaitingRoom,
                ConcertNotFound,
                SeatNotFound,
                DateNotBookable,
                SaleStopped,
                SeatUnavailable,
                SeatLimitExceeded,
                TooManyLapsedHolds,
                *RETRIED,
            ),
        },
        examples=[
            OpenApiExample("two seats", {"seat_ids": [17, 18]}, request_only=True),
            OpenApiExample("hold", HOLD_EXAMPLE, response_only=True),
        ],
    )
    def create(self, request: Request, concert_id: int, date: str) -> HttpResponse:
        """Hold all of the seats or none, of one performance (4.1.1)."""
        day = parse_date(date)
        seat_ids = read_field(request, "seat_ids", HoldInput)
        now = read_clock()

        def act() -> Any:
            hold = services.hold_seats(
                entry_id=entry_of(request).pk,
                concert_id=concert_id,
                date=day,
                seat_ids=seat_ids,
                now=now,
            )
            return describe_hold(hold)

        try:
            return answer_once(request, now=now, status=201, act=act)
        except SeatUnavailable as error:
            # Looked for after the rollback: no lock is kept while it takes its time.
            error.fields["alternatives"] = find_alternatives(seat_ids, now=now)
            raise

    @extend_schema(
        operation_id="list_holds",
        summary="List your holds",
        parameters=[QUEUE_TOKEN],
        responses={200: HoldOutput(many=True), **problems(InvalidRequest, *INSIDE)},
    )
    def list(self, request: Request) -> Response:
        """Answer a page of the live holds, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="get_hold",
        summary="See a hold",
        parameters=[HOLD_ID, QUEUE_TOKEN],
        responses={
            200: HoldOutput,
            **problems(*INSIDE, WrongWaitingRoom, HoldNotFound, SeatAlreadyReserved, HoldExpired),
        },
        examples=[OpenApiExample("hold", HOLD_EXAMPLE, response_only=True)],
    )
    def retrieve(self, request: Request, hold_id: int) -> Response:
        """Answer a live hold."""
        hold = require_live_hold(
            selectors.find_own(customer_id_of(request), min(hold_id, ID_MAX)), now=read_clock()
        )
        require_room_of(entry_of(request), hold.performance.concert)
        return Response(self.get_serializer(hold).data)

    @extend_schema(
        operation_id="release_hold",
        summary="Give a hold back",
        parameters=[HOLD_ID, QUEUE_TOKEN],
        responses={
            204: None,
            **problems(*INSIDE, WrongWaitingRoom, HoldNotFound, SeatAlreadyReserved, HoldExpired),
        },
    )
    def destroy(self, request: Request, hold_id: int) -> Response:
        """Free the seats at once."""
        services.release_hold(
            entry_id=entry_of(request).pk, hold_id=min(hold_id, ID_MAX), now=read_clock()
        )
        return Response(status=204)
