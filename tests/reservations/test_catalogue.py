"""Loading concert files: what is made, what changes, and what never does."""

import json
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta

import pytest
from django.db import IntegrityError

from apps.concerts.concert_file import ConcertFileError
from apps.concerts.models import Concert, Performance, Seat, Venue
from apps.concerts.transitions import FILE_BLOCK, WITHDRAWN
from apps.core.db import rehearsal
from apps.core.errors import Busy
from apps.core.models import StaffAction
from apps.queue.models import Dispenser, Turnstile, WaitingRoom
from apps.reservations import catalogue
from apps.reservations.catalogue import load_concerts, parse_concerts
from apps.reservations.models import Reservation
from tests.factories import NOW, UserFactory
from tests.reservations.support import CLAIMS, block, make_hold, read_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room")]

PLACE = "concerts[0].performances[0].sections[0]"
CHANGES = {"price": 9_999, "grade": "R", "blocked": ["1-1", "1-2"]}
CONCERT = {
    "slug": "first-snow",
    "title": "첫눈",
    "artist": "서하린",
    "venue": {"name": "한빛홀", "time_zone": "Asia/Seoul"},
    "sales_open_at": "2026-10-01T10:00:00+09:00",
    "sales_close_at": "2026-12-24T18:00:00+09:00",
    "performances": [
        {
            "starts_at": "2026-12-24T23:30:00+09:00",
            "sections": [
                {"name": "A", "grade": "VIP", "price": 100, "rows": 2, "seats_per_row": 3},
                {
                    "name": "B",
                    "grade": "R",
                    "price": 50,
                    "seats": [{"row": "가", "number": "1", "x": 9, "y": 0}],
                },
            ],
        }
    ],
}


@pytest.fixture
def concert():
    """A concert of a file, for the test to change."""
    return deepcopy(CONCERT)


def load(*concerts):
    return load_concerts(parse_concerts(json.dumps({"concerts": concerts}).encode()), now=NOW)


def sections_of(concert):
    return concert["performances"][0]["sections"]


def seat(label, section="A"):
    row, number = label.split("-")
    return Seat.objects.get(section=section, row=row, number=number)


def read_catalogue():
    models = (Venue, Concert, Performance)
    return read_rows() | {m.__name__: list(m.objects.order_by("pk").values()) for m in models}


@contextmanager
def refused():
    """Assert that the file is refused and nothing of it written; give the problems afterwards."""
    before, problems = read_catalogue(), []
    # What a command's transaction does; a test's own would keep what was written before the error.
    with pytest.raises(ConcertFileError) as caught, rehearsal():
        yield problems
    problems += map(str, caught.value.problems)
    assert read_catalogue() == before


def test_a_new_concert(concert, settings):
    report = load(concert)
    made = Concert.objects.get()
    (counts,) = report.concerts
    assert vars(counts) == {
        "slug": "first-snow",
        "outcome": "made",
        "concert_id": made.pk,
        "performances_made": 1,
        "seats_made": 7,
        "seats_changed": 0,
        "seats_removed": 0,
        "seats_withdrawn": 0,
        "performances_not_in_file": [],
    }
    assert report.rooms == {}
    assert (made.title, made.artist, made.description) == ("첫눈", "서하린", "")
    assert (made.room, made.published, made.cancel_until_hours) == ("main", False, 24)
    assert made.seats_per_customer == settings.SEATS_PER_CUSTOMER
    assert str(made.performances.get().date) == "2026-12-24"
    assert [s.position for s in Seat.objects.order_by("position")] == [1, 2, 3, 5, 6, 7, 9]


def test_the_same_file_again_changes_nothing(concert):
    concert["room"] = {"slug": "snow", "capacity": 5}
    sections_of(concert)[0]["blocked"] = ["2-3"]
    load(concert)
    before = read_catalogue()
    report = load(concert)
    assert read_catalogue() == before
    assert report.concerts[0].outcome == "unchanged"
    assert report.rooms == {"snow": "unchanged"}


def test_what_is_left_out_stays(concert):
    load(concert | {"description": "눈", "published": True, "seats_per_customer": 2})
    report = load(concert)
    changed = Concert.objects.get()
    assert (changed.description, changed.published, changed.seats_per_customer) == ("눈", True, 2)
    assert report.concerts[0].outcome == "unchanged"


def test_a_changed_concert(concert):
    load(concert)
    concert |= {"title": "두번째 눈", "description": "", "cancel_until_hours": 0}
    report = load(concert)
    changed = Concert.objects.get()
    assert (changed.title, changed.cancel_until_hours) == ("두번째 눈", 0)
    assert report.concerts[0].outcome == "updated"
    assert report.concerts[0].seats_changed == 0


