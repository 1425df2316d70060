"""Staff release, refund and adjust in a browser, and customers see it through the API."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from apps.payments.models import Payment
from tests.browser.axe import find_violations
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import ConcertFactory, PerformanceFactory, RoomFactory, UserFactory, make_seats
from tests.reservations.support import (
    list_ids,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    seats_url,
)

pytestmark = pytest.mark.django_db(transaction=True)

LISTS = (
    "reservations_reservation", "payments_payment", "wallet_wallet", "wallet_walletentry",
)  # fmt: skip


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def show(now):
    """A performance of a concert that is on sale by the real clock."""
    return PerformanceFactory(concert=ConcertFactory(at=now), at=now)


@pytest.fixture
def entry(now):
    """A customer inside the room by the real clock."""
    room = RoomFactory(idle_seconds=3_600, session_seconds=3_600)
    entry = make_inside(UserFactory(email="haneul@encore.example"), room=room)
    entry.session_expires_at = now + timedelta(hours=1)
    entry.admitted_at = now
    entry.save()
    entry.presence.last_seen_at = now
    entry.presence.save()
    return entry


@pytest.fixture
def house(show, entry, now):
    """Seats of the show: two paid, one held, one reserved, one free."""
    seats = make_seats(show, 5)
    customer = entry.customer
    paid = make_paid(customer, seats[:2], at=now)
    held = make_hold(UserFactory(email="bada@encore.example"), seats[2:3], at=now)
    reserved = make_reservation(UserFactory(email="nuri@encore.example"), seats[3:4], at=now)
    return {"paid": paid, "held": held, "reserved": reserved, "seats": seats}


@pytest.fixture
def customer_sees(sign_in, show, entry):
    """Return what the customer sees through the API: the balance, and the state of each seat."""

    def look():
        client = sign_in(entry.customer, entry)
        balance = client.get("/api/v1/wallet").json()["balance"]
        answer = client.get(seats_url(show), {"include": "all"})
        assert answer.status_code == 200, answer.content
        return balance, [seat["status"] for seat in answer.json()["results"]]

    return look


def url_of(model, page, *args):
    return reverse(f"admin:{model}_{page}", args=args)


def pages_of(house):
    """Return the addresses of all lists, of the pages of their rows, and of what asks before it acts."""
    paid = house["paid"]
    payment = Payment.objects.get(reservation=paid)
    rows = {
        "reservations_reservation": [paid.pk, house["held"].pk],
        "payments_payment": [payment.pk],
        "wallet_wallet": [paid.customer_id],
        "wallet_walletentry": [],
    }
    pages = [url_of(model, "changelist") for model in LISTS]
    pages += [url_of(model, "change", pk) for model, numbers in rows.items() for pk in numbers]
    return [
        *pages,
        url_of("reservations_reservation", "release", house["held"].pk),
        url_of("payments_payment", "refund", payment.pk),
        url_of("wallet_wallet", "adjust", paid.customer_id),
    ]


def test_a_payment_is_given_back_and_its_seats_are_free(open_admin, house, customer_sees):
    assert customer_sees() == (0, ["sold", "sold", "held", "reserved", "available"])
    page = open_admin(url_of("payments_payment", "changelist"))
    page.fill("#searchbar", "haneul@encore.example")
    page.press("#searchbar", "Enter")
    page.locator("#result_list th a").click()
    page.get_by_role("link", name="Give the payment back").click()
    assert "₩0 becomes ₩20,000" in page.locator(".encore-consequences").inner_text()
    page.fill("#id_reason", "The customer fell ill")
    page.get_by_role("button", name="Give ₩20,000 back").click()
    page.wait_for_url("**/change/")
    assert page.get_by_text("The customer fell ill").is_visible()
    assert page.get_by_text("Refunded", exact=True).is_visible()
    assert customer_sees() == (20_000, ["available"] * 2 + ["held", "reserved", "available"])


def test_a_seat_can_be_taken_off_sale_with_the_refund(open_admin, house, customer_sees):
    page = open_admin(url_of("reservations_reservation", "change", house["paid"].pk))
    page.get_by_role("link", name="Give the payment back").click()
    page.check("#id_withdraw")
    page.fill("#id_reason", "The seats are broken")
    page.get_by_role("button", name="Give ₩20,000 back").click()
    page.wait_for_url("**/change/")
    assert customer_sees() == (20_000, ["blocked"] * 2 + ["held", "reserved", "available"])


def test_a_hold_is_released(open_admin, house, customer_sees):
    page = open_admin(url_of("reservations_reservation", "changelist"))
    page.fill("#searchbar", "A 1-3")
    page.press("#searchbar", "Enter")
    page.locator("#result_list th a").click()
    page.get_by_role("link", name="Release the seats").click()
    page.fill("#id_reason", "Asked for by phone")
    page.get_by_role("button", name="Release the seats").click()
    page.wait_for_url("**/change/")
    assert page.get_by_text("Asked for by phone").is_visible()
    assert customer_sees()[1][2] == "available"


def test_a_wallet_is_adjusted_and_the_balance_shown_before(open_admin, house, customer_sees):
    page = open_admin(url_of("wallet_wallet", "change", house["paid"].customer_id))
    page.get_by_role("link", name="Adjust the balance").click()
    after = page.locator("#balance-after")
    expect(after).to_have_text("₩0")
    page.fill("#id_amount", "-1")
    assert (after.inner_text(), after.get_attribute("class")) == ("-₩1", "encore-wrong")
    page.fill("#id_amount", "5,000")
    assert (after.inner_text(), after.get_attribute("class")) == ("₩5,000", "")
    page.fill("#id_reason", "An apology")
    page.get_by_role("button", name="Book it").click()
    page.wait_for_url("**/change/")
    assert "₩5,000" in page.locator(".encore-rows").first.inner_text()
    assert customer_sees()[0] == 5_000


def test_a_double_click_books_once(open_admin, house, customer_sees):
    page = open_admin(url_of("wallet_wallet", "adjust", house["paid"].customer_id))
    page.fill("#id_amount", "700")
    page.fill("#id_reason", "An apology")
    page.get_by_role("button", name="Book it").dblclick()
    page.wait_for_url("**/change/")
    assert customer_sees()[0] == 700


@pytest.mark.parametrize(
    ("language", "viewport", "scheme"),
    [("ko", DESKTOP, "light"), ("en", DESKTOP, "dark"), ("ko", PHONE, "dark")],
    ids=["desktop", "dark", "phone"],
)
def test_every_page_can_be_used_with_aids(open_admin, house, language, viewport, scheme):
    page = open_admin(language=language, viewport=viewport, color_scheme=scheme)
    found = {}
    for address in pages_of(house):
        page.goto(address)
        if violations := find_violations(page):
            found[address] = violations
    assert found == {}


def test_the_api_of_the_customer_lists_what_was_cancelled(open_admin, house, sign_in, entry):
    """The reservation stays in the customer's list, cancelled."""
    page = open_admin(url_of("reservations_reservation", "refund", house["paid"].pk))
    page.fill("#id_reason", "x")
    page.get_by_role("button", name="Give ₩20,000 back").click()
    page.wait_for_url("**/change/")
    answer = sign_in(entry.customer, entry).get("/api/v1/reservations?status=cancelled")
    assert list_ids(answer) == [house["paid"].pk]
