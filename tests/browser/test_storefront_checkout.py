"""Paying: the countdown, a balance that is too low, clicks twice, reload and back, two tabs, too late."""

import re
from datetime import timedelta

import pytest
from django.db.models import F

from apps.payments.models import Payment
from apps.queue.models import WaitingRoom
from apps.reservations.models import Reservation
from apps.wallet.models import Wallet, WalletEntry
from tests.browser.axe import find_violations
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.shopping import enter, hold, make_customer, put_on_sale, reserve, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


class Shopper:
    """A customer in a browser who holds the first two seats."""

    def __init__(self, page, *, balance):
        self.page = page
        self.customer = make_customer(balance=balance)
        self.performance = put_on_sale()
        self.seats = list(self.performance.seats.order_by("position")[:2])
        sign_in(page, self.customer)
        self.entry_id = enter(page, self.customer, self.performance)
        self.held = hold(page, self.entry_id, self.performance, self.seats)
        self.address = f"/checkout/{self.held.pk}"

    def balance(self):
        return Wallet.objects.get(pk=self.customer.pk).balance

    def assert_paid_once(self):
        payment = Payment.objects.get()
        assert payment.reservation_id == self.held.pk
        assert WalletEntry.objects.filter(kind="payment").count() == 1
        assert Reservation.objects.get().status == "confirmed"


@pytest.fixture
def shop(open_page):
    """Return a maker of shoppers: `shop(balance=…, **page)`."""
    return lambda *, balance=100_000, **page: Shopper(open_page(**page), balance=balance)


PAY = {"ko": "20,000 결제하기", "en": "Pay ₩20,000"}


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_held_seats_are_paid_for(shop, language, viewport):
    shopper = shop(language=language, viewport=viewport)
    page = shopper.page
    page.goto(shopper.address)
    assert page.get_by_role("timer").inner_text() in (
        "5:00",
        "4:59",
        "4:58",
        "4:57",
        "4:56",
        "4:55",
    )
    page.get_by_role("button", name=PAY[language]).click()
    page.wait_for_url("**/receipts/*")
    page.get_by_text(shopper.performance.concert.title).wait_for()
    assert page.locator(".seats li").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shopper.assert_paid_once()
    assert shopper.balance() == 80_000


def test_a_balance_too_low_is_topped_up_and_paid_in_one_place(shop):
    shopper = shop(balance=5_000)
    page = shopper.page
    page.goto(shopper.address)
    assert page.get_by_label("Amount (KRW)").input_value() == "15000"
    page.get_by_role("button", name="Top up and pay").click()
    page.wait_for_url("**/receipts/*")
    shopper.assert_paid_once()
    assert shopper.balance() == 0


def test_what_was_spent_meanwhile_is_asked_for(shop):
    shopper = shop(balance=20_000)
    page = shopper.page
    page.goto(shopper.address)
    button = page.get_by_role("button", name="Pay ₩20,000")
    button.wait_for()
    WalletEntry.objects.create(
        wallet_id=shopper.customer.pk, kind="adjustment", amount=-1_000, balance_after=19_000,
        created_at=shopper.held.held_at,
    )  # fmt: skip
    button.click()
    assert page.get_by_label("Amount (KRW)").input_value() == "1000"
    page.get_by_role("button", name="Top up and pay").click()
    page.wait_for_url("**/receipts/*")
    shopper.assert_paid_once()


def test_a_wrong_amount_is_refused_before_anything_is_sent(shop):
    shopper = shop(balance=5_000)
    page = shopper.page
    page.goto(shopper.address)
    page.get_by_label("Amount (KRW)").fill("-3")
    page.get_by_role("button", name="Top up and pay").click()
    page.get_by_text("Please enter an amount").wait_for()
    assert shopper.balance() == 5_000
    assert Reservation.objects.get().status == "held"


def test_two_clicks_pay_once(shop):
    shopper = shop(balance=5_000)
    page = shopper.page
    page.goto(shopper.address)
    page.get_by_role("button", name="Top up and pay").dblclick()
    page.wait_for_url("**/receipts/*")
    shopper.assert_paid_once()
    assert (
        WalletEntry.objects.filter(kind="charge").count() == 2
    )  # the first 5,000, and 15,000 once


def test_a_lost_answer_is_asked_for_again_and_charges_once(shop):
    shopper = shop(balance=5_000)
    page = shopper.page
    lost = []

    def lose_first(route):
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        return route.abort()

    page.route("**/wallet/charges", lose_first)
    page.goto(shopper.address)
    page.get_by_role("button", name="Top up and pay").click()
    page.wait_for_url("**/receipts/*")
    assert lost == [201]
    shopper.assert_paid_once()
    assert shopper.balance() == 0