def test_another_venue_moves_the_dates(concert):
    load(concert)
    concert["venue"] = {"name": "Green Hall", "time_zone": "Europe/London"}
    concert["performances"][0]["starts_at"] = "2026-12-25T05:00:00+09:00"
    report = load(concert)
    dates = Performance.objects.order_by("starts_at").values_list("date", flat=True)
    assert [str(date) for date in dates] == ["2026-12-24", "2026-12-24"]
    assert report.concerts[0].performances_not_in_file == ["2026-12-24T14:30:00+00:00"]
    concert["venue"] = {"name": "한빛홀"}
    load(concert)
    dates = Performance.objects.order_by("starts_at").values_list("date", flat=True)
    assert [str(date) for date in dates] == ["2026-12-24", "2026-12-25"]


def test_a_venue_keeps_its_time_zone(concert):
    load(concert)
    concert["venue"]["time_zone"] = "Asia/Tokyo"
    with refused() as problems:
        load(concert | {"title": "다른 제목"})
    assert problems == [
        "concerts[0].venue.time_zone: should be Asia/Seoul, is Asia/Tokyo: “한빛홀” exists already, "
        "and its dates follow its time zone"
    ]


def test_a_room_is_made_and_changed_but_for_its_line(concert, settings):
    concert["room"] = {"slug": "snow", "capacity": 5, "session_seconds": 20}
    assert load(concert).rooms == {"snow": "made"}
    made = WaitingRoom.objects.get(slug="snow")
    assert (made.name, made.capacity, made.session_seconds) == ("첫눈", 5, 20)
    assert made.idle_seconds == settings.ROOM_IDLE_SECONDS
    assert Concert.objects.get().room == "snow"
    kept = {"state": "paused", "name": "눈"}
    WaitingRoom.objects.filter(slug="snow").update(**kept)
    Dispenser.objects.filter(room=made).update(last_number=9)
    Turnstile.objects.filter(room=made).update(now_serving=3)
    concert["room"] = {"slug": "snow", "capacity": 6}
    other = concert | {"slug": "other", "room": {"slug": "snow", "idle_seconds": 30}}
    assert load(concert, other).rooms == {"snow": "updated"}
    recorded = StaffAction.objects.filter(action="steer_room").order_by("pk")
    assert [(action.before, action.after) for action in recorded] == [
        ({"capacity": 5}, {"capacity": 6}),
        ({"idle_seconds": settings.ROOM_IDLE_SECONDS}, {"idle_seconds": 30}),
    ]
    assert WaitingRoom.objects.filter(
        slug="snow", capacity=6, session_seconds=20, idle_seconds=30, **kept
    ).exists()
    assert Dispenser.objects.get(room=made).last_number == 9
    assert Turnstile.objects.get(room=made).now_serving == 3
    del concert["room"]
    load(concert)
    assert Concert.objects.get(slug="first-snow").room == "main"


@pytest.mark.parametrize(
    ("limit", "value", "problem"),
    [
        ("capacity", 0, "should be 1 or more, is 0"),
        ("capacity", "5", "should be a whole number, is the text “5”"),
        ("admit_per_minute", 1_000_001, "should be 1,000,000 or less, is 1000001"),
        ("session_seconds", 9, "should be 10 or more, is 9"),
        ("idle_seconds", 2, "should be 3 or more, is 2"),
        ("capacty", 5, "is no field of the concert file; did you mean “capacity”?"),
    ],
)
def test_wrong_rooms(concert, limit, value, problem):
    concert["room"] = {"slug": "snow", limit: value}
    with refused() as problems:
        load(concert)
    assert problems == [f"concerts[0].room.{limit}: {problem}"]


def test_seats_are_made_changed_and_removed(concert):
    load(concert)
    first = seat("1-1").pk
    sections_of(concert)[0] |= {"price": 200, "rows": 1, "seats_per_row": 4}
    del sections_of(concert)[1]
    (counts,) = load(concert).concerts
    assert (counts.outcome, counts.seats_made, counts.seats_changed, counts.seats_removed) == (
        *("updated", 1, 3, 4),
    )
    assert [(s.row, s.number, s.price) for s in Seat.objects.order_by("position")] == [
        ("1", str(number), 200) for number in (1, 2, 3, 4)
    ]
    assert seat("1-1").pk == first


def test_the_file_blocks_and_unblocks_its_own_and_leaves_those_of_staff(concert):
    sections_of(concert)[0]["blocked"] = ["1-1", "1-2"]
    load(concert)
    assert seat("1-1").blocked_reason == FILE_BLOCK
    block(seat("1-2"), "휠체어석")
    block(seat("2-1"), "카메라")
    sections_of(concert)[0]["blocked"] = ["2-1", "2-2"]
    load(concert)
    blocked = Seat.objects.filter(blocked=True).order_by("position")
    assert [(f"{s.row}-{s.number}", s.blocked_reason) for s in blocked] == [
        ("1-2", "휠체어석"), ("2-1", "카메라"), ("2-2", FILE_BLOCK),
    ]  # fmt: skip


