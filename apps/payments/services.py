"""Use cases of payments."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import BigIntegerField

from apps.concerts.transitions import require_not_called_off, require_sale_goes_on
from apps.core.audit import Actor
from apps.core.db import ask_locked, transaction
from apps.core.prepared import Prepared, fetch_together, insert_row, new_instance
from apps.payments.errors import (
    PaymentNotFound,
    ReservationAlreadyPaid,
    ReservationNotCancellable,
)
from apps.payments.models import Payment
from apps.payments.transitions import give_money_back
from apps.queue.models import QueueEntry
from apps.queue.transitions import (
    ask_entry,
    customer_of,
    end_entry,
    require_found_admitted,
    require_room_of,
)
from apps.reservations.errors import ReservationNotFound
from apps.reservations.models import Reservation
from apps.reservations.selectors import ask_lines, attach_seats
from apps.reservations.transitions import (
    ask_reservation,
    cancel,
    confirm,
    end_for_staff,
    lock_for_staff,
    lock_reservation,
    require_payable,
)
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.transitions import lock_wallet, post_entry

WALLET_OF_ENTRY = Prepared(
    lambda entry_id: Wallet.objects.filter(pk=customer_of(entry_id)), entry_id=BigIntegerField()
)


@dataclass(frozen=True, kw_only=True)
class PaidReservation:
    """A payment, what it paid for, and the balance that it left, in the minor unit."""

    payment: Payment
    reservation: Reservation
    balance: int


def pay_reservation(*, entry_id: int, reservation_id: int, now: datetime) -> PaidReservation:
    """Pay a reservation from the customer's wallet (6.1.1).

    One commit: the payment recorded, the wallet debited, the seats made over, the queue token ended.
    Locks queue entry, reservation, wallet, in this order. Raise `ReservationNotFound`, `HoldExpired`
    (6.1.4), `ReservationAlreadyPaid`, `SaleStopped`, `DateNotBookable` where the performance was
    called off, or `InsufficientBalance` (6.1.3), and what the queue token lacks.
    """
    with transaction():
        found, reserved, lines, wallets = fetch_together(
            ask_entry(entry_id),
            ask_reservation(reservation_id, entry_id=entry_id),
            ask_lines(reservation_id),
            ask_locked(WALLET_OF_ENTRY, entry_id=entry_id),
        )
        entry = require_found_admitted(found, now=now)
        reservation = require_payable(next(iter(reserved), None), now=now)
        reservation.known_lines = lines
        require_room_of(entry, reservation.performance.concert)
        if reservation.status == Reservation.Status.CONFIRMED:
            raise ReservationAlreadyPaid
        require_sale_goes_on(reservation.performance.concert)
        require_not_called_off(reservation.performance)
        payment = new_instance(
            Payment,
            reservation_id=reservation.pk,
            customer_id=entry.customer_id,
            status=Payment.Status.SUCCEEDED.value,
            amount=reservation.total,
            currency=reservation.currency,
            paid_at=now,
        )
        insert_row(payment)
        wallet = wallets[0] if wallets else lock_wallet(customer_id=entry.customer_id, now=now)
        post_entry(
            wallet,
            kind=WalletEntry.Kind.PAYMENT,
            amount=-payment.amount,
            reference=payment.reference,
            now=now,
        )
        confirm(reservation, payment_id=payment.pk, now=now)
        end_entry(entry, reason=QueueEntry.EndReason.PAID, now=now)
        return PaidReservation(payment=payment, reservation=reservation, balance=wallet.balance)


def cancel_reservation(*, customer_id: int, reservation_id: int, now: datetime) -> Reservation:
    """Cancel a customer's own reservation: free its seats and give back what was paid.

    A paid one can be cancelled until its concert's cut-off. Locks reservation, payment, wallet. Raise
    `ReservationNotFound`, `ReservationNotCancellable`, or `BalanceLimitExceeded` where the wallet is full.
    """
    with transaction():
        reservation = lock_reservation(reservation_id, customer_id=customer_id)
        if reservation is None or reservation.reserved_at is None:
            raise ReservationNotFound
        match reservation.status:
            case Reservation.Status.RESERVED if not reservation.is_overdue(now):
                cancel(reservation, now=now)
            case Reservation.Status.CONFIRMED if now < reservation.performance.cancellable_until():
                give_money_back(reservation, now=now)
                cancel(reservation, now=now)
            case _:
                raise ReservationNotCancellable
        return attach_seats(reservation)


def refund_payment(
    *, payment_id: int, actor: Actor, reason: str, now: datetime, withdraw: bool = False
) -> Reservation:
    """Give anybody's payment back, also after the cut-off; its seats are free, or with `withdraw` off
    sale. Locks seats, reservation, payment, wallet. Raise `PaymentNotFound`,
    `ReservationNotCancellable`, `BalanceLimitExceeded` or `InvalidRequest`."""
    with transaction():
        # Which reservation a payment is of never changes.
        payment = Payment.objects.filter(pk=payment_id).first()
        if payment is None:
            raise PaymentNotFound
        reservation = lock_for_staff(payment.reservation_id, with_seats=withdraw)
        if reservation is None or reservation.status != Reservation.Status.CONFIRMED:
            raise ReservationNotCancellable
        give_money_back(reservation, now=now)
        end_for_staff(
            reservation,
            action="refund_payment",
            actor=actor,
            reason=reason,
            now=now,
            withdraw=withdraw,
        )
        return reservation