def test_reload_and_back_end_at_the_receipt(shop):
    shopper = shop()
    page = shopper.page
    page.goto("/my/reservations")
    page.goto(shopper.address)
    page.get_by_role("button", name="Pay ₩20,000").wait_for()
    page.reload()
    page.get_by_role("button", name="Pay ₩20,000").click()
    page.wait_for_url("**/receipts/*")
    receipt = page.url
    page.reload()
    page.get_by_text("Booked").wait_for()
    page.goto(shopper.address)
    page.wait_for_url(receipt)
    shopper.assert_paid_once()


def test_two_tabs_pay_once(shop):
    shopper = shop()
    first = shopper.page
    second = first.context.new_page()
    for tab in (first, second):
        tab.goto(shopper.address)
        tab.get_by_role("button", name="Pay ₩20,000").wait_for()
    first.get_by_role("button", name="Pay ₩20,000").click()
    first.wait_for_url("**/receipts/*")
    second.get_by_role("button", name="Pay ₩20,000").click()
    second.wait_for_url("**/receipts/*")
    assert first.url == second.url
    shopper.assert_paid_once()


def test_a_hold_that_ends_meanwhile_is_said_with_the_way_back(shop, settings):
    settings.HOLD_SECONDS = 4
    shopper = shop()
    page = shopper.page
    page.goto(shopper.address)
    page.get_by_role("heading", name="The time to pay is over").wait_for()
    way = page.get_by_role("link", name="Choose seats again")
    assert way.get_attribute("href") == f"/concerts/{shopper.performance.concert_id}/seats"
    assert shopper.balance() == 100_000
    page.reload()
    page.get_by_role("heading", name="The time to pay is over").wait_for()


def test_a_deadline_that_only_the_server_knows_of_charges_nothing(shop):
    shopper = shop()
    page = shopper.page
    page.goto(shopper.address)
    button = page.get_by_role("button", name="Pay ₩20,000")
    button.wait_for()
    Reservation.objects.update(
        held_at=F("held_at") - timedelta(hours=1), expires_at=F("expires_at") - timedelta(hours=1)
    )
    button.click()
    page.get_by_role("heading", name="The time to pay is over").wait_for()
    assert shopper.balance() == 100_000
    assert not Payment.objects.exists()


def test_whoever_takes_their_time_stays_inside(shop):
    shopper = shop()
    page = shopper.page
    WaitingRoom.objects.update(idle_seconds=3)
    page.goto(shopper.address)
    # So long without a word would be too long.
    page.get_by_role("timer").filter(has_text=re.compile(r"4:5[0-2]")).wait_for()
    page.get_by_role("button", name="Pay ₩20,000").click()
    page.wait_for_url("**/receipts/*")
    shopper.assert_paid_once()


def test_seats_can_be_given_back(shop):
    shopper = shop()
    page = shopper.page
    page.goto(shopper.address)
    page.get_by_role("button", name="Give the seats back").click()
    page.wait_for_url("**/seats")
    assert Reservation.objects.get().status == "cancelled"


def test_a_reservation_is_paid_from_the_list_and_cancelled_for_the_money(shop):
    shopper = shop()
    page = shopper.page
    reserve(shopper.entry_id, shopper.held)
    page.goto("/my/reservations")
    page.get_by_role("link", name="Pay now").click()
    page.get_by_role("button", name="Pay ₩20,000").click()
    page.wait_for_url("**/receipts/*")
    page.goto("/my/payments")
    page.get_by_role("cell", name="Paid").wait_for()
    page.goto("/my/reservations")
    page.get_by_role("button", name="Cancel booking").click()
    page.get_by_role("button", name="Keep it").click()
    assert Reservation.objects.get().status == "confirmed"
    page.get_by_role("button", name="Cancel booking").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    page.get_by_text("Cancelled by you").wait_for()
    assert Reservation.objects.get().status == "cancelled"
    assert shopper.balance() == 100_000


def test_the_wallet_is_charged_and_tells_its_entries(shop):
    shopper = shop(balance=0)
    page = shopper.page
    page.goto("/my/wallet")
    page.get_by_text("There are no entries yet.").wait_for()
    page.get_by_label("Amount (KRW)").fill("30000")
    page.get_by_role("button", name="Top up").click()
    page.get_by_role("cell", name="₩30,000").first.wait_for()
    assert page.locator("#balance").inner_text() == "₩30,000"
    assert shopper.balance() == 30_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_these_pages(shop, scheme):
    shopper = shop(balance=5_000, viewport=PHONE, color_scheme=scheme)
    page = shopper.page
    for address in (shopper.address, "/my/reservations", "/my/payments", "/my/wallet"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert find_violations(page) == []
    page.goto(shopper.address)
    page.get_by_role("button", name="Top up and pay").click()
    page.get_by_text("Booked").wait_for()
    assert find_violations(page) == []
