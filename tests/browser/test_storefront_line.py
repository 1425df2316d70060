"""The waiting room: one place for all tabs, kept through reloads, lost networks and lapsed sign-ins."""

import json
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from apps.accounts.tokens import issue_access_token, issue_tokens
from apps.core.db import transaction
from apps.queue.models import Presence, QueueEntry, WaitingRoom
from apps.queue.services import issue_token, leave_line
from apps.queue.transitions import end_entry, lock_entry
from tests.browser.axe import find_violations
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.shopping import make_customer, put_on_sale, sign_in
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

CURRENT = "/api/v1/queue/tokens/current"
# Polls are 3 or 4 seconds apart, whatever the wait.
IDLE_SECONDS = 12
State = WaitingRoom.State


@pytest.fixture
def concert(transactional_db):
    """A concert whose room lets in one at a time."""
    concert = put_on_sale().concert
    set_room(capacity=1, idle_seconds=IDLE_SECONDS)
    return concert


@pytest.fixture
def occupant(concert):
    """Somebody who is inside; their entry."""
    entry = join_elsewhere()
    # They are heard of, as they would be on the seat map.
    hear(entry, timedelta(hours=1))
    return entry


@pytest.fixture
def customer(transactional_db):
    return make_customer()


@pytest.fixture
def join(open_page, customer, concert):
    """Return a maker of pages on which the customer is signed in and has opened the line."""

    def make(**options):
        page = open_page(**options)
        sign_in(page, customer)
        page.goto(f"/concerts/{concert.pk}/line")
        return page

    return make


def join_elsewhere(customer=None):
    """Take a place from another browser; return the entry."""
    customer = customer or UserFactory()
    issued = issue_token(customer_id=customer.pk, room_slug="main", now=timezone.now())
    return issued.status.entry


def hear(entry, delta):
    """Set when somebody was heard of, from now."""
    Presence.objects.filter(entry=entry).update(last_seen_at=timezone.now() + delta)


def set_room(**fields):
    WaitingRoom.objects.update(**fields)


def find_entry(customer):
    """Return the customer's only entry, live or ended."""
    return QueueEntry.objects.get(customer=customer)


def show_position(page):
    """Wait until the place is shown; return the position and the number as they are read."""
    page.locator("#position").wait_for()
    return page.locator("#position").inner_text(), number_on(page)


def number_on(page):
    return page.locator("#waiting [data-number]").inner_text()


def count_polls(page):
    """Return a list to which every question of the page is added."""
    polls = []
    page.on("request", lambda request: polls.append(request) if CURRENT in request.url else None)
    return polls


def wait_for_poll(page):
    with page.expect_response(f"**{CURRENT}"):
        pass


def replace_session(page, **tokens):
    """Put other tokens in the place of the signed-in customer's, as another tab would."""
    other = page.context.new_page()
    other.goto("/sign-in")
    session = json.dumps({"good_until": 9e15, **tokens})
    other.evaluate("(session) => localStorage.setItem('encore.session', session)", session)
    other.close()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
@pytest.mark.parametrize(
    ("language", "label", "ahead", "wait"),
    [
        ("ko", "대기 순번", "1명", "약 20분"),
        ("en", "Your place in line", "1 person", "about 20 minutes"),
    ],
)
def test_the_place_is_shown(join, occupant, customer, language, viewport, label, ahead, wait):
    hear(join_elsewhere(), timedelta(hours=1))
    page = join(language=language, viewport=viewport)
    position, number = show_position(page)
    assert (position, number) == ("2", str(find_entry(customer).number))
    assert page.get_by_text(label, exact=True).is_visible()
    assert page.locator("#ahead").inner_text() == ahead
    assert page.locator("#wait").inner_text() == wait
    assert page.title().startswith("대기 순번 2번" if language == "ko" else "No. 2 in line")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_who_is_not_signed_in_signs_in_first(open_page, occupant, customer, concert):
    page = open_page()
    page.goto(f"/concerts/{concert.pk}")
    page.get_by_role("link", name="Book seats").click()
    page.wait_for_url("**/sign-in?next=*")
    page.fill("#email", customer.email)
    page.fill("#password", "a quiet long password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/concerts/{concert.pk}/line")
    show_position(page)


def test_who_finds_a_free_place_goes_on_at_once(join, concert):
    page = join()
    page.wait_for_url(f"**/concerts/{concert.pk}/seats*")


