"""Reads of who exists."""

from apps.accounts.models import User


def is_known_customer(customer_id: int) -> bool:
    """Say whether the customer exists and is not disabled."""
    return User.objects.filter(pk=customer_id, is_active=True).exists()
