"""Choosing seats: the whole way by clicks and by keyboard alone, races, live changes, and what is told."""

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import expect

from apps.concerts.models import Concert, Performance, Seat
from apps.core.db import transaction
from apps.payments.models import Payment
from apps.queue.models import QueueEntry
from apps.queue.services import issue_token
from apps.queue.transitions import end_entry, lock_entry
from apps.reservations.models import Reservation
from apps.reservations.services import hold_seats
from tests.browser.axe import find_violations
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.shopping import TITLE, enter, make_customer, put_on_sale, sign_in
from tests.factories import PerformanceFactory, UserFactory, make_seats

pytestmark = pytest.mark.django_db(transaction=True)

MAP = {"ko": "좌석 배치도", "en": "Map of the seats"}
LIST = {"ko": "목록", "en": "List"}
HOLD = {"ko": "좌석 선택 완료", "en": "Hold these seats"}


@pytest.fixture
def performance(transactional_db):
    """Two rows of five VIP seats and one of R seats, on sale now."""
    performance = put_on_sale(5)
    make_seats(performance, 5, row="2")
    make_seats(performance, 5, row="3", price=7_000)
    Seat.objects.filter(performance=performance, row="3").update(grade="R")
    return performance


@pytest.fixture
def shop(open_page, performance):
    """Return a maker of pages on which a customer who is inside chooses seats: `shop(customer=…, **page)`."""

    def make(*, customer=None, query="", **options):
        page = open_page(**options)
        customer = customer or make_customer(balance=100_000)
        sign_in(page, customer)
        page.entry_id = enter(page, customer, performance)
        page.goto(f"/concerts/{performance.concert_id}/seats{query}")
        return page

    return make


def seat_of(performance, row, number):
    return performance.seats.get(row=str(row), number=str(number))


def wait_until(page, condition):
    """Wait until JavaScript, which may use `drawing`, is true. (Playwright's own waiting needs an eval
    that the page's policy forbids.)"""
    page.evaluate(
        "async () => { for (;;) {"
        " const { drawing } = document.getElementById('seat-map').seatMap ?? {};"
        f" if (drawing && ({condition})) return;"
        " await new Promise(requestAnimationFrame); } }"
    )


def position_of(page, seat):
    """Return where a seat is on the map, once it is drawn."""
    wait_until(page, "drawing.drawnAt")
    return page.evaluate(
        "(id) => { const { drawing, seats } = document.getElementById('seat-map').seatMap;"
        " const [x, y] = drawing.toCss(seats.at.get(id)); return { x, y }; }",
        seat.pk,
    )


def tap(page, seat):
    """Click a seat on the map."""
    canvas = page.get_by_role("application")
    canvas.scroll_into_view_if_needed()
    canvas.click(position=position_of(page, seat))


def chosen(page):
    """Return the chosen seats as they are listed."""
    return page.locator("#chosen-list li > span").all_inner_texts()


def wait_for_chosen(page, count):
    expect(page.locator("#chosen-list li")).to_have_count(count)


def take_elsewhere(performance, *seats, customer=None):
    """Hold seats from another browser; return the hold."""
    customer = customer or UserFactory()
    concert = performance.concert
    issued = issue_token(customer_id=customer.pk, room_slug=concert.room, now=timezone.now())
    return hold_seats(
        entry_id=issued.status.entry.pk,
        concert_id=concert.pk,
        date=performance.date,
        seat_ids=[seat.pk for seat in seats],
        now=timezone.now(),
    )


def use_list(page):
    """Show the seats as a list."""
    page.get_by_role("button", name="List", exact=True).click()


def pick_from_list(page, name):
    page.get_by_role("button", name=name).click()


def press_until_focused(page, locator):
    """Go on with the tabulator until the element has the focus."""
    for _press in range(40):
        if locator.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"never focused: {locator}")


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
@pytest.mark.parametrize(
    ("language", "enter_word", "pay", "heading"),
    [
        ("ko", "예매하기", "결제하기", "선택한 좌석"),
        ("en", "Book seats", "Pay", "Your seats"),
    ],
)
def test_from_the_concert_to_the_receipt(
    open_page, performance, language, viewport, enter_word, pay, heading
):
    page = open_page(language=language, viewport=viewport)
    customer = make_customer(balance=100_000)
    sign_in(page, customer)
    page.goto("/")
    page.get_by_role("link", name=TITLE).click()
    page.get_by_role("link", name=enter_word).click()
    page.wait_for_url("**/seats*")
    page.get_by_role("heading", name=heading).wait_for()
    assert page.get_by_role("application", name=MAP[language]).is_visible()
    tap(page, seat_of(performance, 1, 2))
    tap(page, seat_of(performance, 3, 3))
    wait_for_chosen(page, 2)
    assert "17,000" in page.locator("#chosen-total").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name=HOLD[language]).click()
    page.wait_for_url("**/checkout/*")
    page.get_by_role("button", name=pay).click()
    page.wait_for_url("**/receipts/*")
    page.get_by_text(TITLE).wait_for()
    payment = Payment.objects.get()
    assert payment.reservation.customer_id == customer.pk
    assert {line.seat.number for line in payment.reservation.lines.all()} == {"2", "3"}


