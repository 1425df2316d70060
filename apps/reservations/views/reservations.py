"""`/reservations`: reserving what one holds. Cancelling stands with the payments."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
)
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.permissions import KnownCustomer, customer_id_of
from apps.accounts.schema import SIGNED_IN
from apps.concerts.errors import DateNotBookable, SaleStopped
from apps.core.clock import read_clock
from apps.core.errors import InvalidRequest
from apps.core.fields import IdField, read_field
from apps.core.idempotency import answer_once
from apps.core.limits import ID_MAX
from apps.core.pagination import CursorPages
from apps.core.schema import IDEMPOTENCY_KEY, RETRIED, path_id, problems
from apps.queue.errors import WrongWaitingRoom
from apps.queue.permissions import HasQueueToken, entry_of
from apps.queue.schema import INSIDE, QUEUE_TOKEN
from apps.reservations import selectors, services
from apps.reservations.errors import (
    HoldExpired,
    HoldNotFound,
    ReservationNotFound,
    SeatAlreadyReserved,
)
from apps.reservations.models import Reservation
from apps.reservations.serializers import (
    RESERVATION_EXAMPLE,
    ReservationOutput,
    describe_reservation,
)


class ReservationInput(serializers.Serializer[None]):
    """Which hold."""

    hold_id = IdField()


class ReservationViewSet(GenericViewSet[Reservation]):
    """The customer's reservations."""

    serializer_class = ReservationOutput
    pagination_class = CursorPages

    def get_permissions(self) -> list[BasePermission]:
        """Ask for a queue token to reserve, not to look."""
        return [HasQueueToken()] if self.action == "create" else [KnownCustomer()]

    def get_queryset(self) -> Any:
        """Return the customer's reservations, of one `?status=` where it is asked for."""
        status = self.request.query_params.get("status")
        if status is not None and status not in selectors.PUBLIC_STATUSES:
            raise InvalidRequest.of("status", "invalid_choice", _("There is no such status."))
        return selectors.list_reservations(
            customer_id_of(self.request), now=read_clock(), status=status
        )

    @extend_schema(
        operation_id="reserve_hold",
        summary="Reserve the seats of a hold",
        parameters=[QUEUE_TOKEN, IDEMPOTENCY_KEY],
        request=ReservationInput,
        responses={
            201: ReservationOutput,
            **problems(
                InvalidRequest,
                *INSIDE,
                WrongWaitingRoom,
                HoldNotFound,
                SeatAlreadyReserved,
                DateNotBookable,
                SaleStopped,
                *RETRIED,
                HoldExpired,
            ),
        },
        examples=[
            OpenApiExample("hold", {"hold_id": 5}, request_only=True),
            OpenApiExample("reservation", RESERVATION_EXAMPLE, response_only=True),
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        """Reserve; the deadline stays that of the hold (5.1.1)."""
        hold_id = read_field(request, "hold_id", ReservationInput)
        now = read_clock()

        def act() -> Any:
            reservation = services.reserve_hold(
                entry_id=entry_of(request).pk, hold_id=hold_id, now=now
            )
            return describe_reservation(reservation)

        return answer_once(request, now=now, status=201, act=act)

    @extend_schema(
        operation_id="list_reservations",
        summary="List your reservations",
        parameters=[OpenApiParameter("status", str, enum=selectors.PUBLIC_STATUSES)],
        responses={200: ReservationOutput(many=True), **problems(InvalidRequest, *SIGNED_IN)},
    )
    def list(self, request: Request) -> Response:
        """Answer a page of the reservations, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="get_reservation",
        summary="See a reservation",
        parameters=[path_id("reservation_id", "The reservation.")],
        responses={200: ReservationOutput, **problems(*SIGNED_IN, ReservationNotFound)},
        examples=[OpenApiExample("reservation", RESERVATION_EXAMPLE, response_only=True)],
    )
    def retrieve(self, request: Request, reservation_id: int) -> Response:
        """Answer one reservation."""
        reservation = self.get_queryset().filter(pk=min(reservation_id, ID_MAX)).first()
        if reservation is None:
            raise ReservationNotFound
        return Response(self.get_serializer(reservation).data)
