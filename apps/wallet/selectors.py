"""Reads of balances and ledgers."""

from django.conf import settings
from django.db.models import QuerySet

from apps.wallet.models import Wallet, WalletEntry


def get_wallet(customer_id: int) -> Wallet:
    """Return the customer's wallet; somebody new has an unsaved, empty one."""
    return Wallet.objects.filter(pk=customer_id).first() or Wallet(
        customer_id=customer_id, currency=settings.CURRENCY
    )


def list_entries(customer_id: int) -> QuerySet[WalletEntry]:
    """Return the customer's ledger."""
    return WalletEntry.objects.filter(wallet=customer_id)