def test_reload_and_back_at_every_step(open_page, performance):
    page = open_page()
    customer = make_customer(balance=100_000)
    sign_in(page, customer)
    concert = f"/concerts/{performance.concert_id}"
    page.get_by_role("link", name=TITLE).click()
    page.reload()
    page.get_by_role("link", name="Book seats").click()
    page.wait_for_url(f"**{concert}/seats*")
    number = QueueEntry.objects.get().number
    page.reload()
    page.go_back()
    page.get_by_role("link", name="Book seats").wait_for()
    page.go_forward()
    tap(page, seat_of(performance, 1, 2))
    wait_for_chosen(page, 1)
    page.reload()
    wait_for_chosen(page, 1)
    page.get_by_role("button", name="Hold these seats").click()
    page.wait_for_url("**/checkout/*")
    checkout = page.url
    page.go_back()
    page.get_by_role("link", name=re.compile("A, row 1, seat 2|Pay")).first.wait_for()
    page.go_forward()
    page.wait_for_url(checkout)
    page.reload()
    page.get_by_role("button", name="Pay ₩10,000").click()
    page.wait_for_url("**/receipts/*")
    page.go_back()
    page.wait_for_url(f"**{concert}/seats*")
    page.go_forward()
    page.get_by_text("Booked").wait_for()
    page.goto(checkout)
    page.wait_for_url("**/receipts/*")
    assert QueueEntry.objects.get().number == number
    assert Payment.objects.count() == Reservation.objects.count() == 1


def test_the_keyboard_alone_is_enough(open_page, performance):
    customer = make_customer(balance=100_000)
    page = open_page()
    page.goto(f"/concerts/{performance.concert_id}/line")
    page.wait_for_url("**/sign-in?next=*")
    press_until_focused(page, page.locator("#email"))
    page.keyboard.type(customer.email)
    page.keyboard.press("Tab")
    page.keyboard.type("a quiet long password")
    page.keyboard.press("Enter")
    page.wait_for_url("**/seats*")
    position_of(page, seat_of(performance, 1, 1))
    press_until_focused(page, page.get_by_role("application"))
    # The first free seat, to its right, and a row further.
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Space"):
        page.keyboard.press(key)
    page.get_by_text("A, row 2, seat 2, VIP, ₩10,000, chosen").wait_for(state="attached")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    wait_for_chosen(page, 2)
    press_until_focused(page, page.get_by_role("button", name="Hold these seats"))
    page.keyboard.press("Space")
    page.wait_for_url("**/checkout/*")
    pay = page.get_by_role("button", name="Pay ₩20,000")
    pay.wait_for()
    press_until_focused(page, pay)
    page.keyboard.press("Enter")
    page.wait_for_url("**/receipts/*")
    lines = Payment.objects.get().reservation.lines.all()
    assert {(line.seat.row, line.seat.number) for line in lines} == {("2", "1"), ("2", "2")}


def test_the_second_of_two_is_told_and_takes_an_alternative(shop, performance):
    wanted = [seat_of(performance, 1, number) for number in (1, 2)]
    second = shop()
    # Nothing is heard of the other until both want to hold.
    second.route("**/seats?*since=*", lambda route: route.abort())
    for seat in wanted:
        tap(second, seat)
    first = shop(customer=make_customer())
    tap(first, wanted[0])
    first.get_by_role("button", name="Hold these seats").click()
    first.wait_for_url("**/checkout/*")
    second.unroute("**/seats?*since=*")
    second.get_by_role("button", name="Hold these seats").click()
    heading = second.get_by_role("heading", name="Somebody was faster")
    heading.wait_for()
    assert heading.evaluate("(element) => element === document.activeElement")
    assert second.get_by_text("Taken by somebody else: A 1-1.").is_visible()
    assert chosen(second) == ["A, row 1, seat 2\nVIP, ₩10,000"]
    assert find_violations(second) == []
    offers = second.get_by_role("button", name="Take these:")
    assert offers.count() == 3
    assert offers.first.inner_text() == "Take these: A 1-2, A 1-3"
    offers.first.click()
    second.wait_for_url("**/checkout/*")
    held = Reservation.objects.order_by("pk").last()
    assert {line.seat.number for line in held.lines.all()} == {"2", "3"}
    assert Reservation.objects.count() == 2


