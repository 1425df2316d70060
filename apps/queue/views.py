"""`/queue`: taking a place in line, asking where one stands, leaving."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from apps.accounts.permissions import KnownCustomer, customer_id_of
from apps.accounts.schema import SIGNED_IN
from apps.concerts.errors import ConcertNotFound
from apps.concerts.limits import MAIN_ROOM
from apps.concerts.selectors import get_concert
from apps.core.clock import read_clock
from apps.core.errors import Busy, InvalidRequest, TooManyRequests
from apps.core.fields import IdField, read_field
from apps.core.media import encode_json
from apps.core.schema import problems
from apps.queue import services
from apps.queue.errors import QueueTokenExpired, RoomNotFound, WaitingRoomClosed
from apps.queue.models import Draw
from apps.queue.permissions import HasQueueToken, entry_of
from apps.queue.receipts import receipt_keys
from apps.queue.schema import IN_LINE, QUEUE_TOKEN
from apps.queue.selectors import LineStatus

STATUS_EXAMPLE = {
    "room": "main",
    "status": "waiting",
    "number": 1042,
    "place": 1042,
    "position": 42,
    "estimated_wait_seconds": 90,
    "poll_after_seconds": 20,
    "joined_at": "2026-11-01T10:00:00Z",
    "admitted_at": None,
    "expires_at": None,
    "opens_at": None,
}


class TokenInput(serializers.Serializer[None]):
    """For which concert; without one, for the room `main`."""

    concert_id = IdField(required=False)


class LineStatusOutput(serializers.Serializer[None]):
    """Where a customer stands. `describe_line` fills it in."""

    room = serializers.SlugField()
    status = serializers.ChoiceField(choices=["waiting", "admitted"])
    number = serializers.IntegerField(help_text="Never changes.")
    place = serializers.IntegerField(
        allow_null=True,
        help_text="The order of the line, to be compared with the room's `now_serving`: the number, "
        "or what was drawn for those who came before the room opened; null until then.",
    )
    position = serializers.IntegerField(
        allow_null=True,
        help_text="1 is the next to enter, 0 is inside; null until the order is drawn.",
    )
    estimated_wait_seconds = serializers.IntegerField(
        allow_null=True, help_text="Null while nobody is let in."
    )
    poll_after_seconds = serializers.IntegerField(help_text="Ask again after this many seconds.")
    joined_at = serializers.DateTimeField()
    admitted_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="The end of the session.")
    opens_at = serializers.DateTimeField(
        allow_null=True, help_text="When the room opens; null where it is open already."
    )


class IssuedTokenOutput(LineStatusOutput):
    """Where a customer stands, and the secret of the place."""

    token = serializers.CharField(help_text="Send it as `X-Queue-Token`. It is not shown again.")
    receipt = serializers.CharField(
        help_text="A signed proof of room, number and time: a JWS by a key of `/queue/receipt-keys`."
    )


class DrawOutput(serializers.Serializer[Draw]):
    """How those who came before the opening were put in order: ascending by the SHA-256 of
    `seed:number`, as text."""

    opens_at = serializers.DateTimeField()
    drawn_at = serializers.DateTimeField()
    seed = serializers.CharField()
    entries = serializers.IntegerField(help_text="How many were put in order.")


class RoomOutput(serializers.Serializer[Any]):
    """How a room is doing."""

    slug = serializers.SlugField(source="room.slug")
    name = serializers.CharField(source="room.name")
    state = serializers.CharField(source="room.state")
    waiting = serializers.IntegerField(source="room.turnstile.people_waiting")
    admitted = serializers.IntegerField(source="room.turnstile.admitted")
    now_serving = serializers.IntegerField(
        source="room.turnstile.now_serving", help_text="The highest place let in so far."
    )
    estimated_wait_seconds = serializers.IntegerField(
        allow_null=True, help_text="For somebody who joins now; null while nobody is let in."
    )
    opens_at = serializers.DateTimeField(source="room.opens_at", allow_null=True)
    draws = DrawOutput(many=True, help_text="One for each opening so far, the latest first.")


class ReceiptKeyOutput(serializers.Serializer[None]):
    """An Ed25519 public key (RFC 8037)."""

    kty = serializers.CharField()
    crv = serializers.CharField()
    x = serializers.CharField()
    kid = serializers.CharField()
    alg = serializers.CharField()
    use = serializers.CharField()


class ReceiptKeysOutput(serializers.Serializer[None]):
    """A JWK set (RFC 7517)."""

    keys = ReceiptKeyOutput(many=True)


def describe_line(status: LineStatus) -> dict[str, Any]:
    """Return the fields of `LineStatusOutput`. They are fixed, and polls are most of what is asked, so
    they do without the serializer's machinery."""
    entry = status.entry
    return {
        "room": entry.room.slug,
        "status": entry.state,
        "number": entry.number,
        "place": status.place,
        "position": status.position,
        "estimated_wait_seconds": status.estimated_wait_seconds,
        "poll_after_seconds": status.poll_after_seconds,
        "joined_at": entry.joined_at,
        "admitted_at": entry.admitted_at,
        "expires_at": entry.session_expires_at,
        "opens_at": entry.room.opens_at if status.position is None else None,
    }


