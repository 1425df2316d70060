"""Addresses of `/wallet`."""

from django.urls import path

from apps.wallet.views import WalletViewSet

urlpatterns = [
    path("wallet", WalletViewSet.as_view({"get": "retrieve"})),
    path("wallet/charges", WalletViewSet.as_view({"post": "charge"})),
    path("wallet/entries", WalletViewSet.as_view({"get": "list"})),
]