def test_what_is_taken_elsewhere_is_seen_without_a_reload(shop, performance):
    page = shop()
    use_list(page)
    seat = page.get_by_role("button", name="A, row 1, seat 3, VIP")
    seat.wait_for()
    assert seat.get_attribute("aria-disabled") == "false"
    pick_from_list(page, "A, row 1, seat 4, VIP")
    third, fourth = (seat_of(performance, 1, number) for number in (3, 4))
    hold = take_elsewhere(performance, third, fourth)
    page.get_by_role("button", name="A, row 1, seat 3, VIP, ₩10,000, taken").wait_for()
    page.get_by_text("Somebody else has just taken A 1-4.").wait_for()
    wait_for_chosen(page, 0)
    assert "8 left" in page.get_by_role("list", name="Grades and prices").inner_text()
    seat.click(force=True)
    wait_for_chosen(page, 0)
    Reservation.objects.filter(pk=hold.pk).update(
        held_at=F("held_at") - timedelta(hours=1), expires_at=timezone.now()
    )
    page.get_by_role("button", name="A, row 1, seat 3, VIP, ₩10,000, free").wait_for()


def test_a_late_answer_about_the_place_does_not_put_the_seats_off(shop, performance):
    page = shop()
    late = []

    def keep_back(route):
        late.append(route)

    page.route("**/queue/tokens/current", keep_back)
    page.reload()
    use_list(page)
    page.get_by_role("button", name="A, row 1, seat 3, VIP, ₩10,000, free").wait_for()
    assert late
    for route in late:
        route.continue_()
    take_elsewhere(performance, seat_of(performance, 1, 3))
    # Far sooner than the place would be asked for again.
    page.get_by_role("button", name="A, row 1, seat 3, VIP, ₩10,000, taken").wait_for(timeout=9_000)


def test_too_many_seats_are_told_with_the_limit(shop, performance):
    Concert.objects.update(seats_per_customer=2)
    page = shop()
    use_list(page)
    for number in (1, 2, 3):
        pick_from_list(page, f"A, row 1, seat {number},")
    page.get_by_role("button", name="Hold these seats").click()
    page.get_by_text("You can have 2 seats of this performance at most").wait_for()
    assert not Reservation.objects.exists()
    page.get_by_role("button", name="Deselect A, row 1, seat 3").click()
    page.get_by_role("button", name="Hold these seats").click()
    page.wait_for_url("**/checkout/*")


@pytest.mark.parametrize(
    ("language", "question", "date", "show"),
    [
        ("ko", "회차를 선택해 주세요", "날짜", "회차"),
        ("en", "Choose a performance", "Date", "Performance"),
    ],
)
def test_two_shows_on_one_date_are_told_apart(shop, performance, language, question, date, show):
    late = Performance.objects.create(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(hours=1)
    )
    if late.date != performance.date:
        late.starts_at = performance.starts_at - timedelta(hours=1)
        late.save()
    make_seats(late, 2)
    page = shop(language=language, viewport=PHONE)
    shows = page.get_by_label(show, exact=True)
    shows.wait_for()
    assert shows.locator("option:checked").inner_text() == question
    assert page.get_by_role("application").is_hidden()
    shows.select_option(str(late.pk))
    page.get_by_role("application").wait_for()
    tap(page, seat_of(late, 1, 2))
    wait_for_chosen(page, 1)
    page.reload()
    wait_for_chosen(page, 1)
    assert shows.input_value() == str(late.pk)
    assert page.get_by_label(date, exact=True).input_value() == str(late.date)
    page.get_by_role("button", name=HOLD[language]).click()
    page.wait_for_url("**/checkout/*")
    assert Reservation.objects.get().performance_id == late.pk


