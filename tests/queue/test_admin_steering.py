"""Steering rooms, and taking people out of lines, by the pages of the back office."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils.html import escape

from apps.core.models import StaffAction
from apps.queue import services
from apps.queue.admin.words import tell_changes, tell_duration, tell_forecast, tell_state
from apps.queue.models import QueueEntry, Turn, WaitingRoom
from apps.queue.selectors import get_room
from tests.factories import NOW, ConcertFactory, QueueEntryFactory, UserFactory
from tests.queue.support import at, stand_in_line, states, turnstile_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now", "english")]

ROOMS = "/admin/queue/waitingroom/"
ENTRIES = "/admin/queue/queueentry/"
# As a page shows them.
LIMITS = {
    "capacity": 500,
    "admit_per_minute": 0,
    "session_seconds": 600,
    "idle_seconds": 60,
    "opens_at": None,
}
BUTTONS = {"open": "open", "pause": "paused", "drain": "draining", "close": "closed"}


@pytest.fixture
def english(admin_client):
    admin_client.cookies["django_language"] = "en"


@pytest.fixture
def make_clerk(client):
    """Return a maker of a client of staff with these permissions alone."""

    def make(*permissions):
        clerk = UserFactory(is_staff=True)
        for name in permissions:
            app, codename = name.split(".")
            clerk.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        client.force_login(clerk)
        client.cookies["django_language"] = "en"
        return client

    return make


def page_of(room, page="change"):
    return f"{ROOMS}{room.pk}/{page}/"


def read_all():
    return [list(model.objects.values()) for model in (WaitingRoom, QueueEntry, StaffAction)]


def limits_form(*, seen=None, reason="a calm evening", **changes):
    typed = {name: value for name, value in {**LIMITS, **changes}.items() if value is not None}
    return {**typed, "reason": reason, "seen": json.dumps({**LIMITS, **(seen or {})})}


class TestStates:
    @pytest.mark.parametrize("page", BUTTONS)
    def test_a_button_asks_and_then_acts(self, admin_client, room, page):
        WaitingRoom.objects.update(state="closed" if page == "open" else "open")
        room.refresh_from_db()
        before = read_all()
        asked = admin_client.get(page_of(room, page))
        assert read_all() == before  # nothing is written by looking
        assert "It is recorded with your name." in asked.content.decode()
        form = {"reason": "asked for", "seen": json.dumps({"state": room.state})}
        answer = admin_client.post(page_of(room, page), form)
        assert answer["Location"] == page_of(room)
        was, room.state = room.state, WaitingRoom.objects.get().state
        assert room.state == BUTTONS[page]
        action = StaffAction.objects.get()
        assert (action.reason, action.before, action.after) == (
            "asked for",
            {"state": was},
            {"state": room.state},
        )
        assert action.actor_name == "admin@example.com"

    def test_the_state_that_a_room_is_in_is_not_offered(self, admin_client, room):
        page = admin_client.get(page_of(room)).content.decode()
        assert page_of(room, "pause") in page
        assert page_of(room, "open") not in page

    def test_it_says_what_will_happen_and_to_which_concerts(self, admin_client, room):
        ConcertFactory(title="첫눈 콘서트")
        page = admin_client.get(page_of(room, "close")).content.decode()
        for sentence in (*tell_state(get_room("main"), "closed"), "첫눈 콘서트"):
            assert escape(sentence) in page

    def test_without_a_reason_nothing_happens(self, admin_client, room):
        before = read_all()
        form = {"reason": " ", "seen": json.dumps({"state": "open"})}
        assert admin_client.post(page_of(room, "pause"), form).status_code == 200
        assert read_all() == before

    @pytest.mark.parametrize("seen", ["", "{", "[]", '"x"', '{"opens_at": 1}'])
    def test_a_page_that_does_not_know_what_it_showed_is_to_be_loaded_again(
        self, admin_client, room, seen
    ):
        before = read_all()
        answer = admin_client.post(page_of(room, "pause"), {"reason": "x", "seen": seen})
        assert answer.status_code == 200
        assert "Load this page again." in answer.content.decode()
        assert read_all() == before

    def test_what_somebody_else_has_done_meanwhile_is_told(self, admin_client, room):
        form = {"reason": "x", "seen": json.dumps({"state": "open"})}
        WaitingRoom.objects.update(state="closed")
        before = read_all()
        answer = admin_client.post(page_of(room, "pause"), form, follow=True)
        assert "Somebody has changed this room meanwhile" in answer.content.decode()
        assert read_all() == before


class TestLimits:
    def test_the_changed_ones_are_changed_and_the_next_let_in(
        self, admin_client, room, django_capture_on_commit_callbacks
    ):
        WaitingRoom.objects.update(capacity=1)
        people = stand_in_line(room, 3)
        services.admit_queue(now=NOW)
        form = limits_form(seen={"capacity": 1}, capacity=2)
        with django_capture_on_commit_callbacks(execute=True):
            assert admin_client.post(page_of(room, "limits"), form).status_code == 302
        assert states(*people) == ["admitted", "admitted", "waiting"]
        action = StaffAction.objects.get()
        assert (action.before, action.after) == ({"capacity": 1}, {"capacity": 2})

    def test_the_opening_is_by_the_clocks_of_the_house(self, admin_client, room):
        form = limits_form(opens_at="2026-11-01T20:00:00")
        assert admin_client.post(page_of(room, "limits"), form).status_code == 302
        room.refresh_from_db()
        assert room.opens_at == NOW.replace(hour=11)  # Seoul is nine hours ahead

    def test_a_fraction_of_a_second_that_no_field_shows_is_no_change(self, admin_client, room):
        opens_at = NOW + timedelta(hours=1, microseconds=5)
        WaitingRoom.objects.update(opens_at=opens_at)
        page = admin_client.get(page_of(room, "limits"))
        seen = json.loads(page.context["form"]["seen"].value())
        form = {
            **limits_form(capacity=7, opens_at="2026-11-01T11:00:00"),
            "seen": json.dumps({**seen, "opens_at": opens_at.isoformat()}),
        }
        assert admin_client.post(page_of(room, "limits"), form).status_code == 302
        room.refresh_from_db()
        assert (room.capacity, room.opens_at) == (7, opens_at)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"capacity": 0}, "capacity"),
            ({"admit_per_minute": "many"}, "admit_per_minute"),
            ({"session_seconds": 9}, "session_seconds"),
            ({"idle_seconds": ""}, "idle_seconds"),
            ({"opens_at": "2026-11-01T00:00:00"}, "opens_at"),
            ({"reason": ""}, "reason"),
        ],
    )
    def test_what_cannot_be_is_said_at_its_field(self, admin_client, room, wrong, field):
        before = read_all()
        answer = admin_client.post(page_of(room, "limits"), limits_form(**wrong))
        assert set(answer.context["form"].errors) == {field}
        assert read_all() == before

    def test_nothing_to_change_is_no_action(self, admin_client, room):
        before = read_all()
        answer = admin_client.post(page_of(room, "limits"), limits_form(), follow=True)
        assert "Nothing was to be changed." in answer.content.decode()
        assert read_all() == before

    def test_who_saw_other_limits_changes_nothing(self, admin_client, room):
        WaitingRoom.objects.update(capacity=300)
        before = read_all()
        form = limits_form(admit_per_minute=60)
        answer = admin_client.post(page_of(room, "limits"), form, follow=True)
        assert "Somebody has changed this room meanwhile" in answer.content.decode()
        assert read_all() == before


class TestTheForecast:
    def test_a_page_shows_it_before_anything_is_typed(self, admin_client, room):
        stand_in_line(room, 3)
        WaitingRoom.objects.update(capacity=1)
        services.admit_queue(now=NOW)
        page = admin_client.get(page_of(room, "limits")).content.decode()
        assert "unknown yet; at most 20 min" in page

    def test_it_is_computed_again_for_what_is_typed(self, admin_client, room):
        WaitingRoom.objects.update(capacity=1)
        stand_in_line(room, 3)
        services.admit_queue(now=NOW)
        before = read_all()
        typed = {**LIMITS, "capacity": 100, "opens_at": ""}
        answer = admin_client.get(page_of(room, "forecast"), typed)
        assert [row["then"] for row in answer.json()["rows"]] == ["at once", "2", "10", "at once"]
        assert [row["now"] for row in answer.json()["rows"]] == [
            "at once",
            "unknown yet; at least 0",
            "unknown yet; at least 0.1",
            "unknown yet; at most 20 min",
        ]
        assert read_all() == before

    def test_what_cannot_be_is_answered_by_field(self, admin_client, room):
        answer = admin_client.get(
            page_of(room, "forecast"), {**LIMITS, "capacity": 0, "opens_at": ""}
        )
        assert (answer.status_code, set(answer.json()["errors"])) == (400, {"capacity"})

    def test_a_room_that_is_not_there(self, admin_client, room):
        assert admin_client.get(f"{ROOMS}{room.pk + 1}/forecast/").status_code == 404
        assert admin_client.get(f"{ROOMS}{room.pk + 1}/now/").status_code == 404

    @pytest.mark.parametrize(
        ("state", "waiting", "told"),
        [
            ("paused", 3, ("never", "0", "0", "never")),
            ("paused", 0, ("nobody waits", "0", "0", "nobody waits")),
            ("open", 0, ("at once", "0", "50", "nobody waits")),
        ],
    )
    def test_words(self, room, state, waiting, told):
        room = get_room("main")
        room.turnstile.waiting = waiting
        rows = tell_forecast(room, {"state": state}, now=NOW)
        assert tuple(after for _label, _before, after in rows) == told

    @pytest.mark.parametrize(
        ("seconds", "told"),
        [
            (0.2, "1 s"),
            (119, "119 s"),
            (121, "3 min"),
            (7_200, "2 h 0 min"),
            (86_400, "24 h 0 min"),
            (86_401, "more than a day"),
        ],
    )
    def test_durations(self, seconds, told):
        assert tell_duration(seconds) == told


class TestWarnings:
    @pytest.fixture
    def line(self, room):
        room = get_room("main")
        room.turnstile.admitted, room.turnstile.waiting = 400, 30
        return room

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({}, []),
            ({"capacity": 600, "admit_per_minute": 3}, []),
            ({"capacity": 399}, ["400 are inside"]),
            ({"session_seconds": 60}, ["for those who enter from now on"]),
            ({"idle_seconds": 59}, ["is out at once"]),
            ({"idle_seconds": 36}, ["is out at once"]),
            ({"idle_seconds": 34}, ["did as told"]),
            ({"opens_at": at(60)}, ["Nobody enters before", "random order", "30 wait already"]),
            ({"opens_at": None}, []),
        ],
    )
    def test_what_to_beware_of_is_said(self, line, changes, words):
        told = list(tell_changes(line, changes))
        assert len(told) == len(words)
        assert all(word in sentence for word, sentence in zip(words, told, strict=True))

    def test_an_opening_that_is_taken_back(self, line):
        line.opens_at = at(60)
        (told,) = tell_changes(line, {"opens_at": None})
        assert "opens at once" in told

    def test_an_opening_that_is_moved_draws_nobody_out_of_a_place(self, line):
        line.opens_at = at(60)
        assert not any("Beware" in told for told in tell_changes(line, {"opens_at": at(90)}))

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            ("open", ["can join", "Nobody enters before", "stays"]),
            ("closed", ["Nobody can join", "Nobody is let in", "keep their places", "stays"]),
        ],
    )
    def test_a_state_before_the_opening(self, line, state, words):
        line.opens_at = at(60)
        told = list(tell_state(line, state))
        assert all(word in sentence for word, sentence in zip(words, told, strict=True))


class TestThePageOfARoom:
    def test_it_shows_the_line(self, admin_client, room, django_assert_max_num_queries):
        WaitingRoom.objects.update(capacity=30)
        people = stand_in_line(room, 1_266)
        services.admit_queue(now=NOW)
        with django_assert_max_num_queries(12):
            page = admin_client.get(page_of(room)).content.decode()
        assert '<dd data-figure="waiting">1,236</dd>' in page
        assert '<dd data-figure="inside">30 / 30</dd>' in page
        assert '<dd data-figure="entered">30</dd>' in page
        shown = [person.customer.email for person in people if person.customer.email in page]
        assert shown == [person.customer.email for person in (*people[:25], *people[30:55])]

    def test_pages_of_the_line_follow_one_another(self, admin_client, room):
        WaitingRoom.objects.update(capacity=30)
        people = stand_in_line(room, 90)
        services.admit_queue(now=NOW)
        seen, query = [], "?"
        while query:
            page = admin_client.get(page_of(room) + query).context
            seen += [row["place"] for row in page["line_waiting"]]
            query = page.get("waiting_next", "").partition("#")[0]
        assert seen == [person.place for person in people[30:]]
        page = admin_client.get(page_of(room)).context
        assert "inside_first" not in page
        rest = admin_client.get(page_of(room) + page["inside_next"].partition("#")[0]).context
        assert [row["place"] for row in rest["line_inside"]] == [
            person.place for person in people[25:30]
        ]
        assert rest["inside_first"] == "?#inside"

    @pytest.mark.parametrize("after", ["-1", "x", "9" * 30, "²"])
    def test_a_place_that_is_none_is_the_beginning(self, admin_client, room, after):
        people = stand_in_line(room, 2)
        page = admin_client.get(page_of(room), {"waiting_after": after}).context
        assert [row["place"] for row in page["line_waiting"]] == [entry.place for entry in people]

    def test_somebody_is_found_by_how_their_address_begins(self, admin_client, room):
        people = stand_in_line(room, 3)
        email = people[1].customer.email
        page = admin_client.get(page_of(room), {"email": email.upper()}).context
        assert [row["name"] for row in page["line_found"]] == [email]
        page = admin_client.get(page_of(room), {"email": "nobody"}).context
        assert page["line_found"] == []

    def test_whom_the_clock_has_put_out_cannot_be_removed(self, admin_client, room, clock_at_now):
        stand_in_line(room, 1)
        clock_at_now.move(seconds=60)
        (row,) = admin_client.get(page_of(room)).context["line_waiting"]
        assert (row["has_ended"], row["remove"]) == (True, None)

    def test_a_line_that_nobody_counts_is_an_alarm(self, admin_client, room, clock_at_now):
        assert admin_client.get(page_of(room)).context["room_now"]["alarm"] == ""
        stand_in_line(room, 1)
        services.admit_queue(now=NOW)
        clock_at_now.move(seconds=7)
        alarm = admin_client.get(page_of(room)).context["room_now"]["alarm"]
        assert "is the scheduled work running?" in alarm

    def test_it_can_be_looked_at_without_steering(self, make_clerk, room):
        stand_in_line(room, 1)
        page = make_clerk("queue.view_waitingroom").get(page_of(room))
        assert page.status_code == 200
        assert page_of(room, "pause") not in page.content.decode()
        assert "line_waiting" not in page.context  # who stands in it is another permission

    def test_who_may_see_the_line_and_not_remove_has_no_button(self, make_clerk, room):
        stand_in_line(room, 1)
        clerk = make_clerk("queue.view_waitingroom", "queue.view_queueentry")
        (row,) = clerk.get(page_of(room)).context["line_waiting"]
        assert row["remove"] is None
        assert "<a" not in row["customer"]


class TestNow:
    def test_how_it_is_and_how_it_has_been(self, admin_client, room, clock_at_now):
        WaitingRoom.objects.update(capacity=2)
        people = stand_in_line(room, 5)
        services.admit_queue(now=NOW)
        answer = admin_client.get(page_of(room, "now"), {"hours": "1"}).json()
        assert (answer["state"], answer["step_s"]) == ("open", 30)
        assert answer["figures"]["waiting"] == "3"
        assert answer["moments"] == [[int(NOW.timestamp()), 3, 2, 2, 4.0]]
        services.leave_line(entry_id=people[0].pk, now=at(35))
        services.admit_queue(now=at(36))
        clock_at_now.move(seconds=36)
        since = answer["moments"][-1][0]
        later = admin_client.get(page_of(room, "now"), {"hours": "1", "since": since}).json()
        assert [moment[:3] for moment in later["moments"]] == [[since, 3, 2], [since + 30, 2, 2]]
        latest = {"hours": "1", "since": since + 30}
        assert len(admin_client.get(page_of(room, "now"), latest).json()["moments"]) == 1

    def test_looking_writes_nothing(self, admin_client, room, clock_at_now):
        stand_in_line(room, 5)
        clock_at_now.move(seconds=3_600)
        before = [*read_all(), turnstile_of(room).counted_at]
        assert admin_client.get(page_of(room, "now")).status_code == 200
        assert [*read_all(), turnstile_of(room).counted_at] == before

    @pytest.mark.parametrize("query", [{"hours": "2"}, {"hours": "x", "since": "-7"}, {}])
    def test_hours_that_there_are_not_are_three(self, admin_client, room, query):
        assert admin_client.get(page_of(room, "now"), query).json()["step_s"] == 90

    def test_there_are_no_more_points_than_a_chart_has(self, admin_client, room):
        Turn.objects.bulk_create(
            Turn(
                room=room, turn=1, at=at(-second), entered=1, finished=0, gave_up=0, waiting=0,
                admitted=1, capacity=1, waiting_s=0, inside_s=0,
            )
            for second in range(0, 4_000, 10)
        )  # fmt: skip
        answer = admin_client.get(page_of(room, "now"), {"hours": "1"}).json()
        begun = [moment[0] for moment in answer["moments"]]
        assert len(begun) == 120
        assert begun[0] == answer["first"]


class TestPermissions:
    @pytest.mark.parametrize("page", [*BUTTONS, "limits"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_steering_takes_its_permission(self, make_clerk, room, page, method):
        clerk = make_clerk("queue.view_waitingroom", "queue.change_waitingroom")
        before = read_all()
        form = {**limits_form(capacity=7), "seen": json.dumps({**LIMITS, "state": "open"})}
        assert getattr(clerk, method)(page_of(room, page), form).status_code == 403
        assert read_all() == before

    def test_the_forecast_takes_the_permission_to_steer(self, make_clerk, room):
        clerk = make_clerk("queue.view_waitingroom")
        assert clerk.get(page_of(room, "forecast")).status_code == 403

    def test_the_numbers_take_the_permission_to_see(self, make_clerk, room):
        assert make_clerk("queue.view_queueentry").get(page_of(room, "now")).status_code == 403

    def test_steering_is_enough(self, make_clerk, room):
        clerk = make_clerk("queue.view_waitingroom", "queue.steer_waitingroom")
        form = {"reason": "x", "seen": json.dumps({"state": "open"})}
        assert clerk.post(page_of(room, "pause"), form).status_code == 302
        assert WaitingRoom.objects.get().state == "paused"


class TestRemoving:
    def remove_url(self, entry):
        return f"{ENTRIES}{entry.pk}/remove/"

    @pytest.mark.parametrize("admitted", [False, True])
    def test_staff_take_somebody_out_with_a_reason(self, admin_client, room, admitted):
        entry = QueueEntryFactory(room=room, admitted=admitted)
        before = read_all()
        page = admin_client.get(self.remove_url(entry)).content.decode()
        assert read_all() == before
        assert ("goes to the next in line" in page) == admitted
        answer = admin_client.post(self.remove_url(entry), {"reason": "resale"})
        assert answer["Location"] == page_of(room)
        entry.refresh_from_db()
        assert entry.end_reason == "removed"
        assert StaffAction.objects.get().reason == "resale"

    def test_who_is_out_already_is_told(self, admin_client, room):
        entry = QueueEntryFactory(room=room)
        services.leave_line(entry_id=entry.pk, now=NOW)
        before = read_all()
        answer = admin_client.post(self.remove_url(entry), {"reason": "resale"}, follow=True)
        assert "no longer in line" in answer.content.decode()
        assert read_all() == before

    def test_only_who_is_there_can_be_taken_out_of_their_page(self, admin_client, room):
        entry = QueueEntryFactory(room=room)
        page = f"{ENTRIES}{entry.pk}/change/"
        assert self.remove_url(entry) in admin_client.get(page).content.decode()
        services.leave_line(entry_id=entry.pk, now=NOW)
        assert self.remove_url(entry) not in admin_client.get(page).content.decode()

    def test_it_takes_its_permission(self, make_clerk, room):
        entry = QueueEntryFactory(room=room)
        clerk = make_clerk("queue.view_queueentry", "queue.steer_waitingroom")
        before = read_all()
        assert clerk.post(self.remove_url(entry), {"reason": "x"}).status_code == 403
        assert read_all() == before

    def test_who_may_not_see_rooms_goes_back_to_the_place(self, make_clerk, room):
        entry = QueueEntryFactory(room=room)
        clerk = make_clerk("queue.view_queueentry", "queue.remove_queueentry")
        answer = clerk.post(self.remove_url(entry), {"reason": "x"})
        assert answer["Location"] == f"{ENTRIES}{entry.pk}/change/"

    def test_nobody_is_there(self, admin_client, room):
        assert admin_client.get(f"{ENTRIES}999/remove/").status_code == 404