def test_seats_with_a_history_are_withdrawn_and_come_back(concert, customer):
    load(concert)
    over = make_hold(customer, [seat("2-1"), seat("2-3")], at=NOW - timedelta(hours=1))
    block(seat("2-3"), "카메라")
    fewer = deepcopy(concert)
    sections_of(fewer)[0]["rows"] = 1
    (counts,) = load(fewer).concerts
    assert (counts.seats_removed, counts.seats_withdrawn) == (1, 1)
    assert (seat("2-1").blocked_reason, seat("2-3").blocked_reason) == (WITHDRAWN, "카메라")
    positions = list(Seat.objects.order_by("position").values_list("position", flat=True))
    assert positions == [1, 2, 3, 5, 7, 9]
    assert load(fewer).concerts[0].outcome == "unchanged"
    (counts,) = load(concert).concerts
    assert (counts.seats_made, counts.seats_withdrawn) == (1, 0)
    assert (seat("2-1").blocked, seat("2-3").blocked_reason) == (False, "카메라")
    assert Reservation.objects.get() == over


@pytest.mark.parametrize("claim", list(CLAIMS))
@pytest.mark.parametrize("field", list(CHANGES))
def test_a_taken_seat_is_never_changed(concert, customer, claim, field):
    load(concert)
    CLAIMS[claim](customer, [seat("1-2")])
    old = {"price": 100, "grade": "'VIP'", "blocked": False}[field]
    new = {"price": 9_999, "grade": "'R'", "blocked": True}[field]
    sections_of(concert)[0][field] = CHANGES[field]
    with refused() as problems:
        load(concert | {"slug": "new"}, concert | {"title": "다른 제목"})
    assert problems == [
        f"{PLACE.replace('concerts[0]', 'concerts[1]')}: seat A 1-2 is taken and cannot be changed: "
        f"{field} is {old}, the file has {new}"
    ]


def test_a_taken_seat_is_never_moved(concert, customer):
    load(concert)
    make_hold(customer, [seat("가-1", "B")])
    sections_of(concert)[1]["seats"][0]["x"] = 8.5
    with refused() as problems:
        load(concert)
    place = PLACE.replace("sections[0]", "sections[1].seats[0]")
    assert problems == [
        f"{place}: seat B 가-1 is taken and cannot be changed: x is 9.0, the file has 8.5"
    ]


def test_a_taken_seat_is_never_removed(concert, customer):
    load(concert)
    make_hold(customer, [seat("2-1"), seat("가-1", "B")])
    sections_of(concert)[0]["rows"] = 1
    del sections_of(concert)[1]
    with refused() as problems:
        load(concert)
    assert problems == [
        f"{PLACE}: seat A 2-1 is taken and cannot be removed, but the file has no such seat",
        "concerts[0].performances[0]: seat B 가-1 is taken and cannot be removed, but the file has "
        "no such seat",
    ]


def test_what_is_not_the_taken_seats_may_change(concert, customer):
    load(concert)
    make_hold(customer, [seat("1-2")])
    make_hold(UserFactory(), [seat("2-2")], at=NOW - timedelta(minutes=5))
    sections_of(concert)[0]["blocked"] = ["1-1", "2-2"]
    sections_of(concert).append(sections_of(concert)[0] | {"name": "C"})
    (counts,) = load(concert).concerts
    assert (counts.seats_made, counts.seats_changed) == (6, 2)


def test_performances_that_the_file_lacks_stay(concert):
    load(concert)
    concert["performances"][0]["starts_at"] = "2026-12-25T19:00:00+09:00"
    (counts,) = load(concert).concerts
    assert counts.performances_not_in_file == ["2026-12-24T14:30:00+00:00"]
    assert counts.performances_made == 1
    assert [p.seats.count() for p in Performance.objects.all()] == [7, 7]


def test_progress_is_told(concert):
    told = []
    content = json.dumps({"concerts": [concert]}).encode()
    load_concerts(parse_concerts(content), now=NOW, note_progress=told.append)
    assert told == ["first-snow: performance 1 of 1"]


@pytest.mark.django_db(transaction=True)
def test_somebody_else_made_the_same_meanwhile(concert, monkeypatch):
    load(concert)
    before = read_catalogue()
    monkeypatch.setattr(catalogue, "lock_concerts", lambda _slugs: {})
    with pytest.raises(Busy):
        load(concert | {"venue": {"name": "다른 곳"}})
    assert read_catalogue() == before


@pytest.mark.django_db(transaction=True)
def test_other_refusals_of_the_database_are_no_secret(concert, monkeypatch):
    load(concert)
    before = read_catalogue()
    monkeypatch.setattr(catalogue, "save_room", lambda **_room: "made")
    with pytest.raises(IntegrityError, match="concert_room_exists"):
        load(concert | {"room": {"slug": "nowhere"}})
    assert read_catalogue() == before