def test_a_date_is_chosen_and_named_by_the_address(shop, performance):
    other = PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(days=2)
    )
    make_seats(other, 3)
    page = shop()
    dates = page.get_by_label("Date", exact=True)
    dates.wait_for()
    assert dates.input_value() == ""
    assert page.get_by_role("application").is_hidden()
    dates.select_option(str(other.date))
    page.get_by_role("application").wait_for()
    assert page.url.endswith(f"?date={other.date}&performance={other.pk}")
    page.goto(f"/concerts/{performance.concert_id}/seats?date={performance.date}")
    page.get_by_role("application").wait_for()
    assert dates.input_value() == str(performance.date)


def test_no_free_date_is_said(shop, performance):
    Seat.objects.update(blocked=True, blocked_reason="camera")
    page = shop(viewport=PHONE)
    page.get_by_text("No seats are free at the moment.").wait_for()
    Seat.objects.update(blocked=False, blocked_reason="")
    page.get_by_role("button", name="Look again").click()
    page.get_by_role("application").wait_for()
    assert page.get_by_text("No seats are free at the moment.").is_hidden()


@pytest.mark.parametrize(
    ("language", "heading"),
    [("ko", "대기열에서 나왔습니다"), ("en", "You are no longer in line")],
)
def test_who_is_out_of_line_is_told(shop, performance, language, heading):
    page = shop(language=language)
    page.get_by_role("application").wait_for()
    with transaction():
        entry = lock_entry(page.entry_id)
        end_entry(entry, reason=QueueEntry.EndReason.REMOVED, now=timezone.now())
    page.locator("#out-of-line h1").wait_for()
    way = page.locator("#out-of-line a")
    assert way.get_attribute("href") == f"/concerts/{performance.concert_id}/line"
    assert page.get_by_role("application").is_hidden()


def test_who_never_was_in_line_is_led_there(open_page, performance):
    page = open_page()
    sign_in(page, make_customer())
    page.goto(f"/concerts/{performance.concert_id}/seats")
    page.get_by_role("link", name="Join the line again").click()
    page.wait_for_url("**/seats*")
    page.get_by_role("application").wait_for()


def test_the_end_of_the_session_is_counted_down_to(shop, performance):
    page = shop()
    left = page.locator("#session")
    expect(left).to_have_text(re.compile(r"^(9|10) minutes left to choose and pay$"))
    QueueEntry.objects.update(session_expires_at=timezone.now())
    page.get_by_text("Your time inside is over").wait_for()


def test_a_hold_that_exists_is_shown_with_the_way_to_pay(shop, performance):
    customer = make_customer(balance=100_000)
    take_elsewhere(performance, seat_of(performance, 1, 1), customer=customer)
    page = shop(customer=customer)
    page.get_by_role("heading", name="You hold seats that are not paid for yet").wait_for()
    assert "A 1-1 · ₩10,000" in page.locator("#holds").inner_text()
    page.get_by_role("link", name="Pay for these").click()
    page.wait_for_url("**/checkout/*")
    page.get_by_role("button", name="Pay ₩10,000").click()
    page.wait_for_url("**/receipts/*")


def test_two_clicks_and_a_lost_answer_hold_once(shop, performance):
    page = shop()
    lost = []

    def lose_first(route):
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        return route.abort()

    page.route("**/holds", lose_first)
    tap(page, seat_of(performance, 1, 1))
    page.get_by_role("button", name="Hold these seats").dblclick()
    page.wait_for_url("**/checkout/*")
    assert lost == [201]
    assert Reservation.objects.count() == 1


def test_an_answer_that_never_comes_is_found_after_a_reload(shop, performance):
    page = shop()
    lost = []

    def lose(route):
        lost.append(route.fetch().status)
        return route.abort()

    page.route("**/holds", lose)
    tap(page, seat_of(performance, 1, 1))
    page.get_by_role("button", name="Hold these seats").click()
    page.get_by_text("No connection.").wait_for()
    assert lost[0] == 201
    page.unroute("**/holds")
    page.reload()
    page.get_by_role("link", name="Pay for these").wait_for()
    wait_for_chosen(page, 0)
    assert Reservation.objects.count() == 1


