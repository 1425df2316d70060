"""The front page in a browser: it shows its figures, and keeps them new by itself."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from playwright.sync_api import expect

from apps.concerts.models import Concert
from apps.queue.models import Turnstile
from apps.reservations.models import Reservation
from apps.reservations.transitions import cancel
from tests.browser.axe import find_violations
from tests.browser.conftest import DESKTOP, PHONE
from tests.factories import NOW, RoomFactory, UserFactory, make_seats
from tests.reservations.support import block, make_hold, make_paid

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("clock_at_now", "performance"),
]

DATA = "/admin/front-page/"
REFRESH_MS = 5_000


@pytest.fixture
def performance(transactional_db, performance):
    """One with four seats: two sold, one held, one blocked."""
    seats = make_seats(performance, 4)
    make_paid(UserFactory(), seats[:2])
    make_hold(UserFactory(), seats[2:3])
    make_hold(UserFactory(), make_seats(performance, 1, row="2"), at=NOW - timedelta(hours=1))
    block(seats[3])
    Turnstile.objects.update(waiting=1234, admitted=56, counted_at=NOW)
    return performance


@pytest.fixture
def open_front_page(open_admin):
    """Return a maker of front pages whose clock the test moves."""

    def make(**options):
        page = open_admin(**options)
        page.clock.install()
        page.reload()
        return page

    return make


def seats_of(page):
    return page.locator("#front-page [data-place=concerts] > li").first


def free_the_hold():
    """Change the figures, as much later as they are kept."""
    for hold in Reservation.objects.filter(status="held"):
        cancel(hold, now=NOW)
    cache.clear()


def test_it_shows_numbers_and_words_beside_its_charts(open_front_page):
    page = open_front_page()
    concert = seats_of(page)
    expect(concert).to_contain_text("첫눈 콘서트")
    for word, number in (("Sold", "2 (40%)"), ("Held", "1"), ("Free", "1"), ("Blocked", "1")):
        fact = concert.locator("dl > div").filter(has=page.get_by_text(word, exact=True))
        expect(fact.locator("dd")).to_have_text(number)
    room = page.locator("[data-place=rooms] > li")
    expect(room.locator("[data-field=waiting]")).to_have_text("1,234")
    expect(room.locator("[data-field=inside]")).to_have_text("56 / 500")
    expect(page.locator("[data-place=money] [data-field=sum]")).to_have_text("₩20,000")
    expect(page.locator("[data-place=lapses] [data-field=sum]")).to_have_text("1")
    expect(page.locator("[data-place=guard-ran]")).to_have_text("never")
    expect(page.locator("[data-place=work] tr").first).to_have_text("Letting people inneverlate")
    expect(page.locator("[data-place=at]")).to_have_text("As of 10:00:00")


def test_every_chart_is_drawn_and_says_the_same_in_words(open_front_page):
    page = open_front_page()
    drawn = page.locator("#front-page canvas")
    assert drawn.count() == 6
    for chart in drawn.all():
        assert chart.evaluate("canvas => Boolean(Chart.getChart(canvas)) && canvas.width > 0")
    expect(seats_of(page).get_by_role("img")).to_have_accessible_name(
        "첫눈 콘서트: Sold 2, Reserved 0, Held 1, Free 1, Blocked 1"
    )
    expect(page.locator("[data-place=money]").get_by_role("img")).to_have_accessible_name(
        "₩20,000. paid ₩20,000, refunded ₩0"
    )


def test_performances_and_hours_fold_out(open_front_page):
    page = open_front_page()
    seats_of(page).get_by_text("By performance").click()
    cells = seats_of(page).locator("details tbody tr td")
    assert cells.all_inner_texts() == ["2", "0", "1", "1", "1"]
    page.locator("[data-place=money]").get_by_text("By hour").click()
    last = page.locator("[data-place=money] tbody tr").last
    assert last.locator("th, td").all_inner_texts() == ["10:00", "₩20,000", "₩0", "₩20,000"]


def test_it_refreshes_by_itself(open_front_page):
    page = open_front_page()
    held = seats_of(page).locator("[data-field=held]").first
    expect(held).to_have_text("1")
    seats_of(page).locator("summary").focus()
    free_the_hold()
    page.clock.run_for(REFRESH_MS)
    expect(held).to_have_text("0")
    expect(seats_of(page).locator("summary")).to_be_focused()
    Concert.objects.update(sale_stopped_at=NOW, sale_stopped_reason="a seat is sold twice")
    cache.clear()
    page.clock.run_for(REFRESH_MS)
    expect(seats_of(page).get_by_text("sale stopped")).to_be_visible()
    expect(page.locator("[data-place=alerts]")).to_contain_text("Sales stopped: 1")


def test_what_comes_and_goes_is_shown_and_taken_away(open_front_page):
    page = open_front_page()
    rooms = page.locator("[data-place=rooms] > li")
    expect(rooms).to_have_count(1)
    other = RoomFactory(slug="other", name="Other")
    Turnstile.objects.filter(room=other).update(waiting=9_999)
    Concert.objects.update(published=False)
    cache.clear()
    page.clock.run_for(REFRESH_MS)
    expect(rooms.locator("h3")).to_have_text(["Other", "Encore"])
    expect(page.get_by_text("No concert is on sale.")).to_be_visible()


def test_it_goes_on_after_the_server_failed(open_front_page):
    page = open_front_page()
    held = seats_of(page).locator("[data-field=held]").first
    trouble = page.locator("[data-place=trouble]")
    page.route(f"**{DATA}", lambda route: route.fulfill(status=500), times=1)
    free_the_hold()
    page.clock.run_for(REFRESH_MS)
    expect(trouble).to_contain_text("no new figures")
    expect(held).to_have_text("1")
    expect(page.locator("[data-place=at]")).to_have_text("As of 10:00:00")
    page.clock.run_for(REFRESH_MS)
    expect(held).to_have_text("0")
    expect(trouble).to_be_empty()


def test_it_goes_on_after_the_server_was_away(open_front_page):
    page = open_front_page()
    page.route(f"**{DATA}", lambda route: route.abort(), times=1)
    page.clock.run_for(REFRESH_MS)
    expect(page.locator("[data-place=trouble]")).to_contain_text("no new figures")
    page.clock.run_for(REFRESH_MS)
    expect(page.locator("[data-place=trouble]")).to_be_empty()


def test_whoever_was_signed_out_is_told(open_front_page):
    page = open_front_page()
    page.context.clear_cookies()
    page.clock.run_for(REFRESH_MS)
    expect(page.locator("[data-place=trouble]")).to_contain_text("You are signed out")
    expect(seats_of(page).locator("[data-field=held]").first).to_have_text("1")


def test_a_hidden_tab_asks_for_nothing_until_it_is_seen_again(open_front_page):
    page = open_front_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if DATA in request.url else None)
    hide = """hidden => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    page.clock.run_for(12 * REFRESH_MS)
    assert asked == []
    free_the_hold()
    page.evaluate(hide, False)
    expect(seats_of(page).locator("[data-field=held]").first).to_have_text("0")
    assert len(asked) == 1


def test_a_section_that_one_may_not_see_is_not_there(open_front_page, make_staff):
    clerk = make_staff(is_superuser=False)
    clerk.user_permissions.add(Permission.objects.get(codename="view_concert"))
    page = open_front_page(user=clerk)
    expect(seats_of(page)).to_be_visible()
    for name in ("money", "rooms", "findings", "work"):
        assert page.locator(f"[data-place={name}]").count() == 0
    free_the_hold()
    page.clock.run_for(REFRESH_MS)
    expect(seats_of(page).locator("[data-field=held]").first).to_have_text("0")


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_can_be_read_on_any_screen_in_both_themes_and_with_aids(
    open_front_page, language, viewport
):
    page = open_front_page(language=language, viewport=viewport)
    seats_of(page).locator("summary").click()
    for dark in (False, True):
        page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", dark)
        assert find_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_charts_take_the_colours_of_the_theme(open_front_page):
    page = open_front_page()
    read = """() => Chart.getChart(document.querySelector('[data-place=concerts] canvas'))
        .data.datasets[0].backgroundColor"""
    light = page.evaluate(read)
    page.evaluate("document.documentElement.classList.add('dark')")
    page.wait_for_function(f"light => ({read})() !== light", arg=light)
