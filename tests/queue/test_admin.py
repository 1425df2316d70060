"""Rooms and lines in the admin."""

import pytest

from apps.queue import services
from apps.queue.models import Dispenser, QueueEntry, Turnstile, WaitingRoom
from tests.factories import NOW, ConcertFactory, QueueEntryFactory, RoomFactory
from tests.queue.support import stand_in_line, states

pytestmark = pytest.mark.django_db

ROOMS = "/admin/queue/waitingroom/"
ENTRIES = "/admin/queue/queueentry/"


def form_of(room, **changes):
    names = ("name", "state", "capacity", "admit_per_minute", "session_seconds", "idle_seconds")
    return {**{name: getattr(room, name) for name in names}, **changes}


def test_staff_change_a_rooms_limits_and_state(admin_client, room):
    form = form_of(room, state="paused", capacity=7)
    assert admin_client.post(f"{ROOMS}{room.pk}/change/", form).status_code == 302
    room.refresh_from_db()
    assert (room.state, room.capacity) == ("paused", 7)


def test_a_change_leaves_the_counters_that_moved_meanwhile(admin_client, room, monkeypatch):
    save = WaitingRoom.save

    def save_late(self, *args, **kwargs):
        Dispenser.objects.update(last_number=99)
        Turnstile.objects.update(now_serving=98, leaving_per_s=1.5)
        save(self, *args, **kwargs)

    monkeypatch.setattr(WaitingRoom, "save", save_late)
    admin_client.post(f"{ROOMS}{room.pk}/change/", form_of(room, capacity=7))
    room.refresh_from_db()
    turnstile = Turnstile.objects.get()
    counters = (Dispenser.objects.get().last_number, turnstile.now_serving, turnstile.leaving_per_s)
    assert (room.capacity, *counters) == (7, 99, 98, 1.5)


@pytest.mark.usefixtures("clock_at_now")
def test_a_change_lets_the_next_in_at_once(admin_client, room, django_capture_on_commit_callbacks):
    WaitingRoom.objects.update(capacity=1)
    people = stand_in_line(room, 3)
    services.admit_queue(now=NOW)
    assert states(*people) == ["admitted", "waiting", "waiting"]
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(f"{ROOMS}{room.pk}/change/", form_of(room, capacity=2))
    assert states(*people) == ["admitted", "admitted", "waiting"]


def test_the_pages_of_a_room_show_its_line(admin_client, room):
    WaitingRoom.objects.update(capacity=1)
    stand_in_line(room, 1_236)
    services.admit_queue(now=NOW)
    for url in (ROOMS, f"{ROOMS}{room.pk}/change/"):
        page = admin_client.get(url).content.decode()
        assert ">1235<" in page.replace(",", "")
    # When it was last looked after, by the clocks of Seoul.
    assert "2026년 11월 1일 10:00" in page


def test_a_form_that_changes_nothing_writes_nothing(admin_client, room):
    before = WaitingRoom.objects.values().get()
    assert admin_client.post(f"{ROOMS}{room.pk}/change/", form_of(room)).status_code == 302
    assert WaitingRoom.objects.values().get() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"capacity": 0},
        {"capacity": 1_000_001},
        {"admit_per_minute": -1},
        {"session_seconds": 9},
        {"idle_seconds": 2},
        {"state": "ajar"},
    ],
)
def test_limits_out_of_range_are_refused(admin_client, room, wrong):
    answer = admin_client.post(f"{ROOMS}{room.pk}/change/", form_of(room, **wrong))
    assert set(answer.context["adminform"].form.errors) == set(wrong)
    before = form_of(room)
    room.refresh_from_db()
    assert form_of(room) == before


@pytest.mark.parametrize("name", ["waiting", "inside", "now_serving", "counted_at", "slug"])
def test_staff_cannot_write_counters_or_rename_a_room(admin_client, room, name):
    before = read_rooms()
    form = form_of(room, **{name: "777"})
    assert admin_client.post(f"{ROOMS}{room.pk}/change/", form).status_code == 302
    assert read_rooms() == before


def read_rooms():
    return [list(model.objects.values()) for model in (WaitingRoom, Dispenser, Turnstile)]


def test_staff_make_a_room(admin_client):
    form = form_of(WaitingRoom(name="첫눈", capacity=5, session_seconds=60, idle_seconds=10))
    assert admin_client.post(f"{ROOMS}add/", {**form, "slug": "first-snow"}).status_code == 302
    room = WaitingRoom.objects.get(slug="first-snow")
    assert (room.dispenser.last_number, room.turnstile.now_serving) == (0, 0)


def test_rooms_are_never_deleted(admin_client, room):
    assert admin_client.post(f"{ROOMS}{room.pk}/delete/", {"post": "yes"}).status_code == 403
    assert WaitingRoom.objects.filter(pk=room.pk).exists()


def test_entries_are_shown_without_the_hash_of_their_token(admin_client, room):
    entry = QueueEntryFactory(room=room)
    for url in (ENTRIES, f"{ENTRIES}{entry.pk}/change/"):
        page = admin_client.get(url).content.decode()
        assert str(entry.number) in page.replace(",", "")
        assert "token_hash" not in page
        assert entry.token_hash.hex() not in page


@pytest.mark.parametrize("action", ["add", "{pk}/change", "{pk}/delete"])
def test_entries_are_read_only(admin_client, room, action):
    entry = QueueEntryFactory(room=room)
    before = list(QueueEntry.objects.values())
    form = {"state": "admitted", "post": "yes"}
    url = f"{ENTRIES}{action.format(pk=entry.pk)}/"
    assert admin_client.post(url, form).status_code == 403
    assert list(QueueEntry.objects.values()) == before


def test_entries_are_found_by_their_customer(admin_client, room):
    entry, other = QueueEntryFactory.create_batch(2, room=room)
    page = admin_client.get(ENTRIES, {"q": entry.customer.email}).content.decode()
    assert entry.customer.email in page
    assert other.customer.email not in page


def concert_form(concert, **changes):
    """Return the form of a concert as its page shows it, with some fields changed."""
    times = {
        f"{name}_{part}": text
        for name in ("sales_open_at", "sales_close_at")
        for part, text in enumerate(f"{getattr(concert, name):%Y-%m-%d %H:%M:%S}".split())
    }
    names = ("slug", "title", "artist", "seats_per_customer", "cancel_until_hours", "currency")
    return {
        **{name: getattr(concert, name) for name in (*names, "room")},
        **times,
        "venue": concert.venue_id,
        "performances-TOTAL_FORMS": 0,
        "performances-INITIAL_FORMS": 0,
        **changes,
    }


def test_a_concert_gets_a_room_that_exists(admin_client, room):
    concert = ConcertFactory()
    RoomFactory(slug="iu", name="아이유")
    url = f"/admin/concerts/concert/{concert.pk}/change/"
    page = admin_client.get(url)
    assert ("iu", "아이유") in page.context["adminform"].form.fields["room"].choices
    assert admin_client.post(url, concert_form(concert, room="iu")).status_code == 302
    concert.refresh_from_db()
    assert concert.room == "iu"


def test_a_concert_gets_no_room_that_does_not_exist(admin_client, room):
    concert = ConcertFactory()
    url = f"/admin/concerts/concert/{concert.pk}/change/"
    answer = admin_client.post(url, concert_form(concert, room="nowhere"))
    assert answer.status_code == 200
    assert set(answer.context["adminform"].form.errors) == {"room"}
    concert.refresh_from_db()
    assert concert.room == "main"
