"""`/concerts/{id}/dates` and `…/seats`: what can be booked."""

from functools import partial
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from apps.concerts.errors import ConcertNotFound, DateNotBookable
from apps.concerts.selectors import get_concert, list_bookable_performances
from apps.core.clock import read_clock
from apps.core.conditional import answer_kept
from apps.core.errors import InvalidRequest
from apps.core.limits import ID_MAX
from apps.core.schema import IF_NONE_MATCH, problems
from apps.queue.errors import WrongWaitingRoom
from apps.queue.permissions import IsAdmitted, entry_of
from apps.queue.schema import INSIDE, QUEUE_TOKEN
from apps.queue.transitions import require_room_of
from apps.reservations import availability, seat_lists
from apps.reservations.serializers import SEAT_EXAMPLE
from apps.reservations.views.dates import CONCERT_ID, DATE, parse_date

# Seats change every moment: a client may keep an answer, but asks each time whether it still holds.
CACHE_CONTROL = "private, no-cache"
# What `version` looks like, for the API schema; clients send it back as it came.
SINCE_PATTERN = r"^[0-9]{1,18}:[0-9]{1,18}:(([0-9]{1,18},)*[0-9]{1,18})?~[0-9]{1,16}$"


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
                "performance",
                {"type": "integer", "format": "int64", "minimum": 1, "maximum": ID_MAX},
                description="One of two shows on the date.",
            ),
            OpenApiParameter(
                "include", str, enum=["all"], description="Every seat, with its `status`."
            ),
            OpenApiParameter(
                "since",
                {"type": "string", "pattern": SINCE_PATTERN},
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
        include_all = self.includes_all(request)
        text = request.query_params.get("since")
        since = None if text is None else availability.parse_version(text)
        kept, seen = seat_lists.find_date(
            concert_id,
            parse_date(date),
            since=since,
            admit=partial(require_room_of, entry_of(request)),
            now=now,
        )
        performance_id = self.narrow(request, kept.performance_ids)
        if since is not None:
            body = kept.list_changes(seen, performance_id=performance_id, since=since, now=now)
        else:
            body = kept.list_seats(
                seen, performance_id=performance_id, include_all=include_all, now=now
            )
        return answer_kept(request, body, cache_control=CACHE_CONTROL)

    def narrow(self, request: Request, performance_ids: list[int]) -> int | None:
        """Return the one show of the date that `?performance=` asks for; None for all of them."""
        asked = request.query_params.get("performance")
        if asked is None:
            return None
        if not (asked.isascii() and asked.isdigit()):
            raise InvalidRequest.of(
                "performance", "invalid", _("A performance is named by its id.")
            )
        # Compared as texts: a number of any length may come.
        for performance_id in performance_ids:
            if str(performance_id) == asked:
                return performance_id
        raise DateNotBookable

    def includes_all(self, request: Request) -> bool:
        """Say whether `?include=all` asks for every seat."""
        include = request.query_params.get("include")
        if include not in (None, "all"):
            raise InvalidRequest.of("include", "invalid", _("The only value is “all”."))
        return include == "all"
