"""`/wallet`: balance, charges and ledger. No queue token is asked for here."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.permissions import customer_id_of
from apps.accounts.schema import SIGNED_IN
from apps.core.clock import read_clock
from apps.core.errors import InvalidRequest
from apps.core.fields import WholeNumberField, read_field
from apps.core.idempotency import answer_once
from apps.core.pagination import CursorPages
from apps.core.schema import IDEMPOTENCY_KEY, RETRIED, problems
from apps.wallet import selectors, services
from apps.wallet.errors import BalanceLimitExceeded
from apps.wallet.limits import CHARGE_MAX, CHARGE_MIN
from apps.wallet.models import Wallet, WalletEntry


class WalletOutput(serializers.ModelSerializer[Wallet]):
    """A balance."""

    updated_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = Wallet
        fields = ("balance", "currency", "updated_at")


class WalletEntryOutput(serializers.ModelSerializer[WalletEntry]):
    """A line of the ledger."""

    class Meta:
        model = WalletEntry
        fields = ("id", "kind", "amount", "balance_after", "reference", "created_at")


class ChargeInput(serializers.Serializer[None]):
    """How much to charge."""

    amount = WholeNumberField(
        min_value=CHARGE_MIN, max_value=CHARGE_MAX, help_text="In the currency's minor unit."
    )


class ChargeOutput(serializers.Serializer[Any]):
    """The balance after a charge, and the charge."""

    balance = serializers.IntegerField()
    currency = serializers.CharField()
    entry = WalletEntryOutput()


class WalletViewSet(GenericViewSet[WalletEntry]):
    """The customer's own wallet."""

    serializer_class = WalletEntryOutput
    pagination_class = CursorPages

    def get_queryset(self) -> Any:
        """Return the customer's ledger."""
        return selectors.list_entries(customer_id_of(self.request))

    @extend_schema(
        operation_id="get_wallet",
        summary="See your balance",
        responses={200: WalletOutput, **problems(*SIGNED_IN)},
        examples=[
            OpenApiExample(
                "wallet",
                {"balance": 300_000, "currency": "KRW", "updated_at": "2026-11-01T10:00:00Z"},
                response_only=True,
            )
        ],
    )
    def retrieve(self, request: Request) -> Response:
        """Answer the balance (7.1.1)."""
        return Response(WalletOutput(selectors.get_wallet(customer_id_of(request))).data)

    @extend_schema(
        operation_id="charge_wallet",
        summary="Charge your wallet",
        parameters=[IDEMPOTENCY_KEY],
        request=ChargeInput,
        responses={
            201: ChargeOutput,
            **problems(
                InvalidRequest,
                *SIGNED_IN,
                BalanceLimitExceeded,
                *RETRIED,
            ),
        },
        examples=[OpenApiExample("charge", {"amount": 300_000}, request_only=True)],
    )
    def charge(self, request: Request) -> HttpResponse:
        """Add money and answer the new balance (7.2.1)."""
        amount = read_field(request, "amount", ChargeInput)
        now = read_clock()

        def act() -> Any:
            wallet, entry = services.charge_wallet(
                customer_id=customer_id_of(request), amount=amount, now=now
            )
            return ChargeOutput(
                {"balance": wallet.balance, "currency": wallet.currency, "entry": entry}
            ).data

        return answer_once(request, now=now, status=201, act=act)

    @extend_schema(
        operation_id="list_wallet_entries",
        summary="List your wallet's entries",
        responses={200: WalletEntryOutput(many=True), **problems(InvalidRequest, *SIGNED_IN)},
    )
    def list(self, request: Request) -> Response:
        """Answer a page of the ledger, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
