"""The storefront's frame: concerts, searching them, signing in, its strict policy, both languages."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.browser.axe import find_violations
from tests.browser.conftest import DESKTOP, PASSWORD, PHONE
from tests.factories import ConcertFactory, PerformanceFactory, RoomFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def concerts(transactional_db):
    RoomFactory()
    now = timezone.now()
    on_sale = PerformanceFactory(at=now, concert__title="첫눈")
    make_seats(on_sale, 3)
    soon = ConcertFactory(at=now, title="봄비", artist="비", sales_open_at=now + timedelta(days=2))
    return on_sale.concert, soon


@pytest.fixture
def customer(transactional_db):
    user = UserFactory()
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
@pytest.mark.parametrize(
    ("language", "on_sale", "soon"),
    [("ko", "예매 중", "오픈 예정"), ("en", "On sale now", "Opening soon")],
)
def test_concerts_are_found(open_page, concerts, language, viewport, on_sale, soon):
    page = open_page(language=language, viewport=viewport)
    page.goto("/")
    page.get_by_role("heading", name=on_sale).wait_for()
    page.get_by_role("heading", name=soon).wait_for()
    page.fill("#query", "봄")
    page.get_by_role("link", name="첫눈").wait_for(state="detached")
    assert page.get_by_role("link", name="봄비").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/sign-in", "/concerts/{}"])
def test_everybody_can_use_it(open_page, concerts, path, scheme):
    page = open_page(viewport=PHONE, color_scheme=scheme)
    page.goto(path.format(concerts[0].pk))
    page.wait_for_load_state("networkidle")
    assert find_violations(page) == []


def test_signing_in_leads_back(open_page, concerts, customer):
    page = open_page()
    page.goto(f"/sign-in?next=/concerts/{concerts[0].pk}")
    page.fill("#email", customer.email)
    page.fill("#password", "wrong")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").inner_text() == "E-mail address or password is wrong."
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/concerts/{concerts[0].pk}")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").wait_for()


def test_nobody_is_sent_to_another_host(open_page, live_server, concerts, customer):
    page = open_page()
    page.goto("/sign-in?next=//elsewhere.example/")
    page.fill("#email", customer.email)
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{live_server.url}/")


def test_nothing_inline_runs(open_page, concerts):
    page = open_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto("/")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.ran = true'}))"
    )
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in refused)