def test_the_next_goes_on_when_the_first_leaves(join, occupant, concert, customer):
    page = join()
    notes = []

    def note_sound(pitch):
        notes.append(pitch)

    page.expose_function("noteSound", note_sound)
    page.evaluate(
        "() => { const start = OscillatorNode.prototype.start;"
        " OscillatorNode.prototype.start = function (at) {"
        " noteSound(this.frequency.value); start.call(this, at); }; }"
    )
    assert show_position(page)[0] == "1"
    assert page.locator("#ahead").inner_text() == "Nobody. You are next!"
    # Browsers let only a page that was touched make sound.
    page.get_by_role("heading", name="Waiting room").click()
    leave_line(entry_id=occupant.pk, now=timezone.now())
    page.get_by_role("heading", name="It is your turn!").wait_for()
    assert page.title().startswith("It is your turn!")
    assert "to choose your seats and pay" in page.locator("#session-until").inner_text()
    page.wait_for_url(f"**/concerts/{concert.pk}/seats*")
    assert len(notes) == 3
    assert find_entry(customer).state == QueueEntry.State.ADMITTED
    page.go_back()
    page.wait_for_url("**/")


def test_whether_there_is_a_sound_is_remembered(join, occupant):
    page = join()
    sound = page.get_by_role("checkbox", name="Play a sound when it is my turn")
    assert sound.is_checked()
    sound.uncheck()
    page.reload()
    show_position(page)
    assert not sound.is_checked()


def test_reloading_keeps_the_place(join, occupant, customer):
    page = join()
    before = show_position(page)
    polls = count_polls(page)
    page.reload()
    assert show_position(page) == before
    # What was known is shown; nothing is asked before its time.
    assert polls == []
    assert find_entry(customer).state == QueueEntry.State.WAITING


def test_tabs_share_a_place_and_one_of_them_asks(join, occupant, concert, customer):
    first = join()
    number = show_position(first)[1]
    polls = count_polls(first)
    second = first.context.new_page()
    polls_of_second = count_polls(second)
    second.goto(f"/concerts/{concert.pk}/line")
    assert show_position(second)[1] == number
    wait_for_poll(first)
    wait_for_poll(first)
    assert len(polls) >= 2
    assert polls_of_second == []

    with second.expect_request(f"**{CURRENT}"):
        first.close()
    third = second.context.new_page()
    third.goto(f"/concerts/{concert.pk}/line")
    assert show_position(third)[1] == number
    assert find_entry(customer).state == QueueEntry.State.WAITING

    leave_line(entry_id=occupant.pk, now=timezone.now())
    for page in (second, third):
        page.wait_for_url(f"**/concerts/{concert.pk}/seats*")


def test_it_is_asked_when_the_room_says_and_not_before(join, occupant):
    page = join()
    show_position(page)
    intervals = []
    page.on(
        "response",
        lambda response: (
            intervals.append(response.json()["poll_after_seconds"])
            if CURRENT in response.url and response.ok
            else None
        ),
    )
    wait_for_poll(page)
    wait_for_poll(page)
    refusal = {"status": 503, "json": {"code": "busy"}, "headers": {"Retry-After": "1"}}
    page.route(f"**{CURRENT}", lambda route: route.fulfill(**refusal), times=1)
    page.get_by_text("Very many people are here right now.").wait_for()
    page.get_by_text("Connected again.").wait_for()
    calls = page.evaluate(
        "performance.getEntriesByType('resource').filter(({name}) => name.endsWith('/current'))"
        ".map(({startTime, responseEnd}) => [startTime, responseEnd])"
    )
    waits = [begin - end for (_, end), (begin, _) in pairwise(calls)]
    told = [1000 * seconds for seconds in (intervals[0], intervals[1], intervals[1])]
    assert len(waits) == 3
    # A clock of whole milliseconds, and no better than that.
    assert all(least - 2 <= wait <= least + 1500 for wait, least in zip(waits, told, strict=True))


