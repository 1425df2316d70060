"""Customers in the storefront, as browser tests need them."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from playwright.sync_api import Page

from apps.accounts.models import User
from apps.concerts.models import Performance, Seat
from apps.queue.models import WaitingRoom
from apps.queue.services import issue_token
from apps.reservations.models import Reservation
from apps.reservations.services import hold_seats, reserve_hold
from apps.wallet.services import charge_wallet
from tests.browser.conftest import PASSWORD
from tests.factories import PerformanceFactory, RoomFactory, UserFactory, make_seats

TITLE = "첫눈 콘서트"


def put_on_sale(seats: int = 6, *, price: int = 10_000, **room: Any) -> Performance:
    """Return a performance that is on sale now, with a row of seats."""
    RoomFactory()
    if room:
        WaitingRoom.objects.filter(slug="main").update(**room)
    performance = PerformanceFactory(at=timezone.now(), concert__title=TITLE)
    make_seats(performance, seats, price=price)
    return performance


def make_customer(*, balance: int = 0) -> User:
    """Return a customer who signs in with `PASSWORD`."""
    customer = UserFactory()
    customer.set_password(PASSWORD)
    customer.save()
    if balance:
        charge_wallet(customer_id=customer.pk, amount=balance, now=timezone.now())
    return customer


def sign_in(page: Page, customer: User) -> None:
    """Sign the customer in by the form, and end at the concerts."""
    page.goto("/sign-in")
    page.fill("#email", customer.email or "")
    page.fill("#password", PASSWORD)
    page.locator("#sign-in button").click()
    page.locator("#sign-out").wait_for()


def enter(page: Page, customer: User, performance: Performance) -> int:
    """Give the signed-in customer a place inside, which the browser knows; return the entry's id."""
    concert = performance.concert
    issued = issue_token(customer_id=customer.pk, room_slug=concert.room, now=timezone.now())
    assert issued.status.entry.state == "admitted"
    page.evaluate(
        "async (place) => (await import('/static/storefront/line.js')).rememberPlace(place)",
        {
            "token": issued.token,
            "room": concert.room,
            "concert_id": concert.pk,
            "number": issued.status.entry.number,
        },
    )
    return issued.status.entry.pk


def hold(page: Page, entry_id: int, performance: Performance, seats: Sequence[Seat]) -> Reservation:
    """Hold seats for whoever has the entry, as the seat map does, which notes it for the checkout."""
    held = hold_seats(
        entry_id=entry_id,
        concert_id=performance.concert_id,
        date=performance.date,
        seat_ids=[seat.pk for seat in seats],
        now=timezone.now(),
    )
    concert = performance.concert
    noted = {
        "concert": {
            "id": concert.pk,
            "title": concert.title,
            "artist": concert.artist,
            "venue": concert.venue.name,
        },
        "room": concert.room,
        "starts_at": performance.starts_at.isoformat(),
    }
    page.evaluate(
        "([id, noted]) => localStorage.setItem(`encore.hold.${id}`, JSON.stringify(noted))",
        [held.pk, noted],
    )
    return held


def reserve(entry_id: int, held: Reservation) -> Reservation:
    """Reserve what is held."""
    return reserve_hold(entry_id=entry_id, hold_id=held.pk, now=timezone.now())
