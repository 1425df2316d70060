"""Dates and seats of a concert, holds and reservations."""

import re
from datetime import date as Date
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSet

from apps.accounts.permissions import KnownCustomer, customer_id_of
from apps.concerts.errors import ConcertNotFound, DateNotBookable, SeatNotFound
from apps.concerts.models import Performance
from apps.concerts.selectors import (
    get_bookable_performances,
    get_concert,
    list_bookable_performances,
)
from apps.core.clock import read_clock
from apps.core.conditional import answer_unless_known
from apps.core.errors import IdempotencyKeyInUse, IdempotencyKeyReused, InvalidRequest
from apps.core.fields import IdField
from apps.core.idempotency import answer_once
from apps.core.limits import ID_MAX
from apps.core.pagination import CursorPages
from apps.core.schema import IDEMPOTENCY_KEY, IF_NONE_MATCH, path_id, problems
from apps.queue.errors import WrongWaitingRoom
from apps.queue.permissions import HasQueueToken, IsAdmitted, entry_of
from apps.queue.transitions import require_room_of
from apps.queue.views import INSIDE, QUEUE_TOKEN, SIGNED_IN
from apps.reservations import availability, limits, selectors, services
from apps.reservations.alternatives import find_alternatives
from apps.reservations.errors import (
    HoldExpired,
    HoldNotFound,
    ReservationNotFound,
    SeatAlreadyReserved,
    SeatLimitExceeded,
    SeatUnavailable,
)
from apps.reservations.models import Reservation
from apps.reservations.serializers import (
    HOLD_EXAMPLE,
    RESERVATION_EXAMPLE,
    SEAT_EXAMPLE,
    HoldOutput,
    ReservationOutput,
)
from apps.reservations.transitions import require_live_hold

CONCERT_ID = path_id("concert_id", "The concert.")
HOLD_ID = path_id("hold_id", "The hold.")
DATE = OpenApiParameter(
    "date", OpenApiTypes.DATE, OpenApiParameter.PATH, description="In the venue's time zone."
)
RETRIED = (IdempotencyKeyInUse, IdempotencyKeyReused)
# Seats change every moment: a client may keep an answer, but asks each time whether it still holds.
CACHE_CONTROL = "private, no-cache"


class PerformanceOutput(serializers.Serializer[Any]):
    """One show of a date."""

    id = serializers.IntegerField(source="performance.pk")
    starts_at = serializers.DateTimeField(source="performance.starts_at")
    seats_available = serializers.IntegerField(source="count")


class DateOutput(serializers.Serializer[Any]):
    """A date with free seats."""

    date = serializers.DateField()
    seats_available = serializers.IntegerField()
    price_min = serializers.IntegerField(help_text="Of the free seats, in the minor unit.")
    price_max = serializers.IntegerField(help_text="Of the free seats, in the minor unit.")
    performances = PerformanceOutput(many=True)


class DatesOutput(serializers.Serializer[Any]):
    """The dates with free seats, all in one answer."""

    results = DateOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class SeatOutput(serializers.Serializer[Any]):
    """A seat; `status` where all seats or changes were asked for."""

    id = serializers.IntegerField()
    performance_id = serializers.IntegerField()
    section = serializers.CharField()
    row = serializers.CharField()
    number = serializers.CharField()
    grade = serializers.CharField()
    price = serializers.IntegerField()
    x = serializers.FloatField()
    y = serializers.FloatField()
    status = serializers.ChoiceField(
        choices=["available", "held", "reserved", "sold", "blocked"], required=False
    )


class SeatsOutput(serializers.Serializer[Any]):
    """Seats in house order, all in one answer."""

    results = SeatOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    version = serializers.CharField(help_text="Send it as `since` to get only what changes next.")


class HoldInput(serializers.Serializer[None]):
    """Which seats."""

    seat_ids = serializers.ListField(
        child=IdField(), min_length=1, max_length=limits.SEATS_PER_REQUEST_MAX
    )

    def validate_seat_ids(self, seat_ids: list[int]) -> list[int]:
        """Refuse a seat named twice."""
        if len(set(seat_ids)) < len(seat_ids):
            raise serializers.ValidationError(_("A seat is named twice."), code="duplicate")
        return seat_ids


class ReservationInput(serializers.Serializer[None]):
    """Which hold."""

    hold_id = IdField()


DATE_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_date(text: str) -> Date:
    """Return the calendar date of a path. Raise `InvalidRequest`."""
    try:
        # `fromisoformat` takes weeks too: 2026-W50-5.
        if not DATE_PATTERN.fullmatch(text):
            raise ValueError(text)
        return Date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest.of("date", "invalid", _("A date is YYYY-MM-DD.")) from error


