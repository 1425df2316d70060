"""A clerk makes a concert: the plan of a venue, prices, a performance with its seats; and publishes it."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from apps.concerts.models import Concert, PlanSeat, Seat, SeatingPlan
from tests.browser.axe import find_violations
from tests.browser.conftest import PHONE
from tests.factories import ConcertFactory, PerformanceFactory, RoomFactory, VenueFactory

pytestmark = pytest.mark.django_db(transaction=True)

REASON = "올해의 공연"
SEATS_FILE = """section,row,number,grade,x,y
B,1,1,R,0,1
B,1,2,R,1,1
"""


def draw_plan(page, venue):
    """Draw a plan with two sections, and look at its picture before it is saved."""
    page.goto(f"/admin/concerts/seatingplan/add/?venue={venue.pk}")
    expect(page.locator("#plan-count")).to_have_text("200 seats")
    page.fill("#id_name", "Whole house")
    page.fill("#id_sections-0-rows", "3")
    page.fill("#id_sections-0-seats_per_row", "4")
    expect(page.locator("#plan-count")).to_have_text("12 seats")
    page.click("#plan-section-add")
    page.fill("#id_sections-1-grade", "R")
    page.fill("#id_sections-1-rows", "2")
    page.fill("#id_sections-1-curve", "60")
    expect(page.locator("#plan-count")).to_have_text("20 seats")
    expect(page.locator("#plan-grades li")).to_have_text(["VIP: 12 seats", "R: 8 seats"])
    assert not SeatingPlan.objects.exists()


def fill_concert(page, venue):
    page.goto("/admin/concerts/concert/add/")
    page.fill("#id_title", "First Snow")
    page.fill("#id_artist", "서하린")
    page.fill("#id_slug", "first-snow")
    # The chooser of venues looks for them as one types.
    page.evaluate(
        """([pk, name]) => {
            const chooser = document.getElementById("id_venue");
            chooser.append(new Option(name, pk, true, true));
        }""",
        [venue.pk, venue.name],
    )
    page.fill("#id_sales_open_at_0", "2020-01-01")
    page.fill("#id_sales_open_at_1", "10:00:00")
    page.fill("#id_sales_close_at_0", "2190-12-24")
    page.fill("#id_sales_close_at_1", "18:00:00")
    page.click("[name=_continue]")
    expect(page.locator("#readiness")).to_be_visible()


def set_price(page, change, index, grade, price):
    """Add a price to the concert by its form."""
    page.goto(change)
    page.locator("#prices-group").get_by_text("Add another").click()
    page.fill(f"#id_prices-{index}-grade", grade)
    page.fill(f"#id_prices-{index}-price", price)
    page.click("[name=_continue]")
    expect(page.locator(f"#id_prices-{index}-id")).not_to_have_value("")


def give_reason(page):
    page.fill("#id_reason", REASON)
    page.click("#confirm button[type=submit]")


def test_a_clerk_makes_a_concert_from_the_plan_to_the_api(open_admin):
    RoomFactory()
    venue = VenueFactory(name="한빛홀")
    page = open_admin(language="en")
    draw_plan(page, venue)
    page.click("#plan-form button[type=submit]")
    page.wait_for_url(re.compile(r"/seatingplan/\d+/change/"))
    assert PlanSeat.objects.count() == 20

    fill_concert(page, venue)
    concert = Concert.objects.get()
    change = page.url
    page.goto(change.replace("/change/", "/publish/"))
    told = page.locator("#readiness").inner_text()
    assert "It has no performance yet." in told
    assert "It has no prices yet" in told
    assert not Concert.objects.get().published

    set_price(page, change, 0, "VIP", "154000")
    page.goto(change.replace("/change/", "/add-performances/"))
    page.fill("#id_starts", "2190-12-24 19:00")
    give_reason(page)
    assert "These grades have no price in the concert: R." in page.content()
    assert not concert.performances.exists()

    set_price(page, change, 1, "R", "99000")
    page.goto(change.replace("/change/", "/add-performances/"))
    page.fill("#id_starts", "2190-12-24 19:00")
    give_reason(page)
    page.wait_for_url("**/change/")
    assert Seat.objects.filter(performance__concert=concert).count() == 20

    page.goto(change.replace("/change/", "/publish/"))
    give_reason(page)
    page.wait_for_url("**/change/")
    told = page.request.get(f"/api/v1/concerts/{concert.pk}").json()
    assert (told["title"], told["first_date"], told["price_max"]) == (
        "First Snow",
        "2190-12-24",
        154_000,
    )
    page.goto("/admin/concerts/concert/")
    assert "0 / 20" in page.locator("#result_list").inner_text()


def test_a_file_is_shown_before_it_is_saved_and_its_errors_have_their_line(open_admin):
    venue = VenueFactory()
    page = open_admin(f"/admin/concerts/seatingplan/add/?venue={venue.pk}", language="en")
    page.fill("#id_name", "From a file")
    page.check("[name=source][value=file]")

    def upload(text):
        file = {"name": "seats.csv", "mimeType": "text/csv", "buffer": text.encode()}
        page.set_input_files("#id_file", file)

    upload(SEATS_FILE + "B,1,2,R,2,1\nB,1,3,R,far,1\n")
    expect(page.locator("#plan-problems li")).to_have_text(
        [
            "Line 4: seat B 1-2 is there already: Line 3.",
            "Line 5, x: it should be a number, is “far”.",
        ]
    )
    upload(SEATS_FILE)
    expect(page.locator("#plan-problems li")).to_have_count(0)
    expect(page.locator("#plan-count")).to_have_text("2 seats")
    assert not SeatingPlan.objects.exists()
    page.click("#plan-form button[type=submit]")
    page.wait_for_url(re.compile(r"/seatingplan/\d+/change/"))
    assert SeatingPlan.objects.get().seat_count == 2


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_the_pages_can_be_used_with_aids(open_admin, language, viewport):
    RoomFactory()
    concert = ConcertFactory(published=False)
    show = PerformanceFactory(concert=concert, starts_at=datetime(2190, 12, 24, 10, tzinfo=UTC))
    options = {"viewport": viewport} if viewport else {}
    page = open_admin(language=language, **options)
    draw = f"/admin/concerts/seatingplan/add/?venue={concert.venue_id}"
    for path in (
        draw,
        f"/admin/concerts/concert/{concert.pk}/change/",
        f"/admin/concerts/concert/{concert.pk}/publish/",
        f"/admin/concerts/concert/{concert.pk}/add-performances/",
        f"/admin/concerts/performance/{show.pk}/make-seats/",
        f"/admin/concerts/performance/{show.pk}/call-off/",
        "/admin/concerts/concert/",
        "/admin/concerts/concert/import/",
    ):
        page.goto(path)
        assert find_violations(page) == [], path
