"""Fixtures of the tests of payments: those of seats, and money."""

import pytest

from apps.wallet.services import charge_wallet
from tests.factories import NOW
from tests.reservations.conftest import bad_token, room
from tests.reservations.support import make_reservation

__all__ = ["bad_token", "room"]


@pytest.fixture
def reservation(customer, seats):
    """Two seats at 10,000 each, reserved at `NOW` by the customer, who has no money yet."""
    return make_reservation(customer, seats[:2])


@pytest.fixture
def funds(customer):
    """50,000 in the customer's wallet."""
    charge_wallet(customer_id=customer.pk, amount=50_000, now=NOW)