class AvailabilityViewSet(ViewSet):
    """What can be booked of a concert, for customers who are inside its room."""

    permission_classes = (IsAdmitted,)

    @extend_schema(
        operation_id="list_dates",
        summary="List the bookable dates",
        parameters=[CONCERT_ID, QUEUE_TOKEN],
        responses={200: DatesOutput, **problems(*INSIDE, WrongWaitingRoom, ConcertNotFound)},
        examples=[
            OpenApiExample(
                "dates",
                {
                    "results": [
                        {
                            "date": "2026-12-24",
                            "seats_available": 180,
                            "price_min": 99000,
                            "price_max": 154000,
                            "performances": [
                                {
                                    "id": 2,
                                    "starts_at": "2026-12-24T10:00:00Z",
                                    "seats_available": 180,
                                }
                            ],
                        }
                    ],
                    "next": None,
                    "previous": None,
                },
                response_only=True,
            )
        ],
    )
    def dates(self, request: Request, concert_id: int) -> Response:
        """Answer the dates with a free seat (3.1.1); none is an empty list (3.1.2)."""
        now = read_clock()
        concert = get_concert(concert_id)
        require_room_of(entry_of(request), concert)
        free = availability.list_free_seats(list_bookable_performances(concert, now=now), now=now)
        dates = [
            {
                "date": date,
                "seats_available": sum(show.count for show in shows),
                "price_min": min(show.price_min for show in shows),
                "price_max": max(show.price_max for show in shows),
                "performances": shows,
            }
            for date, shows in availability.group_by_date(free)
        ]
        answer = {"results": dates, "next": None, "previous": None}
        return Response(DatesOutput(answer).data)

    @extend_schema(
        operation_id="list_seats",
        summary="List the free seats of a date",
        parameters=[
            CONCERT_ID,
            DATE,
            QUEUE_TOKEN,
            IF_NONE_MATCH,
            OpenApiParameter(
                "performance", OpenApiTypes.INT64, description="One of two shows on the date."
            ),
            OpenApiParameter(
                "include", str, enum=["all"], description="Every seat, with its `status`."
            ),
            OpenApiParameter(
                "since",
                str,
                description="The `version` of an earlier answer: only the seats that have changed, "
                "with their `status`.",
            ),
        ],
        responses={
            200: SeatsOutput,
            304: OpenApiResponse(description="Nothing has changed."),
            **problems(InvalidRequest, *INSIDE, WrongWaitingRoom, ConcertNotFound, DateNotBookable),
        },
        examples=[
            OpenApiExample(
                "seats",
                {
                    "results": [{**SEAT_EXAMPLE, "performance_id": 2}],
                    "next": None,
                    "previous": None,
                    "version": "812:812:~1762000000000000",
                },
                response_only=True,
            )
        ],
    )
    def seats(self, request: Request, concert_id: int, date: str) -> HttpResponse:
        """Answer the free seats (3.2.1); none is an empty list (3.2.2)."""
        now = read_clock()
        concert = get_concert(concert_id)
        require_room_of(entry_of(request), concert)
        performances = self.narrow(
            request, get_bookable_performances(concert, date=parse_date(date), now=now)
        )
        version = availability.read_version(now=now)
        include_all = self.includes_all(request)
        since = request.query_params.get("since")
        if since is not None:
            seats = availability.list_changed_seats(
                performances, since=availability.parse_version(since), now=now
            )
        else:
            seats = availability.list_seats(performances, now=now, include_all=include_all)
        answer = {"results": seats, "next": None, "previous": None, "version": str(version)}
        # The version moves with every commit anywhere; the tag stands for the seats.
        return answer_unless_known(request, answer, cache_control=CACHE_CONTROL, tagged=seats)

    def narrow(self, request: Request, performances: list[Performance]) -> list[Performance]:
        """Return the one show that `?performance=` asks for, or all of the date's."""
        asked = request.query_params.get("performance")
        if asked is None:
            return performances
        if not (asked.isascii() and asked.isdigit()):
            raise InvalidRequest.of(
                "performance", "invalid", _("A performance is named by its id.")
            )
        narrowed = [performance for performance in performances if str(performance.pk) == asked]
        if not narrowed:
            raise DateNotBookable
        return narrowed

    def includes_all(self, request: Request) -> bool:
        """Say whether `?include=all` asks for every seat."""
        include = request.query_params.get("include")
        if include not in (None, "all"):
            raise InvalidRequest.of("include", "invalid", _("The only value is “all”."))
        return include == "all"


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
                SeatUnavailable,
                SeatLimitExceeded,
                *RETRIED,
            ),
        },
        examples=[
            OpenApiExample("two seats", {"seat_ids": [17, 18]}, request_only=True),
            OpenApiExample("hold", HOLD_EXAMPLE, response_only=True),
        ],
    )
    def create(self, request: Request, concert_id: int, date: str) -> Response:
        """Hold all of the seats or none, of one performance (4.1.1)."""
        day = parse_date(date)
        data = HoldInput(data=request.data)
        data.is_valid(raise_exception=True)
        now = read_clock()
        seat_ids = data.validated_data["seat_ids"]

        def act() -> Any:
            hold = services.hold_seats(
                entry_id=entry_of(request).pk,
                concert_id=concert_id,
                date=day,
                seat_ids=seat_ids,
                now=now,
            )
            return HoldOutput(hold).data

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
                *RETRIED,
                HoldExpired,
            ),
        },
        examples=[
            OpenApiExample("hold", {"hold_id": 5}, request_only=True),
            OpenApiExample("reservation", RESERVATION_EXAMPLE, response_only=True),
        ],
    )
    def create(self, request: Request) -> Response:
        """Reserve; the deadline stays that of the hold (5.1.1)."""
        data = ReservationInput(data=request.data)
        data.is_valid(raise_exception=True)
        now = read_clock()

        def act() -> Any:
            reservation = services.reserve_hold(
                entry_id=entry_of(request).pk, hold_id=data.validated_data["hold_id"], now=now
            )
            return ReservationOutput(reservation).data

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
