"""Wallets and their ledger in the admin: to look at, never to write."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.wallet.models import Wallet, WalletEntry


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    """Balances."""

    list_display = ("customer", "balance", "currency", "updated_at")
    list_select_related = ("customer",)
    search_fields = ("customer__email",)


@admin.register(WalletEntry)
class WalletEntryAdmin(ReadOnlyAdmin):
    """The ledger."""

    list_display = ("id", "wallet_id", "kind", "amount", "balance_after", "reference", "created_at")
    list_filter = ("kind",)
    search_fields = ("wallet__customer__email", "reference")
    ordering = ("-id",)
