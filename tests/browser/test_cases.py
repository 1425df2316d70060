"""Support reads in a real browser why a customer has no seat, and who did what."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils.timezone import now as read_clock

from apps.core.audit import Actor
from apps.payments.services import refund_payment
from apps.reservations.services import expire_holds
from tests.browser.axe import find_violations
from tests.browser.conftest import PHONE
from tests.factories import PerformanceFactory, QueueEntryFactory, UserFactory, make_seats
from tests.reservations.support import make_hold, make_paid

pytestmark = pytest.mark.django_db(transaction=True)

SEEN_BY_SUPPORT = (
    "user", "queueentry", "reservation", "payment", "walletentry", "staffaction",
)  # fmt: skip


@pytest.fixture
def support(make_staff):
    """A member of staff who may look at customers and at what happened to them."""
    user = make_staff(is_superuser=False, email="support@encore.example")
    codenames = [f"view_{name}" for name in SEEN_BY_SUPPORT]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.fixture
def lost():
    """A customer whose hold lapsed, and who took the seats two seconds later."""
    at = read_clock().replace(microsecond=0) - timedelta(hours=1)
    seats = make_seats(PerformanceFactory(at=at), 4)
    customer = UserFactory(email="kim@encore.example")
    rival = UserFactory(email="lee@encore.example")
    entry = QueueEntryFactory(customer=customer, at=at - timedelta(minutes=2), state="ended",
                              ended_at=at + timedelta(minutes=1), end_reason="left")  # fmt: skip
    make_hold(customer, seats[2:4], at=at)
    later = at + timedelta(minutes=5, seconds=2)
    expire_holds(now=later)
    make_paid(rival, seats[2:4], at=later)
    return {"customer": customer, "rival": rival, "entry": entry, "seats": seats, "at": at}


def refund(claim, at):
    refund_payment(
        payment_id=claim.payment_id, actor=Actor(name="지수"), reason="무대 장치", now=at
    )


def shown(page):
    return page.locator(".case-event:visible")


def test_support_reads_why_a_seat_was_lost(open_admin, support, lost):
    page = open_admin("/admin/", user=support)
    page.get_by_role("link", name="Cases").click()
    page.get_by_role("searchbox").fill("KIM@encore.example")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**/cases/customer/*/")
    answer = page.locator(".case-answer").first
    assert re.search(
        r"The seats A 1-3, A 1-4 were held at .+ until [\d:]{8} and were not paid for; they went "
        r"back on sale at [\d:]{8}\.",
        answer.inner_text(),
    )
    assert re.search(r"A 1-3, A 1-4: held by lee@encore.example at [\d:]{8}\.", answer.inner_text())
    # The evidence below: to the second, newest last, with the time between.
    assert "went back on sale" in shown(page).last.inner_text()
    assert "+4 min" in shown(page).last.inner_text()
    assert page.locator(".case-event time").first.inner_text().count(":") == 2


def test_a_refund_by_staff_says_who_and_why(open_admin, support, lost):
    paid = make_paid(lost["customer"], lost["seats"][:1], at=lost["at"])
    refund(paid, lost["at"] + timedelta(minutes=20))
    page = open_admin("/admin/cases/", user=support)
    page.get_by_role("searchbox").fill(f"reservation:{paid.pk}")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/reservation/*/")
    assert "Staff (지수) gave the payment of ₩10,000 back at" in page.inner_text(".case-answers")
    assert "무대 장치" in page.inner_text("#case-events")


def test_the_timeline_is_filtered_without_a_reload(open_admin, support, lost):
    paid = make_paid(lost["customer"], lost["seats"][:1], at=lost["at"])
    refund(paid, lost["at"] + timedelta(minutes=20))
    url = reverse("admin:customer_case", args=[lost["customer"].pk])
    page = open_admin(url, user=support)
    page.evaluate("window.untouched = true")
    everything = shown(page).count()
    counts = {}
    for word in ("Line", "Seats", "Money", "Staff"):
        button = page.get_by_role("button", name=word, exact=True)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        counts[word] = shown(page).count()
    assert counts["Staff"] == 1
    assert "지수" in shown(page).inner_text()
    # The first that is shown follows nothing.
    assert shown(page).locator(".case-gap").inner_text() == ""
    assert sum(counts.values()) == everything
    page.get_by_role("button", name="Money", exact=True).click()
    assert shown(page).nth(3).locator(".case-gap").inner_text() == "+20 min"
    page.get_by_role("button", name="All", exact=True).click()
    assert shown(page).count() == everything
    assert page.evaluate("window.untouched") is True


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("language", "viewport"), [("ko", PHONE), ("en", None)])
def test_it_can_be_used_with_aids_and_on_a_phone(
    open_admin, support, lost, theme, language, viewport
):
    url = reverse("admin:customer_case", args=[lost["customer"].pk])
    options = {"viewport": viewport} if viewport else {}
    page = open_admin(url, user=support, language=language, color_scheme=theme, **options)
    dark = page.evaluate("document.documentElement.classList.contains('dark')")
    assert dark is (theme == "dark")
    assert find_violations(page) == []
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0
    page.goto("/admin/cases/?q=nobody")
    assert find_violations(page) == []


def test_the_log_shows_before_beside_after(open_admin, make_staff, lost):
    paid = make_paid(lost["customer"], lost["seats"][:1], at=lost["at"])
    refund(paid, lost["at"] + timedelta(minutes=20))
    page = open_admin("/admin/core/staffaction/", user=make_staff(), language="en")
    assert "gave a payment back" in page.inner_text("#changelist-form")
    page.locator("#changelist-form tbody th a").first.click()
    row = page.locator(".encore-difference tbody tr").filter(has_text="Status").first
    row.wait_for()
    assert [cell.strip() for cell in row.locator("td").all_inner_texts()] == [
        "confirmed", "cancelled",
    ]  # fmt: skip
    assert find_violations(page) == []


def test_an_edit_takes_a_reason(open_admin, make_staff, lost):
    venue = lost["seats"][0].performance.concert.venue
    url = reverse("admin:concerts_venue_change", args=[venue.pk])
    page = open_admin(url, user=make_staff(), language="en")
    page.fill("#id_name", "다른 공연장")
    page.get_by_label("Reason for the change").fill("간판이 바뀜")
    assert find_violations(page) == []
    page.locator("[name=_save]").click()
    page.wait_for_url("**/concerts/venue/")
    page.goto("/admin/core/staffaction/?q=간판")
    assert "다른 공연장" in page.inner_text("#changelist-form")
