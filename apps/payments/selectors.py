"""Reads of payments, always of one customer's own."""

from django.db.models import Prefetch, QuerySet

from apps.payments.models import Payment
from apps.reservations.models import Reservation
from apps.reservations.selectors import with_seats


def list_payments(customer_id: int) -> QuerySet[Payment]:
    """Return the customer's payments with all that an answer shows of them."""
    return Payment.objects.filter(customer=customer_id).prefetch_related(
        Prefetch("reservation", with_seats(Reservation.objects.all()))
    )