def test_the_bar_never_goes_back(join, occupant):
    page = join()
    show_position(page)
    status = {
        "room": "main",
        "status": "waiting",
        "estimated_wait_seconds": 60,
        "poll_after_seconds": 1,
    }
    positions = iter([10, 4, 7, 7, 7, 7, 7, 7, 7, 7])
    page.evaluate(
        "() => { const all = JSON.parse(localStorage['encore.line']);"
        " delete all.main.first; localStorage['encore.line'] = JSON.stringify(all); }"
    )
    page.route(
        f"**{CURRENT}", lambda route: route.fulfill(json={**status, "position": next(positions)})
    )
    bar = page.get_by_role("progressbar")
    seen = []
    for position in ("10", "4", "7"):
        page.locator("#position").get_by_text(position, exact=True).wait_for()
        seen.append(float(bar.evaluate("(bar) => bar.value")))
    assert seen == pytest.approx([0, 0.6, 0.6])
    page.reload()
    show_position(page)
    assert bar.evaluate("(bar) => bar.value") == pytest.approx(0.6)


def test_silence_is_told_with_the_way_back(join, occupant, customer):
    page = join()
    number = show_position(page)[1]
    hear(find_entry(customer), -timedelta(minutes=5))
    page.get_by_role("heading", name="You are no longer in line").wait_for()
    assert page.get_by_text("We heard nothing from this browser for a while").is_visible()
    assert page.get_by_text("you start at the end of the line").is_visible()
    page.reload()
    page.get_by_role("heading", name="You are no longer in line").wait_for()
    assert QueueEntry.objects.filter(customer=customer).count() == 1
    page.get_by_role("button", name="Join the line again").click()
    assert show_position(page)[1] != number


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ko", "운영자가 대기열에서 제외했습니다."),
        ("en", "Our staff have taken you out of the line."),
    ],
)
def test_who_is_taken_out_is_told(join, occupant, customer, language, words):
    page = join(language=language, viewport=PHONE)
    show_position(page)
    with transaction():
        entry = lock_entry(find_entry(customer).pk)
        end_entry(entry, reason=QueueEntry.EndReason.REMOVED, now=timezone.now())
    page.get_by_text(words).wait_for()


def test_who_joins_on_another_device_is_told(join, occupant, customer):
    page = join()
    show_position(page)
    join_elsewhere(customer)
    page.get_by_text("You have joined this line again in another browser").wait_for()
    assert QueueEntry.objects.filter(customer=customer).count() == 2


def test_leaving_asks_first(join, occupant, customer, concert):
    page = join()
    show_position(page)
    other = page.context.new_page()
    other.goto(f"/concerts/{concert.pk}/line")
    show_position(other)
    # A slow finger: the page must not move under it.
    page.get_by_role("button", name="Leave the line").click(delay=300)
    page.get_by_role("button", name="Keep my place").click()
    assert find_entry(customer).state == QueueEntry.State.WAITING
    page.get_by_role("button", name="Leave the line").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave the line").click()
    for tab in (page, other):
        tab.get_by_text("You have left the line.").wait_for()
    assert find_entry(customer).end_reason == QueueEntry.EndReason.LEFT
    # Choosing a language sends the page anew, and joins nobody.
    page.get_by_role("button", name="한국어").click()
    page.get_by_text("대기를 취소했습니다.").wait_for()
    assert QueueEntry.objects.filter(customer=customer).count() == 1


def test_a_lost_network_is_told_and_the_place_kept(join, occupant, customer):
    page = join()
    number = show_position(page)[1]
    page.context.set_offline(True)
    page.get_by_text("No connection.").wait_for()
    with page.expect_response(f"**{CURRENT}"):
        page.context.set_offline(False)
        page.get_by_text("Connected again.").wait_for()
    assert number_on(page) == number
    assert find_entry(customer).state == QueueEntry.State.WAITING


def test_what_is_overdue_is_asked_at_once(join, occupant):
    """As after a night's sleep: what was put off lies in the past."""
    page = join()
    show_position(page)
    with page.expect_request(f"**{CURRENT}", timeout=1_500):
        page.evaluate(
            "() => { const all = JSON.parse(localStorage['encore.line']);"
            " all.main.asked_at -= 3600e3; localStorage['encore.line'] = JSON.stringify(all);"
            " window.dispatchEvent(new Event('focus')); }"
        )


def test_a_paused_room_is_told_calmly(join, concert, customer):
    set_room(state=State.PAUSED)
    page = join()
    show_position(page)
    assert page.get_by_text("Nobody is let in at the moment.").first.is_visible()
    assert page.locator("#wait").inner_text() == "not known at the moment"
    set_room(state=State.OPEN)
    page.wait_for_url(f"**/concerts/{concert.pk}/seats*")


