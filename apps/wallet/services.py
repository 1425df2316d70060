"""Use cases of wallets."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from apps.core.audit import Actor, record_action
from apps.core.db import transaction
from apps.core.errors import IdempotencyKeyReused, InvalidRequest
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.transitions import find_adjustment, lock_wallet, post_entry


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


def adjust_wallet(
    *, customer_id: int, amount: int, reference: str, actor: Actor, reason: str, now: datetime
) -> WalletEntry:
    """Put `amount` (in the minor unit) into a wallet for the house, or take it out where it is negative,
    and record who did it and why: once for each `reference`, however often it is sent.

    Locks the wallet. Raise `InvalidRequest`, `InsufficientBalance`, `BalanceLimitExceeded`, or
    `IdempotencyKeyReused` where the reference stands for another adjustment.
    """
    if not amount:
        raise InvalidRequest.of("amount", "zero", _("Nothing is no adjustment."))
    if not reference:
        raise InvalidRequest.of("reference", "required", _("An adjustment needs a reference."))
    with transaction():
        wallet = lock_wallet(customer_id=customer_id, now=now)
        booked = find_adjustment(reference)
        if booked is not None:
            if (booked.wallet_id, booked.amount) != (wallet.pk, amount):
                raise IdempotencyKeyReused
            return booked
        before = wallet.balance
        entry = post_entry(
            wallet,
            kind=WalletEntry.Kind.ADJUSTMENT,
            amount=amount,
            reference=reference,
            now=now,
        )
        record_action(
            actor=actor,
            action="adjust_wallet",
            subject=entry,
            reason=reason,
            before={"customer": customer_id, "balance": before},
            after={"amount": amount, "balance": wallet.balance},
            now=now,
        )
        return entry


def open_wallets(*, customer_ids: Sequence[int], balance: int, now: datetime) -> int:
    """Give those who have no wallet yet one with `balance` (in the minor unit); return how many.

    The caller has locked the customers, so that nobody opens the same wallets meanwhile.
    """
    with transaction():
        opened = set(
            Wallet.objects.filter(pk__in=customer_ids).values_list("customer_id", flat=True)
        )
        without = [customer_id for customer_id in customer_ids if customer_id not in opened]
        Wallet.objects.bulk_create(
            Wallet(customer_id=customer_id, currency=settings.CURRENCY, updated_at=now)
            for customer_id in without
        )
        WalletEntry.objects.bulk_create(
            WalletEntry(
                wallet_id=customer_id,
                kind=WalletEntry.Kind.CHARGE,
                amount=balance,
                balance_after=balance,
                created_at=now,
            )
            for customer_id in without
            if balance
        )
        return len(without)
