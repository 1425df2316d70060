"""Steps on a wallet that the caller has locked."""

from datetime import datetime

from django.conf import settings
from django.db.models import BigIntegerField

from apps.core.db import lock_row
from apps.core.prepared import Prepared, insert_row, new_instance
from apps.wallet.errors import BalanceLimitExceeded, InsufficientBalance
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.models import Wallet, WalletEntry

WALLET = Prepared(
    lambda customer_id: Wallet.objects.filter(pk=customer_id), customer_id=BigIntegerField()
)


def lock_wallet(*, customer_id: int, now: datetime) -> Wallet:
    """Lock the customer's wallet, made at first need, and return it. The caller holds a transaction."""
    wallet = lock_row(WALLET, customer_id=customer_id)
    if wallet is None:
        Wallet.objects.bulk_create(
            [Wallet(customer_id=customer_id, currency=settings.CURRENCY, updated_at=now)],
            ignore_conflicts=True,
        )
        wallet = lock_row(WALLET, customer_id=customer_id)
        assert wallet is not None
    return wallet


def find_adjustment(reference: str) -> WalletEntry | None:
    """Return what staff have booked under a reference. The caller holds the wallet's lock."""
    booked = WalletEntry.objects.filter(kind=WalletEntry.Kind.ADJUSTMENT, reference=reference)
    return booked.first()


def post_entry(
    wallet: Wallet, *, kind: WalletEntry.Kind, amount: int, reference: str, now: datetime
) -> WalletEntry:
    """Write one entry and with it the balance; `amount` is negative for money out of the wallet.

    The caller holds the wallet's lock. Raise `InsufficientBalance` below zero and
    `BalanceLimitExceeded` over `BALANCE_MAX`.
    """
    balance = wallet.balance + amount
    if balance < 0:
        raise InsufficientBalance(
            balance=wallet.balance, required=-amount, currency=wallet.currency
        )
    if balance > BALANCE_MAX:
        raise BalanceLimitExceeded(balance=wallet.balance, limit=BALANCE_MAX)
    entry = new_instance(
        WalletEntry,
        wallet_id=wallet.pk,
        kind=kind,
        amount=amount,
        balance_after=balance,
        reference=reference,
        created_at=now,
    )
    insert_row(entry)
    # The database has posted the entry; this is what it now holds.
    wallet.balance = balance
    wallet.updated_at = now
    return entry
