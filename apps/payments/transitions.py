"""Steps on payments. The caller has locked the reservation, and takes no lock of a lower rank after."""

from datetime import datetime

from apps.core.db import lock_row
from apps.payments.models import Payment
from apps.reservations.models import Reservation
from apps.wallet.models import WalletEntry
from apps.wallet.transitions import lock_wallet, post_entry


def give_money_back(reservation: Reservation, *, now: datetime) -> Payment:
    """Refund what was paid for a confirmed reservation to the wallet that paid it.

    Locks payment and wallet. Raise `BalanceLimitExceeded` where the wallet is full.
    """
    payment = lock_row(Payment.objects.filter(reservation=reservation))
    assert payment is not None, "a confirmed reservation has a payment"
    payment.status = Payment.Status.REFUNDED
    payment.refunded_at = now
    payment.save(update_fields=["status", "refunded_at"])
    wallet = lock_wallet(customer_id=payment.customer_id, now=now)
    post_entry(
        wallet,
        kind=WalletEntry.Kind.REFUND,
        amount=payment.amount,
        reference=payment.reference,
        now=now,
    )
    return payment
