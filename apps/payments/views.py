"""`/payments`, and the cancelling of reservations, which may give money back."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSet

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
from apps.payments import selectors, services
from apps.payments.errors import (
    PaymentNotFound,
    ReservationAlreadyPaid,
    ReservationNotCancellable,
)
from apps.payments.models import Payment
from apps.queue.errors import WrongWaitingRoom
from apps.queue.permissions import HasQueueToken, entry_of
from apps.queue.schema import INSIDE, QUEUE_TOKEN
from apps.reservations.errors import HoldExpired, ReservationNotFound
from apps.reservations.serializers import (
    RESERVATION_EXAMPLE,
    ReservationOutput,
    describe_reservation,
)
from apps.wallet.errors import BalanceLimitExceeded, InsufficientBalance

CONFIRMED_EXAMPLE = {
    **RESERVATION_EXAMPLE,
    "status": "confirmed",
    "confirmed_at": "2026-11-01T10:02:00Z",
    "payment_id": 9,
}
PAYMENT_EXAMPLE = {
    "id": 9,
    "status": "succeeded",
    "reservation": CONFIRMED_EXAMPLE,
    "amount": 154000,
    "currency": "KRW",
    "paid_at": "2026-11-01T10:02:00Z",
}


class PaymentInput(serializers.Serializer[None]):
    """Which reservation."""

    reservation_id = IdField()


def describe_payment(payment: Payment) -> dict[str, Any]:
    """Return the fields of `PaymentOutput`."""
    return {
        "id": payment.pk,
        "status": payment.status,
        "reservation": describe_reservation(payment.reservation),
        "amount": payment.amount,
        "currency": payment.currency,
        "paid_at": payment.paid_at,
    }


class PaymentOutput(serializers.ModelSerializer[Payment]):
    """A payment and what it paid for."""

    reservation = ReservationOutput()

    class Meta:
        model = Payment
        fields = ("id", "status", "reservation", "amount", "currency", "paid_at")

    def to_representation(self, instance: Payment) -> dict[str, Any]:
        """Return the fields of a payment."""
        return describe_payment(instance)


class PaidOutput(PaymentOutput):
    """A payment, and the balance that it left."""

    balance = serializers.IntegerField(help_text="In the currency's minor unit.")

    class Meta(PaymentOutput.Meta):
        fields = (*PaymentOutput.Meta.fields, "balance")  # type: ignore[assignment]


class PaymentViewSet(GenericViewSet[Payment]):
    """The customer's payments."""

    serializer_class = PaymentOutput
    pagination_class = CursorPages

    def get_permissions(self) -> list[BasePermission]:
        """Ask for a queue token to pay, not to look."""
        return [HasQueueToken()] if self.action == "create" else [KnownCustomer()]

    def get_queryset(self) -> Any:
        """Return the customer's payments."""
        return selectors.list_payments(customer_id_of(self.request))

    @extend_schema(
        operation_id="pay_reservation",
        summary="Pay a reservation",
        parameters=[QUEUE_TOKEN, IDEMPOTENCY_KEY],
        request=PaymentInput,
        responses={
            201: PaidOutput,
            **problems(
                InvalidRequest,
                InsufficientBalance,
                *INSIDE,
                WrongWaitingRoom,
                ReservationNotFound,
                ReservationAlreadyPaid,
                DateNotBookable,
                SaleStopped,
                *RETRIED,
                HoldExpired,
            ),
        },
        examples=[
            OpenApiExample("reservation", {"reservation_id": 5}, request_only=True),
            OpenApiExample("paid", {**PAYMENT_EXAMPLE, "balance": 146000}, response_only=True),
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        """Pay from the wallet; the queue token ends with it (6.1.1)."""
        reservation_id = read_field(request, "reservation_id", PaymentInput)
        now = read_clock()

        def act() -> Any:
            paid = services.pay_reservation(
                entry_id=entry_of(request).pk,
                reservation_id=reservation_id,
                now=now,
            )
            paid.payment.reservation = paid.reservation
            return {**describe_payment(paid.payment), "balance": paid.balance}

        return answer_once(request, now=now, status=201, act=act)

    @extend_schema(
        operation_id="list_payments",
        summary="List your payments",
        responses={200: PaymentOutput(many=True), **problems(InvalidRequest, *SIGNED_IN)},
    )
    def list(self, request: Request) -> Response:
        """Answer a page of the payments, newest first (6.2.1); none is an empty list (6.2.2)."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="get_payment",
        summary="See a payment",
        parameters=[path_id("payment_id", "The payment.")],
        responses={200: PaymentOutput, **problems(*SIGNED_IN, PaymentNotFound)},
        examples=[OpenApiExample("payment", PAYMENT_EXAMPLE, response_only=True)],
    )
    def retrieve(self, request: Request, payment_id: int) -> Response:
        """Answer one payment."""
        payment = self.get_queryset().filter(pk=min(payment_id, ID_MAX)).first()
        if payment is None:
            raise PaymentNotFound
        return Response(self.get_serializer(payment).data)


class CancellationViewSet(ViewSet):
    """Cancelling a reservation."""

    @extend_schema(
        operation_id="cancel_reservation",
        summary="Cancel a reservation",
        parameters=[path_id("reservation_id", "The reservation."), IDEMPOTENCY_KEY],
        request=None,
        responses={
            200: ReservationOutput,
            **problems(
                InvalidRequest,
                *SIGNED_IN,
                ReservationNotFound,
                ReservationNotCancellable,
                BalanceLimitExceeded,
                *RETRIED,
            ),
        },
        examples=[
            OpenApiExample(
                "cancelled",
                {**CONFIRMED_EXAMPLE, "status": "cancelled", "end_cause": "customer"},
                response_only=True,
            )
        ],
    )
    def create(self, request: Request, reservation_id: int) -> HttpResponse:
        """Free the seats; what was paid goes back to the wallet."""
        now = read_clock()

        def act() -> Any:
            reservation = services.cancel_reservation(
                customer_id=customer_id_of(request),
                reservation_id=min(reservation_id, ID_MAX),
                now=now,
            )
            return describe_reservation(reservation)

        return answer_once(request, now=now, status=200, act=act)
