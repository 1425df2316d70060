"""What can go wrong with payments and cancellations."""

from django.utils.translation import gettext_lazy as _

from apps.core.errors import Conflict, Missing


class PaymentNotFound(Missing):
    """The payment is unknown, or somebody else's."""

    code = "payment_not_found"
    title = _("Payment not found")
    detail = _("You have no such payment.")


class ReservationAlreadyPaid(Conflict):
    """The reservation is paid."""

    code = "reservation_already_paid"
    title = _("Already paid")
    detail = _("This reservation is paid already.")


class ReservationNotCancellable(Conflict):
    """The reservation is over, or its cut-off has passed."""

    code = "reservation_not_cancellable"
    title = _("Cannot be cancelled")
    detail = _("This reservation can no longer be cancelled.")
