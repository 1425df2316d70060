"""Rooms and lines in the admin."""

import pytest

from apps.queue.admin import WaitingRoomAdmin
from apps.queue.models import Dispenser, QueueEntry, Turnstile, WaitingRoom
from tests.factories import ConcertFactory, QueueEntryFactory, RoomFactory

pytestmark = pytest.mark.django_db

ROOMS = "/admin/queue/waitingroom/"
ENTRIES = "/admin/queue/queueentry/"


def page_of(room):
    return f"{ROOMS}{room.pk}/change/"


def form_of(room, **changes):
    names = ("name", "state", "capacity", "admit_per_minute", "session_seconds", "idle_seconds")
    return {**{name: getattr(room, name) for name in names}, **changes}


def read_rooms():
    return [list(model.objects.values()) for model in (WaitingRoom, Dispenser, Turnstile)]


def test_staff_rename_a_room(admin_client, room):
    assert admin_client.post(page_of(room), {"name": "첫눈"}).status_code == 302
    room.refresh_from_db()
    assert room.name == "첫눈"


@pytest.mark.parametrize(
    "name",
    [
        *("state", "capacity", "admit_per_minute", "session_seconds", "idle_seconds", "opens_at"),
        *("slug", "waiting", "inside", "now_serving", "counted_at"),
    ],
)
def test_the_form_of_a_room_changes_its_name_alone(admin_client, room, name):
    before = read_rooms()
    assert admin_client.post(page_of(room), form_of(room, **{name: "777"})).status_code == 302
    assert read_rooms() == before


def test_a_new_name_leaves_what_was_steered_meanwhile(admin_client, room, monkeypatch):
    save = WaitingRoomAdmin.save_model

    def save_late(self, *args, **kwargs):
        WaitingRoom.objects.update(capacity=7, state="paused")
        Dispenser.objects.update(last_number=99)
        save(self, *args, **kwargs)

    monkeypatch.setattr(WaitingRoomAdmin, "save_model", save_late)
    admin_client.post(page_of(room), {"name": "첫눈"})
    room.refresh_from_db()
    assert (room.name, room.capacity, room.state) == ("첫눈", 7, "paused")
    assert Dispenser.objects.get().last_number == 99


def test_staff_make_a_room(admin_client):
    form = form_of(WaitingRoom(name="첫눈", capacity=5, session_seconds=60, idle_seconds=10))
    assert admin_client.post(f"{ROOMS}add/", {**form, "slug": "first-snow"}).status_code == 302
    room = WaitingRoom.objects.get(slug="first-snow")
    assert (room.dispenser.last_number, room.turnstile.now_serving) == (0, 0)


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
def test_no_room_is_made_with_limits_out_of_range(admin_client, room, wrong):
    answer = admin_client.post(f"{ROOMS}add/", {**form_of(room, **wrong), "slug": "first-snow"})
    assert set(answer.context["adminform"].form.errors) == set(wrong)
    assert WaitingRoom.objects.get() == room


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


@pytest.mark.parametrize("part", [1, 0.7])
def test_entries_are_found_by_their_customer_also_by_how_the_address_begins(
    admin_client, room, part
):
    entry = QueueEntryFactory(room=room, customer__email="haneul@encore.example")
    other = QueueEntryFactory(room=room, customer__email="ha@encore.example")
    typed = entry.customer.email[: int(len(entry.customer.email) * part)].upper()
    page = admin_client.get(ENTRIES, {"q": typed}).content.decode()
    assert entry.customer.email in page
    assert other.customer.email not in page


def test_nobody_is_found_by_what_an_address_contains(admin_client, room):
    entry = QueueEntryFactory(room=room, customer__email="haneul@encore.example")
    page = admin_client.get(ENTRIES, {"q": "neul@encore"}).content.decode()
    assert entry.customer.email not in page


def test_the_list_of_entries_counts_nothing_and_asks_little(
    admin_client, room, django_assert_max_num_queries
):
    QueueEntryFactory.create_batch(60, room=room)
    with django_assert_max_num_queries(12) as asked:
        assert admin_client.get(ENTRIES).status_code == 200
    assert not any("COUNT(" in query["sql"] for query in asked.captured_queries)


def test_the_columns_of_entries_are_not_sorted(admin_client, room):
    """No index would serve it."""
    QueueEntryFactory.create_batch(2, room=room)
    page = admin_client.get(ENTRIES)
    assert [entry.number for entry in page.context["cl"].result_list] == sorted(
        QueueEntry.objects.values_list("number", flat=True), reverse=True
    )
    assert "?o=" not in page.content.decode()


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
        "prices-TOTAL_FORMS": 0,
        "prices-INITIAL_FORMS": 0,
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
