"""Use cases of wallets."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from apps.core.db import transaction
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.transitions import lock_wallet, post_entry


def charge_wallet(
    *, customer_id: int, amount: int, now: datetime, reference: str = ""
) -> tuple[Wallet, WalletEntry]:
    """Add `amount` (in the minor unit) to the customer's wallet (7.2.1). Raise `BalanceLimitExceeded`."""
    with transaction():
        wallet = lock_wallet(customer_id=customer_id, now=now)
        entry = post_entry(
            wallet, kind=WalletEntry.Kind.CHARGE, amount=amount, reference=reference, now=now
        )
    return wallet, entry


def open_wallets(*, customer_ids: Sequence[int], balance: int, now: datetime) -> None:
    """Give new customers a wallet each with `balance` in it. They must not have one yet."""
    with transaction():
        Wallet.objects.bulk_create(
            Wallet(customer_id=customer_id, currency=settings.CURRENCY, updated_at=now)
            for customer_id in customer_ids
        )
        WalletEntry.objects.bulk_create(
            WalletEntry(
                wallet_id=customer_id,
                kind=WalletEntry.Kind.CHARGE,
                amount=balance,
                balance_after=balance,
                created_at=now,
            )
            for customer_id in customer_ids
        )
