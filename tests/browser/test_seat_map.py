"""The seat map in a browser: what is done on it holds for customers, and what others do appears on it."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from apps.concerts.models import Seat
from apps.core.clock import read_clock
from apps.core.models import StaffAction
from apps.reservations.models import ReservationSeat
from tests.browser.axe import find_violations
from tests.browser.conftest import PHONE
from tests.factories import (
    PerformanceFactory,
    QueueEntryFactory,
    RoomFactory,
    UserFactory,
    make_seats,
)
from tests.reservations.support import block, make_hold, make_paid, post_hold

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS, ROWS = 8, 4


@pytest.fixture
def now(transactional_db):
    return read_clock()


@pytest.fixture
def performance(now):
    return PerformanceFactory(at=now, concert__at=now)


@pytest.fixture
def house(performance):
    """Four rows of eight seats: two of section A, two of B."""
    return [
        seat
        for row in range(1, ROWS + 1)
        for seat in make_seats(performance, COLUMNS, section="A" if row < 3 else "B", row=str(row))
    ]


@pytest.fixture
def open_map(open_admin, performance, house):
    """Return a maker of pages that show the map with its seats drawn."""

    def make(**options):
        page = open_admin(f"/admin/seat-map/{performance.pk}/", **options)
        page.wait_for_selector("#seat-map-live[data-state=live]")
        page.wait_for_function("document.getElementById('seat-map').seatMap.drawing.drawnAt")
        return page

    return make


@pytest.fixture
def buyer(now):
    """A client of a customer who is inside."""
    room = RoomFactory(idle_seconds=3_600, session_seconds=3_600)
    entry = QueueEntryFactory(room=room, at=now, admitted=True)
    client = APIClient()
    client.credentials(
        HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(entry.customer)}",
        HTTP_X_QUEUE_TOKEN=f"token-{entry.number}",
    )
    return client


def find_place(page, seat):
    """Return where a seat is on the screen."""
    x, y = page.evaluate(
        "id => { const { drawing, seats } = document.getElementById('seat-map').seatMap;"
        " return drawing.toCss(seats.at.get(id)); }",
        seat.pk,
    )
    box = page.locator("#seat-map-canvas").bounding_box()
    return box["x"] + x, box["y"] + y


def click(page, seat):
    page.mouse.click(*find_place(page, seat))


def count_of(page, state):
    return int(page.locator(f"#seat-map-legend [data-state={state}] b").inner_text())


def wait_for_count(page, state, count):
    page.wait_for_function(
        f"document.querySelector('#seat-map-legend [data-state={state}] b').textContent === '{count}'"
    )


def do(page, act, reason="a camera"):
    """Press an act, give a reason, and return what the page said would happen."""
    page.click(f"[data-act={act}]")
    return finish(page, reason)


def finish(page, reason):
    page.wait_for_selector("#seat-map-dialog[open]")
    told = page.locator("#seat-map-consequences li").all_inner_texts()
    page.fill("#seat-map-reason", reason)
    page.click("#seat-map-do")
    page.wait_for_selector("#seat-map-dialog:not([open])", state="attached")
    return told


def drag(page, start, end, *, shift=False):
    if shift:
        page.keyboard.down("Shift")
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()
    if shift:
        page.keyboard.up("Shift")


def blocked_ids():
    return set(Seat.objects.filter(blocked=True).values_list("pk", flat=True))


def ids(seats):
    return {seat.pk for seat in seats}


def test_seats_blocked_on_the_map_cannot_be_held(open_map, buyer, house):
    page = open_map()
    click(page, house[0])
    click(page, house[1])
    assert do(page, "block") == ["2 free seats go off sale."]
    wait_for_count(page, "blocked", 2)
    assert page.locator("#seat-map-told").inner_text() == "2 seats are blocked."
    answer = post_hold(buyer, house[:2])
    assert (answer.status_code, answer.json()["code"]) == (409, "seat_unavailable")
    assert StaffAction.objects.get().reason == "a camera"
    click(page, house[0])
    assert do(page, "unblock")[0] == "1 seat goes on sale again."
    wait_for_count(page, "blocked", 1)
    assert post_hold(buyer, house[:1]).status_code == 201


def test_without_a_reason_the_dialog_says_so_and_nothing_is_done(open_map, house):
    page = open_map()
    click(page, house[0])
    page.click("[data-act=block]")
    page.wait_for_selector("#seat-map-dialog[open]")
    page.click("#seat-map-do")
    page.wait_for_function("document.getElementById('seat-map-problem').textContent")
    assert page.locator("#seat-map-dialog").is_visible()
    assert blocked_ids() == set()


def test_a_hold_is_released(open_map, now, house):
    claim = make_hold(UserFactory(), house[:2], at=now)
    page = open_map()
    assert count_of(page, "held") == 2
    click(page, house[0])
    told = do(page, "release", "asked by telephone")
    assert told[1] == "Free again: A 1-1, A 1-2"
    wait_for_count(page, "held", 0)
    claim.refresh_from_db()
    assert (claim.status, claim.end_cause) == ("cancelled", "staff")


def test_a_reservation_is_moved(open_map, now, house):
    claim = make_paid(UserFactory(), house[:2], at=now)
    page = open_map()
    click(page, house[0])
    page.click("[data-more=reservation]")
    page.click("[data-act=move]")
    assert page.locator("#seat-map-move-on").is_disabled()
    click(page, house[9])
    click(page, house[1])  # one of its own: refused
    assert "not free" in page.locator("#seat-map-told").inner_text()
    click(page, house[10])
    page.click("#seat-map-move-on")
    assert finish(page, "a pillar")[:2] == ["A 1-1 → A 2-2", "A 1-2 → A 2-3"]
    page.wait_for_function("document.getElementById('seat-map-told').dataset.kind === 'done'")
    lines = ReservationSeat.objects.filter(reservation=claim).values_list("seat", flat=True)
    assert set(lines) == ids(house[9:11])
    page.wait_for_function(
        "id => { const { seats } = document.getElementById('seat-map').seatMap;"
        " return seats.state[seats.at.get(id)] === 3; }",
        arg=house[9].pk,
    )


def test_what_happens_elsewhere_appears_by_itself(open_map, buyer, house):
    page = open_map()
    assert count_of(page, "held") == 0
    assert post_hold(buyer, house[:3]).status_code == 201
    wait_for_count(page, "held", 3)
    block(house[5])
    wait_for_count(page, "blocked", 1)
    make_hold(UserFactory(), house[8:10], at=read_clock() - timedelta(seconds=292))
    wait_for_count(page, "held", 5)
    wait_for_count(page, "held", 3)  # its time is over


def test_it_stays_calm_while_the_server_fails(open_map, house):
    page = open_map()
    page.route("**/seats/?since=*", lambda route: route.abort())
    page.wait_for_selector("#seat-map-live[data-state=offline]")
    block(house[0])
    page.unroute("**/seats/?since=*")
    page.wait_for_selector("#seat-map-live[data-state=live]")
    wait_for_count(page, "blocked", 1)


def test_a_row_a_section_and_a_rectangle_are_selected(open_map, house):
    page = open_map()
    page.click("[data-unit=row]")
    click(page, house[0])
    assert "Selected: 8" in page.locator("#seat-map-chosen").inner_text()
    page.click("[data-unit=section]")
    click(page, house[0])
    assert "Selected: 16" in page.locator("#seat-map-chosen").inner_text()
    page.click("#seat-map-clear")
    (left, top), (right, bottom) = find_place(page, house[9]), find_place(page, house[18])
    drag(page, (left - 8, top - 8), (right + 8, bottom + 8), shift=True)
    assert "Selected: 4" in page.locator("#seat-map-chosen").inner_text()
    do(page, "block")
    wait_for_count(page, "blocked", 4)
    assert blocked_ids() == ids([house[9], house[10], house[17], house[18]])


def test_the_map_is_moved_and_zoomed(open_map, house):
    page = open_map()
    before = find_place(page, house[12])
    page.mouse.move(*before)
    page.mouse.wheel(0, -400)
    page.wait_for_function("!document.getElementById('seat-map').seatMap.drawing.fitted")
    zoomed = find_place(page, house[12])
    assert zoomed == pytest.approx(before, abs=2)  # what is under the pointer stays there
    drag(page, zoomed, (zoomed[0] - 60, zoomed[1] + 20))
    assert find_place(page, house[12]) == pytest.approx((zoomed[0] - 60, zoomed[1] + 20), abs=6)
    assert "No seat" in page.locator("#seat-map-chosen").inner_text()
    page.click("[data-zoom=fit]")
    assert find_place(page, house[12]) == pytest.approx(before, abs=2)


def test_a_seat_says_who_has_it_to_those_who_may_know(open_map, make_staff, now, house):
    claim = make_hold(UserFactory(), house[:1], at=now)
    page = open_map()
    click(page, house[0])
    link = page.get_by_role("link", name=f"Reservation {claim.pk}")
    assert link.get_attribute("href").endswith(f"/reservations/reservation/{claim.pk}/change/")
    assert page.get_by_role("link", name=claim.customer.email).is_visible()


def test_with_the_keyboard_alone_seats_are_selected_and_blocked(open_map, house):
    page = open_map()
    page.focus("#seat-map-canvas")
    page.keyboard.press("ArrowRight")  # to the first seat
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert "row 2, seat 2" in page.locator("#seat-map-spoken").inner_text()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    page.focus("[data-act=block]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#seat-map-dialog[open]")
    page.keyboard.type("a camera")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_for_count(page, "blocked", 2)
    assert blocked_ids() == ids(house[8:10])


def test_in_the_list_seats_are_selected_and_blocked(open_map, house):
    page = open_map(viewport=PHONE)
    page.click("[data-view=list]")
    page.select_option("#seat-map-list-section", label="B")
    page.click("#seat-map-list-on")
    page.get_by_role("checkbox", name="Section B, row 4, seat 2").check()
    do(page, "block")
    page.get_by_role("row", name="Off sale · a camera").wait_for()
    assert blocked_ids() == {house[25].pk}
    page.click("#seat-map-list-back")
    page.click("#seat-map-list-all")
    assert "Selected: 8" in page.locator("#seat-map-chosen").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_used_with_aids(open_map, now, house, theme):
    make_hold(UserFactory(), house[:2], at=now)
    page = open_map(color_scheme=theme)
    assert find_violations(page) == []
    click(page, house[0])
    page.get_by_role("link", name="Reservation").wait_for()
    page.click("[data-view=list]")
    assert find_violations(page) == []
    page.click("[data-act=block]")
    page.wait_for_selector("#seat-map-dialog[open]")
    assert find_violations(page) == []


def test_it_speaks_korean(open_map, house):
    page = open_map(language="ko")
    page.focus("#seat-map-canvas")
    page.keyboard.press("ArrowRight")
    assert "A 구역 1열 1번" in page.locator("#seat-map-spoken").inner_text()
    assert page.locator("#seat-map-live").inner_text() == "실시간"