def answer_status(data: dict[str, Any], *, code: int) -> HttpResponse:
    """Answer a line status, its time to ask again in `Retry-After` too; as plain bytes, without the
    rendering that a `Response` puts off."""
    return HttpResponse(
        encode_json(data),
        status=code,
        content_type="application/json",
        headers={"Retry-After": str(data["poll_after_seconds"]), "Cache-Control": "no-store"},
    )


class QueueTokenViewSet(ViewSet):
    """The customer's place in line."""

    def get_permissions(self) -> list[BasePermission]:
        """Ask for a queue token unless one is being issued."""
        return [KnownCustomer()] if self.action == "create" else [HasQueueToken()]

    @extend_schema(
        operation_id="issue_queue_token",
        summary="Take a place in line",
        request=TokenInput,
        responses={
            201: IssuedTokenOutput,
            **problems(
                InvalidRequest, *SIGNED_IN, QueueTokenExpired, ConcertNotFound, WaitingRoomClosed
            ),
        },
        examples=[
            OpenApiExample("concert", {"concert_id": 1}, request_only=True),
            OpenApiExample(
                "waiting",
                {**STATUS_EXAMPLE, "token": "nV0r…", "receipt": "eyJh…"},
                response_only=True,
            ),
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        """Answer a new token (1.1.1). An earlier place in the room ends: asking again is going to the
        back (1.2.1)."""
        concert_id = read_field(request, "concert_id", TokenInput)
        room_slug = MAIN_ROOM if concert_id is None else get_concert(concert_id).room
        issued = services.issue_token(
            customer_id=customer_id_of(request), room_slug=room_slug, now=read_clock()
        )
        answer = {
            **describe_line(issued.status),
            "token": issued.token,
            "receipt": issued.receipt,
        }
        return answer_status(answer, code=201)

    @extend_schema(
        operation_id="get_line_status",
        summary="See where you stand",
        parameters=[QUEUE_TOKEN],
        responses={200: LineStatusOutput, **problems(*IN_LINE)},
        examples=[OpenApiExample("waiting", STATUS_EXAMPLE, response_only=True)],
    )
    def retrieve(self, request: Request) -> HttpResponse:
        """Answer the line status (2.1.1), or why the token is out of the line (2.1.2)."""
        status = services.poll_line(entry=entry_of(request), now=read_clock())
        return answer_status(describe_line(status), code=200)

    @extend_schema(
        operation_id="leave_line",
        summary="Leave the line",
        parameters=[QUEUE_TOKEN],
        responses={204: None, **problems(*IN_LINE)},
    )
    def destroy(self, request: Request) -> Response:
        """End the customer's place."""
        services.leave_line(entry_id=entry_of(request).pk, now=read_clock())
        return Response(status=204)


class RoomViewSet(ViewSet):
    """How the rooms are doing, for anybody."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="get_room",
        summary="See how a room is doing",
        parameters=[OpenApiParameter("slug", OpenApiTypes.STR, OpenApiParameter.PATH)],
        responses={200: RoomOutput, **problems(RoomNotFound, TooManyRequests, Busy)},
        examples=[
            OpenApiExample(
                "room",
                {
                    "slug": "main",
                    "name": "Encore",
                    "state": "open",
                    "waiting": 1200,
                    "admitted": 500,
                    "now_serving": 8410,
                    "estimated_wait_seconds": 640,
                    "opens_at": None,
                    "draws": [],
                },
                response_only=True,
            )
        ],
    )
    def retrieve(self, request: Request, slug: str) -> Response:
        """Answer what a cache may show to everybody for a second."""
        status = services.see_room(slug=slug, now=read_clock())
        return Response(RoomOutput(status).data, headers={"Cache-Control": "public, max-age=1"})


class ReceiptKeyViewSet(ViewSet):
    """What receipts are checked with, for anybody."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="list_receipt_keys",
        summary="Get the keys that receipts are signed with",
        responses={200: ReceiptKeysOutput, **problems(TooManyRequests)},
    )
    def retrieve(self, request: Request) -> Response:
        """Answer the public keys as a JWK set."""
        return Response(receipt_keys(), headers={"Cache-Control": "public, max-age=3600"})