def test_a_reload_keeps_what_is_chosen_and_still_free(shop, performance):
    page = shop(viewport=PHONE)
    first, second = (seat_of(performance, 2, number) for number in (2, 4))
    tap(page, first)
    tap(page, second)
    wait_for_chosen(page, 2)
    take_elsewhere(performance, second)
    page.reload()
    page.get_by_text("Somebody else has just taken A 2-4.").wait_for()
    assert chosen(page) == ["A, row 2, seat 2\nVIP, ₩10,000"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"sale_stopped_at": timezone.now(), "sale_stopped_reason": "a check"},
            "The sale is paused for a check.",
        ),
        ({"sales_close_at": timezone.now()}, "This date can no longer be booked."),
    ],
)
def test_why_nothing_can_be_held_is_told(shop, performance, change, words):
    page = shop()
    page.route("**/seats?*since=*", lambda route: route.abort())
    tap(page, seat_of(performance, 1, 1))
    Concert.objects.update(**change)
    page.get_by_role("button", name="Hold these seats").click()
    page.get_by_text(words).wait_for()
    assert not Reservation.objects.exists()


def test_who_let_too_many_holds_run_out_is_told(shop, performance, settings):
    settings.HOLD_LAPSES_MAX = 1
    customer = make_customer()
    for number in (1, 2):
        take_elsewhere(performance, seat_of(performance, 1, number), customer=customer)
    hour = timedelta(minutes=10)
    Reservation.objects.update(
        held_at=F("held_at") - hour, expires_at=timezone.now() - timedelta(seconds=1)
    )
    page = shop(customer=customer)
    tap(page, seat_of(performance, 1, 3))
    page.get_by_role("button", name="Hold these seats").click()
    page.get_by_text("You have let the time for too many seats of this concert run out.").wait_for()


def test_the_list_has_every_row_and_is_remembered(shop, performance):
    page = shop(viewport=PHONE, language="ko")
    page.get_by_role("button", name="목록", exact=True).click()
    page.get_by_role("group", name="A 구역 1열").wait_for()
    page.get_by_role("button", name="다음 열").click()
    page.get_by_role("group", name="A 구역 2열").wait_for()
    page.get_by_role("button", name="A 2열 3번").click()
    assert page.get_by_role("button", name="A 2열 3번", pressed=True).first.is_visible()
    page.get_by_label("열", exact=True).select_option(index=2)
    page.get_by_role("button", name="A 3열 1번").click()
    wait_for_chosen(page, 2)
    page.reload()
    wait_for_chosen(page, 2)
    assert page.get_by_role("group", name="A 구역 1열").is_visible()
    assert page.get_by_role("application").is_hidden()


def test_the_map_zooms_and_moves(shop, performance):
    page = shop()
    seat = seat_of(performance, 2, 3)
    start = position_of(page, seat)
    canvas = page.get_by_role("application")
    canvas.hover()
    page.mouse.wheel(0, 400)
    wait_until(page, "drawing.gap() < 59")
    page.get_by_role("button", name="Whole house").click()
    assert position_of(page, seat) == pytest.approx(start)
    canvas.focus()
    page.keyboard.press("-")
    assert page.evaluate("document.getElementById('seat-map').seatMap.drawing.gap()") < 59
    page.keyboard.press("0")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 50, steps=4)
    page.mouse.up()
    moved = position_of(page, seat)
    assert (moved["x"], moved["y"]) == pytest.approx((start["x"] + 40, start["y"] + 30), abs=2)
    wait_for_chosen(page, 0)


def test_small_seats_are_zoomed_in_to_and_fingers_pinch(shop, performance):
    for row in range(4, 30):
        make_seats(performance, 60, row=str(row))
    page = shop(viewport=PHONE, has_touch=True)
    seat = seat_of(performance, 20, 30)
    where = position_of(page, seat)
    canvas = page.get_by_role("application")
    canvas.tap(position=where)
    wait_until(page, "drawing.gap() > 25")
    assert chosen(page) == []
    canvas.tap(position=position_of(page, seat))
    wait_for_chosen(page, 1)
    assert chosen(page)[0].startswith("A, row 20, seat 30")
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    gap = page.evaluate("document.getElementById('seat-map').seatMap.drawing.gap()")
    session = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 30), ("touchMove", 40), ("touchMove", 48)):
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait_until(page, f"drawing.gap() > {gap} * 1.3")
    wait_for_chosen(page, 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
def test_everybody_can_use_it(shop, performance, scheme, viewport):
    page = shop(viewport=viewport, color_scheme=scheme)
    tap(page, seat_of(performance, 1, 1))
    wait_for_chosen(page, 1)
    assert find_violations(page) == []
    use_list(page)
    take_elsewhere(performance, seat_of(performance, 1, 2))
    page.get_by_role("button", name="A, row 1, seat 2, VIP, ₩10,000, taken").wait_for()
    assert find_violations(page) == []
