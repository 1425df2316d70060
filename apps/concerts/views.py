"""`/concerts`: what anybody may see."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from apps.concerts import selectors
from apps.concerts.errors import ConcertNotFound
from apps.concerts.models import Concert
from apps.core.conditional import answer_unless_known
from apps.core.errors import Busy, InvalidRequest, TooManyRequests
from apps.core.limits import ID_MAX
from apps.core.pagination import CursorPages
from apps.core.schema import IF_NONE_MATCH, path_id, problems

# Concerts change seldom; a page that is a few seconds old is right.
CACHE_CONTROL = "public, max-age=5"


class ConcertOutput(serializers.ModelSerializer[Concert]):
    """A concert as anybody may see it."""

    venue = serializers.CharField(source="venue.name", help_text="The venue's name.")
    first_date = serializers.DateField(allow_null=True, help_text="In the venue's time zone.")
    last_date = serializers.DateField(allow_null=True, help_text="In the venue's time zone.")
    price_min = serializers.IntegerField(allow_null=True, help_text="In the minor unit.")
    price_max = serializers.IntegerField(allow_null=True, help_text="In the minor unit.")
    room = serializers.CharField(help_text="The slug of the waiting room before it.")

    class Meta:
        model = Concert
        fields = (
            "id",
            "title",
            "artist",
            "venue",
            "description",
            "sales_open_at",
            "sales_close_at",
            "first_date",
            "last_date",
            "price_min",
            "price_max",
            "currency",
            "room",
        )


class ConcertViewSet(GenericViewSet[Concert]):
    """The published concerts, newest first."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    serializer_class = ConcertOutput
    pagination_class = CursorPages
    lookup_url_kwarg = "concert_id"

    def get_queryset(self) -> Any:
        """Return the published concerts."""
        return selectors.list_concerts()

    @extend_schema(
        operation_id="list_concerts",
        summary="List concerts",
        parameters=[IF_NONE_MATCH],
        responses={
            200: ConcertOutput(many=True),
            304: OpenApiResponse(description="Nothing has changed."),
            **problems(InvalidRequest, TooManyRequests, Busy),
        },
    )
    def list(self, request: Request) -> HttpResponse:
        """Answer a page of concerts."""
        page = self.paginate_queryset(self.get_queryset())
        answer = self.get_paginated_response(self.get_serializer(page, many=True).data)
        return answer_unless_known(request, answer.data, cache_control=CACHE_CONTROL)

    @extend_schema(
        operation_id="get_concert",
        summary="Get a concert",
        parameters=[path_id("concert_id", "The concert."), IF_NONE_MATCH],
        responses={
            200: ConcertOutput,
            304: OpenApiResponse(description="Nothing has changed."),
            **problems(ConcertNotFound, TooManyRequests, Busy),
        },
    )
    def retrieve(self, request: Request, concert_id: int) -> HttpResponse:
        """Answer one concert."""
        concert = self.get_queryset().filter(pk=min(concert_id, ID_MAX)).first()
        if concert is None:
            raise ConcertNotFound
        return answer_unless_known(
            request, self.get_serializer(concert).data, cache_control=CACHE_CONTROL
        )
