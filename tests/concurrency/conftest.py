"""Fixtures of the races: rows that other connections see."""

import pytest

from apps.queue.models import WaitingRoom
from apps.wallet.services import charge_wallet
from tests.factories import NOW
from tests.reservations.conftest import room
from tests.reservations.support import make_inside

__all__ = ["room"]


@pytest.fixture
def small_room(room):
    """The room `main` with one place inside."""
    room.capacity = 1
    room.save()
    return room


@pytest.fixture
def paused_room(room):
    """The room `main`, which lets nobody in."""
    room.state = WaitingRoom.State.PAUSED
    room.save()
    return room


@pytest.fixture
def make_buyer(room):
    """Return a maker of entries inside `main`, each of a new customer with 50,000 in the wallet."""

    def make(customer=None):
        entry = make_inside(customer)
        charge_wallet(customer_id=entry.customer_id, amount=50_000, now=NOW)
        return entry

    return make


@pytest.fixture
def entry(make_buyer):
    """The entry of a buyer inside `main`, with 50,000 in the wallet."""
    return make_buyer()