def test_a_closed_room_is_told(join, occupant, concert):
    set_room(state=State.CLOSED)
    page = join()
    page.get_by_role("heading", name="The waiting room is closed").wait_for()
    set_room(state=State.OPEN)
    page.get_by_role("button", name="Try again").click()
    show_position(page)


def test_the_opening_is_counted_down_to(join, concert, customer):
    set_room(opens_at=timezone.now() + timedelta(seconds=8))
    page = join(viewport=PHONE)
    page.get_by_role("timer").get_by_text("00:00:0").wait_for()
    assert page.get_by_text("is drawn by lot").is_visible()
    assert find_violations(page) == []
    page.wait_for_url(f"**/concerts/{concert.pk}/seats*")


def test_a_lapsed_sign_in_is_renewed(join, occupant, customer):
    page = join()
    number = show_position(page)[1]
    expired = issue_access_token(customer.pk, lifetime=timedelta(seconds=-1))
    with page.expect_response("**/auth/refresh") as renewed:
        replace_session(page, access=expired, refresh=issue_tokens(customer)["refresh"])
    assert renewed.value.ok
    wait_for_poll(page)
    assert number_on(page) == number


def test_who_signs_in_again_has_the_same_place(join, occupant, customer):
    page = join()
    number = show_position(page)[1]
    expired = issue_access_token(customer.pk, lifetime=timedelta(seconds=-1))
    replace_session(page, access=expired, refresh="no more")
    page.wait_for_url("**/sign-in?next=*")
    page.fill("#email", customer.email)
    page.fill("#password", "a quiet long password")
    page.get_by_role("button", name="Sign in").click()
    assert show_position(page)[1] == number
    assert find_entry(customer).state == QueueEntry.State.WAITING


def test_another_customer_has_another_place(join, occupant, customer, concert):
    page = join()
    number = show_position(page)[1]
    other = make_customer()
    replace_session(page, **issue_tokens(other))
    page.get_by_text("This browser has no place in line any more.").wait_for()
    page.get_by_role("button", name="Join the line again").click()
    assert show_position(page)[1] == str(find_entry(other).number) != number
    assert find_entry(customer).state == QueueEntry.State.WAITING


def test_signing_out_forgets_the_place(join, occupant, customer):
    page = join()
    show_position(page)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/")
    assert page.evaluate("localStorage['encore.line']") is None


def test_an_unknown_concert_has_no_line(open_page, customer, concert):
    page = open_page()
    sign_in(page, customer)
    page.goto(f"/concerts/{concert.pk + 1}/line")
    page.get_by_text("This concert does not exist").wait_for()
    assert not QueueEntry.objects.filter(customer=customer).exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
def test_everybody_can_use_it(join, occupant, customer, scheme, viewport):
    page = join(viewport=viewport, color_scheme=scheme)
    show_position(page)
    assert find_violations(page) == []
    page.get_by_role("button", name="Leave the line").click()
    page.get_by_role("dialog").wait_for()
    assert find_violations(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Leave the line").click()
    page.get_by_role("heading", name="You are no longer in line").wait_for()
    assert find_violations(page) == []


def test_what_is_read_aloud_is_little(join, occupant):
    page = join()
    show_position(page)
    told = page.locator("#told")
    assert told.inner_text() == "You are no. 1 in line. Estimated wait: about 10 minutes."
    page.evaluate(
        "() => { window.told = 0; new MutationObserver(() => { window.told += 1; })"
        ".observe(document.getElementById('told'), {childList: true}); }"
    )
    wait_for_poll(page)
    wait_for_poll(page)
    assert page.evaluate("window.told") == 0
    set_room(state=State.PAUSED)
    told.get_by_text("Nobody is let in at the moment").wait_for()


def test_being_out_is_told_on_other_pages(join, occupant, customer, concert):
    page = join()
    show_position(page)
    with transaction():
        entry = lock_entry(find_entry(customer).pk)
        end_entry(entry, reason=QueueEntry.EndReason.LEFT, now=timezone.now())
    page.goto(f"/concerts/{concert.pk}")
    reason = page.evaluate(
        """async (id) => {
            const line = await import("/static/storefront/line.js");
            try {
                await line.callInside("main", "GET", `/concerts/${id}/dates`);
            } catch (error) {
                line.showOutOfLine(error, id);
                return error.reason;
            }
        }""",
        concert.pk,
    )
    assert reason == "left"
    assert page.get_by_role("heading", name="You are no longer in line").is_visible()
    page.get_by_role("link", name="Join the line again").click()
    show_position(page)
