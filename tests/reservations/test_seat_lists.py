"""The lists of seats that a web process keeps: as good as read anew, and never more than they say.

Nothing is kept inside a transaction, so these tests commit.
"""

import gzip
import random
from datetime import timedelta

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.concerts.models import Concert, Performance, Seat
from apps.concerts.transitions import delete_seats
from apps.core.conditional import takes_gzip
from apps.core.db import transaction
from apps.reservations import limits, seat_bodies, seat_lists
from apps.reservations.availability import list_seats
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.seat_lists import KeptDates, kept_dates
from apps.reservations.transitions import cancel, confirm, expire_reservations, reserve
from tests.concurrency.racing import held_open, race
from tests.factories import NOW, PerformanceFactory, RoomFactory, UserFactory, make_seats
from tests.reservations.support import DEADLINE, block, make_hold, make_inside, seats_url

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = ({}, {"include": "all"})


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Lists are made anew as soon as anything has changed."""
    monkeypatch.setattr(seat_lists, "REBUILD_PAUSE_US_PER_SEAT", 0)


def ask(client, performance, /, **params):
    answer = client.get(seats_url(performance), params)
    assert answer.status_code == 200, answer.content
    return answer.json()


def read_anew(performances, now, **params):
    """Return what the same question is answered by a full read."""
    return list_seats(performances, now=now, include_all="include" in params)


class Reads:
    """Counts the full reads of houses and the reads of what has changed."""

    def __init__(self, monkeypatch):
        self.full = self.changed = 0
        self.read_seats, self.read_changed = seat_bodies.read_seats, seat_bodies.read_changed_seats
        monkeypatch.setattr(seat_bodies, "read_seats", self.count_full)
        monkeypatch.setattr(seat_bodies, "read_changed_seats", self.count_changed)

    def count_full(self, *args, **kwargs):
        self.full += 1
        return self.read_seats(*args, **kwargs)

    def count_changed(self, *args, **kwargs):
        self.changed += 1
        return self.read_changed(*args, **kwargs)


@pytest.fixture
def reads(monkeypatch):
    return Reads(monkeypatch)


ACTS = (
    "hold", "hold", "reserve", "pay", "give_back", "sweep", "wait", "block", "block", "price", "name",
    "move", "swap",
)  # fmt: skip


class Sale:
    """Whatever may happen to the seats of a date, by a dice of its own."""

    def __init__(self, shows, clock, seed):
        self.shows, self.clock, self.dice = shows, clock, random.Random(seed)
        self.customer = UserFactory()
        self.payments = iter(range(1, 10_000))

    def step(self):
        getattr(self, self.dice.choice(ACTS))()

    def pick(self, **wanted):
        rows = list(Reservation.objects.filter(**wanted).order_by("pk"))
        return self.dice.choice(rows) if rows else None

    def pick_seat(self):
        return self.dice.choice(list(Seat.objects.order_by("pk")))

    def hold(self):
        taken = ReservationSeat.objects.filter(released_at__isnull=True).values("seat")
        show = self.dice.choice(self.shows)
        free = list(Seat.objects.filter(performance=show).exclude(pk__in=taken).order_by("pk"))
        if free:
            wanted = self.dice.sample(free, min(len(free), self.dice.randint(1, 2)))
            with transaction():
                make_hold(self.customer, wanted, at=self.clock.now)

    def reserve(self):
        if (claim := self.pick(status="held")) is not None:
            with transaction():
                reserve(claim, now=self.clock.now)

    def pay(self):
        if (claim := self.pick(status="reserved")) is not None:
            with transaction():
                confirm(claim, payment_id=next(self.payments), now=self.clock.now)

    def give_back(self):
        if (claim := self.pick(status__in=("held", "reserved", "confirmed"))) is not None:
            with transaction():
                cancel(claim, now=self.clock.now)

    def sweep(self):
        overdue = Reservation.objects.overdue(self.clock.now).values_list("pk", flat=True)
        with transaction():
            expire_reservations(list(overdue))

    def wait(self):
        self.clock.move(seconds=self.dice.choice((1, 60, 120, 300)))

    def block(self):
        block(self.pick_seat(), self.dice.choice(("", "a camera")))

    def price(self):
        Seat.objects.filter(pk=self.pick_seat().pk).update(price=self.dice.randint(1, 9) * 1_000)

    def name(self):
        Seat.objects.filter(pk=self.pick_seat().pk).update(section='},{"id":7', x=-0.5, grade="석")

    def move(self):
        Seat.objects.filter(pk=self.pick_seat().pk).update(position=self.dice.randint(100, 9_999))

    def swap(self):
        one = self.pick_seat()
        others = Seat.objects.filter(performance=one.performance_id).order_by("pk")
        other = self.dice.choice(list(others))
        with transaction():
            for seat, position in ((one, other.position), (other, one.position)):
                Seat.objects.filter(pk=seat.pk).update(position=position)


@pytest.mark.parametrize("seed", range(4))
def test_a_kept_list_is_the_one_that_is_read_anew(buyer, clock_at_now, performance, seats, seed):
    starts_at = performance.starts_at + timedelta(hours=4)
    evening = PerformanceFactory(concert=performance.concert, starts_at=starts_at)
    make_seats(evening, 3)
    shows = [performance, evening]
    sale = Sale(shows, clock_at_now, seed)
    known = {row["id"]: row for row in ask(buyer, performance, include="all")["results"]}
    version = ask(buyer, performance)["version"]
    for _step in range(60):
        sale.step()
        # A different one of them is the first to notice, each time.
        for params in sale.dice.sample(KINDS, 2):
            answer = ask(buyer, performance, **params)
            assert answer["results"] == read_anew(shows, clock_at_now.now, **params)
            narrowed = ask(buyer, performance, performance=evening.pk, **params)
            assert narrowed["results"] == read_anew([evening], clock_at_now.now, **params)
        if sale.dice.random() < 0.3:
            changes = ask(buyer, performance, since=version)
            known.update((row["id"], row) for row in changes["results"])
            full = ask(buyer, performance, include="all")
            assert known == {row["id"]: row for row in full["results"]}
            # The version of a list that is kept serves as well as that of what has changed.
            version = sale.dice.choice((changes, full))["version"]


def test_an_answer_is_the_same_to_the_byte(buyer, performance, seats):
    Seat.objects.filter(pk=seats[0].pk).update(x=1e20, y=-0.0, section='"},{"id":1')
    make_hold(UserFactory(), seats[1:2])
    for params in KINDS:
        content = buyer.get(seats_url(performance), params).content
        rows = read_anew([performance], NOW, **params)
        version = orjson.loads(content)["version"]
        answer = {"results": rows, "next": None, "previous": None, "version": version}
        assert content == orjson.dumps(answer)
    Seat.objects.filter(pk=seats[2].pk).update(x=1e-7, y=3e15, grade="\\\u2028")
    rows = read_anew([performance], NOW)
    assert orjson.dumps(rows) in buyer.get(seats_url(performance)).content


def test_only_what_has_changed_is_read_again(buyer, performance, seats, reads):
    ask(buyer, performance)
    assert (reads.full, reads.changed) == (1, 0)
    for params in KINDS:
        ask(buyer, performance, **params)
    assert (reads.full, reads.changed) == (1, 0)
    make_hold(UserFactory(), seats[:1])
    assert len(ask(buyer, performance)["results"]) == 3
    ask(buyer, performance)
    assert (reads.full, reads.changed) == (1, 1)
    # Another date's seats are none of this one's.
    make_hold(UserFactory(), make_seats(PerformanceFactory(), 1))
    ask(buyer, performance)
    assert (reads.full, reads.changed) == (1, 1)


def test_what_changes_nothing_leaves_answers_and_their_tags(buyer, performance, seats):
    first = buyer.get(seats_url(performance))
    Seat.objects.filter(pk=seats[0].pk).update(blocked_reason="", blocked=False)
    again = buyer.get(seats_url(performance))
    assert (again["ETag"], again.content) == (first["ETag"], first.content)


def test_the_free_seats_do_not_change_with_who_has_the_others(buyer, performance, seats):
    held = make_hold(UserFactory(), seats[:1])
    free = buyer.get(seats_url(performance))["ETag"]
    every = buyer.get(seats_url(performance), {"include": "all"})["ETag"]
    with transaction():
        reserve(held, now=NOW)
    assert buyer.get(seats_url(performance))["ETag"] == free
    assert buyer.get(seats_url(performance), {"include": "all"})["ETag"] != every


def test_what_a_list_costs_the_database(buyer, performance, seats):
    def count(**params):
        with CaptureQueriesContext(connection) as queries:
            answer = buyer.get(seats_url(performance), params, **headers)
        return answer.status_code, len(queries)

    headers = {}
    buyer.get("/api/v1/queue/tokens/current")
    # The token; whether anything was written; concert, performances, claims, seats.
    assert count() == (200, 6)
    # The token, and whether anything was written.
    assert count() == count(include="all") == (200, 2)
    headers["HTTP_IF_NONE_MATCH"] = buyer.get(seats_url(performance))["ETag"]
    assert count() == (304, 2)
    version = ask(buyer, performance)["version"]
    assert count(since=version) == (200, 2)
    make_hold(UserFactory(), seats[:1])
    # And what.
    assert count(since=version) == count() == (200, 3)
    assert count() == (200, 2)


# What a version says


def test_who_commits_after_the_list_was_made_is_told_later(buyer, performance, seats):
    slow = make_inside()
    with held_open(lambda: make_hold(slow.customer, seats[:1])):
        make_hold(make_inside().customer, seats[1:2])
        ask(buyer, performance)
        # From what is kept.
        kept = ask(buyer, performance)
        assert len(kept["results"]) == 3
    told = ask(buyer, performance, since=kept["version"])["results"]
    assert {row["id"]: row["status"] for row in told} == {seats[0].pk: "held"}
    assert len(ask(buyer, performance)["results"]) == 2


def test_a_list_that_forgot_who_was_running_would_miss_it(buyer, performance, seats, monkeypatch):
    """The negative control of the test above."""
    make_version = seat_lists.make_version

    def forget(snapshot, *, now):
        oldest, next_xid, _running = snapshot.split(":")
        return make_version(f"{oldest}:{next_xid}:", now=now)

    monkeypatch.setattr(seat_lists, "make_version", forget)
    slow = make_inside()
    with held_open(lambda: make_hold(slow.customer, seats[:1])):
        make_hold(make_inside().customer, seats[1:2])
        assert len(ask(buyer, performance)["results"]) == 3
    assert len(ask(buyer, performance)["results"]) == 3


def test_a_busy_list_is_given_again_for_a_moment_and_says_so(
    buyer, performance, seats, monkeypatch
):
    monkeypatch.setattr(seat_lists, "REBUILD_PAUSE_US_PER_SEAT", 3_600_000_000)
    before = buyer.get(seats_url(performance))
    make_hold(UserFactory(), seats[:1])
    again = buyer.get(seats_url(performance))
    assert (again.content, again["ETag"]) == (before.content, before["ETag"])
    told = ask(buyer, performance, since=again.json()["version"])["results"]
    assert {row["id"]: row["status"] for row in told} == {seats[0].pk: "held"}
    # Another kind of list is made of the same seats, at the same version.
    other = ask(buyer, performance, include="all")
    assert {row["status"] for row in other["results"]} == {"available"}
    assert other["version"] == again.json()["version"]
    monkeypatch.setattr(seat_lists, "REBUILD_PAUSE_US_PER_SEAT", 0)
    assert len(ask(buyer, performance)["results"]) == 3


def test_a_look_serves_all_who_ask_within_a_moment(
    buyer, clock_at_now, performance, seats, monkeypatch
):
    def ask_counted(**params):
        with CaptureQueriesContext(connection) as queries:
            answer = ask(buyer, performance, **params)
        return answer, len(queries)

    ask(buyer, performance)
    monkeypatch.setattr(seat_lists, "LOOK_SHARED_MS", 3_600_000)
    make_hold(UserFactory(), seats[:1])
    # The token alone.
    stale, count = ask_counted()
    assert (len(stale["results"]), count) == (4, 1)
    assert ask_counted(include="all")[1] == 1
    # What has changed is looked for all the same, and read.
    told, count = ask_counted(since=stale["version"])
    assert ([row["status"] for row in told["results"]], count) == (["held"], 3)
    assert ask_counted()[1] == 1
    # The clock is read each time.
    make_hold(UserFactory(), seats[1:2], at=NOW - timedelta(seconds=1))
    clock_at_now.move(seconds=1)
    monkeypatch.setattr(seat_lists, "LOOK_SHARED_MS", 0)
    assert len(ask(buyer, performance)["results"]) == 2
    monkeypatch.setattr(seat_lists, "LOOK_SHARED_MS", 3_600_000)
    clock_at_now.now = DEADLINE
    assert len(ask(buyer, performance)["results"]) == 4


def test_moments_are_short():
    """A hall's customers see their own holds at once; a stadium's half a second later."""
    assert limits.LOOK_SHARED_MS <= 10
    assert 2_000 * limits.REBUILD_PAUSE_US_PER_SEAT <= 20_000
    assert 50_000 * limits.REBUILD_PAUSE_US_PER_SEAT <= 500_000


# What makes a list useless


def test_deadlines_pass_without_a_write(buyer, clock_at_now, performance, seats, reads):
    make_hold(UserFactory(), seats[:1])
    make_hold(UserFactory(), seats[1:2], at=NOW + timedelta(seconds=30))
    assert len(ask(buyer, performance)["results"]) == 2
    clock_at_now.now = DEADLINE - timedelta(microseconds=1)
    assert len(ask(buyer, performance)["results"]) == 2
    assert reads.changed == 0
    clock_at_now.now = DEADLINE
    assert len(ask(buyer, performance)["results"]) == 3
    clock_at_now.now = DEADLINE + timedelta(seconds=30)
    assert len(ask(buyer, performance)["results"]) == 4
    assert (reads.full, reads.changed) == (1, 2)


def test_a_clock_that_is_set_back_brings_claims_back(buyer, clock_at_now, performance, seats):
    make_hold(UserFactory(), seats[:1])
    clock_at_now.now = DEADLINE
    assert len(ask(buyer, performance)["results"]) == 4
    clock_at_now.now = NOW
    assert len(ask(buyer, performance)["results"]) == 3


def withdraw_concert(performance):
    Concert.objects.update(published=False)


def close_sale(performance):
    Concert.objects.update(sales_close_at=NOW)


def call_off(performance):
    Performance.objects.update(called_off_at=NOW)


def postpone(performance):
    Performance.objects.update(date=performance.date + timedelta(days=1))


def change_room(performance):
    Concert.objects.update(room=RoomFactory(slug="vip").slug)


REFUSALS = {
    withdraw_concert: "concert_not_found",
    close_sale: "date_not_bookable",
    call_off: "date_not_bookable",
    postpone: "date_not_bookable",
    change_room: "wrong_waiting_room",
}


@pytest.mark.parametrize("change", REFUSALS, ids=lambda change: change.__name__)
@pytest.mark.parametrize("params", [{}, {"since": "0:0:~0"}])
def test_what_is_not_for_sale_any_more_is_not_listed(buyer, performance, seats, change, params):
    url = seats_url(performance)
    etag = buyer.get(url, params)["ETag"]
    change(performance)
    answer = buyer.get(url, params, HTTP_IF_NONE_MATCH=etag)
    assert answer.json()["code"] == REFUSALS[change]


@pytest.mark.parametrize("moment", ["sales_close_at", "starts_at"])
@pytest.mark.parametrize("shared_ms", [0, 3_600_000])
def test_a_sale_ends_by_the_clock(
    buyer, clock_at_now, performance, seats, moment, shared_ms, monkeypatch
):
    monkeypatch.setattr(seat_lists, "LOOK_SHARED_MS", shared_ms)
    end = NOW + timedelta(seconds=30)
    Concert.objects.update(sales_close_at=end + timedelta(days=moment == "starts_at"))
    Performance.objects.update(starts_at=end)
    assert len(ask(buyer, performance)["results"]) == 4
    clock_at_now.now = end
    assert buyer.get(seats_url(performance)).json()["code"] == "date_not_bookable"


def test_a_show_that_is_added_is_listed(buyer, performance, seats):
    ask(buyer, performance)
    starts_at = performance.starts_at + timedelta(hours=4)
    evening = PerformanceFactory(concert=performance.concert, starts_at=starts_at)
    make_seats(evening, 2)
    assert len(ask(buyer, performance)["results"]) == 6
    narrowed = ask(buyer, performance, performance=evening.pk, include="all")
    assert {row["performance_id"] for row in narrowed["results"]} == {evening.pk}


def test_seats_that_are_added_or_deleted(buyer, performance, seats, reads):
    ask(buyer, performance)
    added = make_seats(performance, 1, row="2")
    assert len(ask(buyer, performance)["results"]) == 5
    with transaction():
        delete_seats(added)
    assert len(ask(buyer, performance)["results"]) == 4
    assert reads.full == 3


def test_another_server_may_number_its_transactions_anew(buyer, performance, seats, reads):
    ask(buyer, performance)
    seen = kept_dates.get(performance.concert_id, performance.date).looked
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time()::text")
        started_at = cursor.fetchone()[0]
    seen.writers = seen.writers.replace(started_at, "2026-01-01 00:00:00+00")
    ask(buyer, performance)
    assert reads.full == 2


def test_inside_a_transaction_nothing_is_kept(buyer, performance, seats):
    ask(buyer, performance)
    with transaction():
        make_hold(UserFactory(), seats[:1])
        assert len(ask(buyer, performance)["results"]) == 3
        connection.set_rollback(True)
    assert len(ask(buyer, performance)["results"]) == 4


# Many at once, and much


def test_who_asks_meanwhile_waits_for_the_one_who_reads(
    sign_in, clock_at_now, performance, seats, reads
):
    entries = [make_inside() for _client in range(4)]
    clients = [sign_in(entry.customer, entry) for entry in entries]

    def ask_all():
        answers = race(*(lambda client=client: ask(client, performance) for client in clients))
        return [len(answer["results"]) for answer in answers]

    assert ask_all() == [4, 4, 4, 4]
    # Who finds that something was written anywhere meanwhile reads what has changed.
    assert (reads.full, reads.changed <= 3) == (1, True)
    make_hold(UserFactory(), seats[:1])
    assert ask_all() == [3, 3, 3, 3]
    assert reads.full == 1


def test_what_nobody_asks_for_is_dropped(buyer, performance, seats, monkeypatch):
    monkeypatch.setattr(seat_lists, "SEAT_LISTS_KEPT_MAX", 2)
    shows = [performance]
    for days in (1, 2):
        starts_at = performance.starts_at + timedelta(days=days)
        shows.append(PerformanceFactory(concert=performance.concert, starts_at=starts_at))
        make_seats(shows[-1], 3)

    def kept():
        return [kept_dates.get(show.concert_id, show.date) is not None for show in shows]

    ask(buyer, shows[0])
    ask(buyer, shows[1])
    ask(buyer, shows[0])
    ask(buyer, shows[2])
    assert kept() == [True, False, True]
    monkeypatch.setattr(seat_lists, "SEATS_KEPT_MAX", 6)
    ask(buyer, shows[1])
    assert kept() == [False, True, True]
    # The one that is asked for is kept, however large.
    monkeypatch.setattr(seat_lists, "SEATS_KEPT_MAX", 1)
    ask(buyer, shows[0])
    assert kept() == [True, False, False]


def test_an_empty_store_has_room():
    KeptDates().make_room()


# On the way to the client


@pytest.fixture
def hall(performance):
    return make_seats(performance, 40)


def test_packed_for_who_takes_it_so_under_the_same_tag(buyer, performance, hall):
    url = seats_url(performance)
    plain = buyer.get(url)
    packed = buyer.get(url, HTTP_ACCEPT_ENCODING="br, gzip;q=0.8")
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) < len(plain.content) / 3
    assert (packed["Content-Encoding"], packed["ETag"]) == ("gzip", plain["ETag"])
    assert "Content-Encoding" not in plain
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer["Vary"]
        assert answer["ETag"].startswith('W/"')
        assert answer["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("weak", [True, False])
def test_304_whichever_form_the_client_has(buyer, performance, hall, encoding, weak):
    url = seats_url(performance)
    etag = buyer.get(url)["ETag"]
    known = etag if weak else etag.removeprefix("W/")
    answer = buyer.get(url, HTTP_IF_NONE_MATCH=f'"x", {known}', HTTP_ACCEPT_ENCODING=encoding)
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
    assert "Accept-Encoding" in answer["Vary"]
    assert "Content-Encoding" not in answer


def test_what_fits_one_packet_is_not_packed(buyer, performance, seats):
    answer = buyer.get(seats_url(performance), HTTP_ACCEPT_ENCODING="gzip")
    assert "Content-Encoding" not in answer


def test_changes_are_packed_and_tagged_too(buyer, performance, hall):
    asked = {"since": "0:0:~0"}
    answer = buyer.get(seats_url(performance), asked, HTTP_ACCEPT_ENCODING="gzip")
    assert len(orjson.loads(gzip.decompress(answer.content))["results"]) == 40
    again = buyer.get(seats_url(performance), asked, HTTP_IF_NONE_MATCH=answer["ETag"])
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("deflate,gzip", True),
        ("gzip ; q=0.001", True),
        ("", False),
        ("identity", False),
        ("br, deflate", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("x-gzip", False),
        ("gzipped", False),
        ("*", False),
    ],
)
def test_gzip_is_for_who_names_it(rf, accepted, takes):
    assert takes_gzip(rf.get("/", HTTP_ACCEPT_ENCODING=accepted)) is takes
