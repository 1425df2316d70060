"""Staff watch a room and steer it, and the line does what they say."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core.models import StaffAction
from apps.queue import services
from apps.queue.models import Dispenser, Presence, QueueEntry, Turn, WaitingRoom
from tests.browser.axe import find_violations
from tests.browser.conftest import PHONE
from tests.factories import ConcertFactory, QueueEntryFactory, RoomFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def room(transactional_db):
    """A room with two places, both taken; three wait, and it has a history of an hour."""
    now = timezone.now()
    room = RoomFactory()
    WaitingRoom.objects.update(capacity=2, idle_seconds=3_600, session_seconds=3_600)
    ConcertFactory(at=now)
    people = [
        QueueEntryFactory(
            room=room, number=number, at=now, customer__email=f"fan{number}@x.example"
        )
        for number in range(1, 6)
    ]
    Dispenser.objects.update(last_number=5)
    services.admit_queue(now=now)
    Turn.objects.bulk_create(
        Turn(
            room=room, turn=1, at=now - timedelta(minutes=minute), entered=minute % 7, finished=2,
            gave_up=0, waiting=60 - minute, admitted=2 - minute % 2, capacity=2, waiting_s=0,
            inside_s=0,
        )
        for minute in range(6, 60)
    )  # fmt: skip
    assert states(people) == ["admitted"] * 2 + ["waiting"] * 3
    room.refresh_from_db()
    return room


def page_of(room, page="change"):
    return f"/admin/queue/waitingroom/{room.pk}/{page}/"


def states(people):
    by_id = dict(QueueEntry.objects.values_list("pk", "state"))
    return [by_id[entry.pk] for entry in people]


def list_states():
    return list(QueueEntry.objects.order_by("number").values_list("state", flat=True))


def see_room(page):
    """Return how the room is doing by the public API."""
    return page.request.get("/api/v1/queue/rooms/main").json()


def confirm(page, button, *, reason="asked by the promoter"):
    page.fill("textarea[name=reason]", reason)
    page.locator("#confirm").get_by_role("button", name=button).click()
    page.wait_for_url("**/change/")


def read_forecast(page):
    """Return what the page forecasts, as it is and after the change."""
    rows = page.locator("#forecast tbody tr")
    return [
        [cell.inner_text() for cell in rows.nth(index).locator("td").all()]
        for index in range(rows.count())
    ]


def test_a_pause_stops_the_line_and_opening_moves_it(open_admin, room):
    page = open_admin(page_of(room))
    page.get_by_role("link", name="Pause").click()
    assert page.get_by_text("Nobody is let in any more").is_visible()
    confirm(page, "Pause")
    assert page.locator("[data-figure=state]").inner_text().startswith("paused")
    told = see_room(page)
    assert (told["state"], told["estimated_wait_seconds"]) == ("paused", None)

    # A place comes free, and nobody gets it.
    first = QueueEntry.objects.get(number=1)
    services.leave_line(entry_id=first.pk, now=timezone.now())
    services.admit_queue(now=timezone.now())
    assert list_states() == ["ended", "admitted", "waiting", "waiting", "waiting"]

    page.locator("a[href$='/open/']").click()
    confirm(page, "Open")
    assert list_states() == ["ended", "admitted", "admitted", "waiting", "waiting"]
    told = see_room(page)
    assert (told["state"], told["waiting"], told["now_serving"]) == ("open", 2, 3)
    reasons = [action.reason for action in StaffAction.objects.all()]
    assert reasons == ["asked by the promoter"] * 2


def test_limits_are_changed_with_the_forecast_seen_before(open_admin, room):
    page = open_admin(page_of(room))
    page.get_by_role("link", name="Change limits").click()
    assert read_forecast(page)[1][1].startswith("unknown yet")
    with page.expect_response("**/forecast/?*capacity=4*") as answer:
        page.fill("input[name=capacity]", "4")
    assert answer.value.ok
    page.wait_for_selector("#forecast:not([aria-busy])")
    assert read_forecast(page)[1][1] == "unknown yet; at least 2"
    assert WaitingRoom.objects.get().capacity == 2  # nothing is changed by looking
    with page.expect_response("**/forecast/?*capacity=9*"):
        page.fill("input[name=capacity]", "9")
    page.wait_for_selector("#forecast:not([aria-busy])")
    assert [then for _now, then in read_forecast(page)] == ["at once", "3", "0.15", "at once"]
    confirm(page, "Change limits")
    assert list_states() == ["admitted"] * 5
    assert StaffAction.objects.get().after == {"capacity": 9}


def test_what_cannot_be_is_said_while_it_is_typed(open_admin, room):
    page = open_admin(page_of(room, "limits"))
    with page.expect_response("**/forecast/?*capacity=0*") as answer:
        page.fill("input[name=capacity]", "0")
    assert answer.value.status == 400
    page.wait_for_selector("#forecast:not([aria-busy])")
    assert {then for _now, then in read_forecast(page)} == {"–"}
    assert page.locator(".encore-warnings li").count() == 1


def test_somebody_is_removed_and_their_token_has_ended(open_admin, open_page, room, sign_in):
    removed = QueueEntry.objects.get(number=4)
    api = sign_in(removed.customer, removed)
    assert api.get("/api/v1/queue/tokens/current").json()["position"] == 2
    page = open_admin(page_of(room))
    page.fill("#line-email", "FAN4")
    page.get_by_role("button", name="Search").last.click()
    page.get_by_role("link", name="Remove fan4@x.example").click()
    assert page.get_by_text("Their token ends at once").is_visible()
    confirm(page, "Take out of the line", reason="buys for resale")
    answer = api.get("/api/v1/queue/tokens/current")
    assert answer.status_code == 403
    assert (answer.json()["code"], answer.json()["reason"]) == ("queue_token_expired", "removed")
    action = StaffAction.objects.get()
    assert (action.subject, action.reason) == (f"queueentry:{removed.pk}", "buys for resale")
    assert page.get_by_role("link", name="fan4@x.example").count() == 0


def test_the_figures_follow_the_room(open_admin, room):
    page = open_admin(page_of(room))
    waiting = page.locator("[data-figure=waiting]")
    assert waiting.inner_text() == "3"
    for customer in UserFactory.create_batch(2):
        services.issue_token(customer_id=customer.pk, room_slug="main", now=timezone.now())
    services.admit_queue(now=timezone.now())
    page.wait_for_function("document.querySelector('[data-figure=waiting]').textContent === '5'")
    points = "Chart.getChart('chart-waiting').data.datasets[0].data"
    assert page.evaluate(f"{points}.length") == 120
    assert 60 - 6 in page.evaluate(points)  # of an hour ago
    assert page.evaluate(f"{points}.at(-1)") >= 5
    page.get_by_role("button", name="12 h").click()
    page.wait_for_function("Chart.getChart('chart-waiting').data.datasets[0].data.at(-10) > 0")


def test_a_server_that_is_gone_is_said(open_admin, room):
    page = open_admin(page_of(room))
    page.route("**/now/?*", lambda route: route.abort())
    page.get_by_role("button", name="1 h").click()
    page.get_by_text("Not refreshed").wait_for()


def test_a_line_is_leafed_through(open_admin, room):
    now = timezone.now()
    entries = QueueEntryFactory.build_batch(60, room=room, at=now)
    for number, entry in enumerate(entries, start=6):
        entry.customer.save()
        entry.number = entry.place = number
        entry.token_hash = bytes([number]) * 32
        entry.save()
        Presence.objects.create(entry=entry, last_seen_at=now)
    page = open_admin(page_of(room))
    places = page.locator("#waiting tbody tr td:first-child")
    assert (places.count(), places.first.inner_text()) == (25, "3")
    page.locator("#waiting").get_by_role("link", name="Next").click()
    assert places.first.inner_text() == "28"
    page.locator("#waiting").get_by_role("link", name="From the beginning").click()
    assert places.first.inner_text() == "3"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", ["change", "limits", "close"])
def test_the_pages_can_be_used_with_aids(open_admin, room, page, theme):
    shown = open_admin(page_of(room, page), viewport=PHONE, color_scheme=theme)
    assert find_violations(shown) == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_page_of_a_place_can_be_used_with_aids(open_admin, room):
    entry = QueueEntry.objects.get(number=4)
    shown = open_admin(f"/admin/queue/queueentry/{entry.pk}/remove/", viewport=PHONE)
    assert find_violations(shown) == []
