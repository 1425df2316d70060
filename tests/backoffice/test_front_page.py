"""The front page: its figures, who sees which, and what they cost."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from apps.backoffice.front_page import sections, watch
from apps.backoffice.front_page.limits import (
    CONCERTS_MAX,
    PERFORMANCES_MAX,
    POINT_S,
    POINTS,
    ROOMS_MAX,
)
from apps.concerts.models import Concert, Performance
from apps.core.heartbeats import record_heartbeat
from apps.payments.models import Payment
from apps.queue.models import Turn, Turnstile
from apps.reservations.models import Reservation
from apps.reservations.services import expire_holds
from apps.reservations.transitions import cancel
from config import guard
from config.schedules import GUARD, SWEEPS
from tests.backoffice.test_lists import fill, list_big_scans, sign_in_superuser
from tests.factories import (
    NOW,
    ConcertFactory,
    PerformanceFactory,
    RoomFactory,
    UserFactory,
    make_seats,
)
from tests.reservations.support import block, make_hold, make_paid, make_reservation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

DATA = "/admin/front-page/"


def ago(**delta):
    return NOW - timedelta(**delta)


@pytest.fixture
def read(admin_client):
    """Return a reader of the figures as of now."""

    def read(client=admin_client):
        cache.clear()
        answer = client.get(DATA)
        assert answer.status_code == 200
        return answer.json()

    return read


class TestSeats:
    def test_each_seat_is_counted_in_its_state(self, read, performance):
        seats = make_seats(performance, 10)
        make_paid(UserFactory(), seats[:3])
        make_reservation(UserFactory(), seats[3:5])
        make_hold(UserFactory(), seats[5:6])
        block(seats[6])
        (row,) = read()["concerts"]["rows"]
        assert row["seats"] == {
            "sold": 3, "reserved": 2, "held": 1, "free": 3, "blocked": 1, "total": 10,
        }  # fmt: skip
        assert row["performances"][0]["seats"] == row["seats"]

    def test_the_seat_of_an_overdue_hold_is_free_before_any_sweep(self, read, performance):
        seats = make_seats(performance, 3)
        make_hold(UserFactory(), seats[:1], at=ago(minutes=5))
        make_reservation(UserFactory(), seats[1:2], at=ago(minutes=5))
        (row,) = read()["concerts"]["rows"]
        assert (row["seats"]["free"], row["seats"]["held"], row["seats"]["reserved"]) == (3, 0, 0)

    def test_a_blocked_seat_that_somebody_has_is_theirs_until_they_lose_it(self, read, performance):
        seats = make_seats(performance, 2)
        make_hold(UserFactory(), seats[:1])
        make_hold(UserFactory(), seats[1:], at=ago(minutes=5))
        for seat in seats:
            block(seat)
        seats = read()["concerts"]["rows"][0]["seats"]
        assert (seats["held"], seats["blocked"], seats["free"]) == (1, 1, 0)

    def test_what_was_given_back_is_free(self, read, performance):
        seats = make_seats(performance, 1)
        cancel(make_hold(UserFactory(), seats), cause=Reservation.EndCause.CUSTOMER, now=NOW)
        assert read()["concerts"]["rows"][0]["seats"]["free"] == 1

    def test_performances_add_up_without_those_over_or_called_off(self, read, performance):
        concert = performance.concert
        make_seats(performance, 2)
        make_seats(PerformanceFactory(concert=concert, starts_at=NOW + timedelta(days=2)), 3)
        make_seats(PerformanceFactory(concert=concert, starts_at=NOW), 5)
        off = PerformanceFactory(concert=concert, starts_at=NOW + timedelta(days=3))
        make_seats(off, 7)
        Performance.objects.filter(pk=off.pk).update(called_off_at=NOW)
        (row,) = read()["concerts"]["rows"]
        assert row["seats"]["total"] == 5
        assert [show["seats"]["total"] for show in row["performances"]] == [3, 2]

    def test_a_concert_without_performances_has_no_seats(self, read):
        ConcertFactory()
        (row,) = read()["concerts"]["rows"]
        assert (row["seats"]["total"], row["performances"]) == (0, [])

    def test_only_what_is_on_sale_is_shown(self, read):
        ConcertFactory(published=False)
        ConcertFactory(sales_open_at=NOW + timedelta(seconds=1))
        ConcertFactory(sales_close_at=NOW)
        last = ConcertFactory(sales_open_at=NOW)
        first = ConcertFactory()
        assert [row["id"] for row in read()["concerts"]["rows"]] == [last.pk, first.pk]

    def test_those_whose_sale_is_stopped_come_first(self, read):
        stopped, other = ConcertFactory(), ConcertFactory(sales_open_at=NOW)
        Concert.objects.filter(pk=stopped.pk).update(sale_stopped_at=NOW, sale_stopped_reason="x")
        rows = read()["concerts"]["rows"]
        assert [(row["id"], row["stopped"]) for row in rows] == [
            (stopped.pk, True),
            (other.pk, False),
        ]

    def test_of_many_a_link_leads_to_the_rest(self, read, performance):
        ConcertFactory.create_batch(CONCERTS_MAX)
        for day in range(PERFORMANCES_MAX + 1):
            PerformanceFactory(
                concert=performance.concert, starts_at=NOW + timedelta(days=50 + day)
            )
        Concert.objects.filter(pk=performance.concert_id).update(sales_open_at=NOW)
        concerts = read()["concerts"]
        assert (len(concerts["rows"]), concerts["more"]) == (CONCERTS_MAX, 1)
        first = concerts["rows"][0]
        assert (len(first["performances"]), first["performances_more"]) == (PERFORMANCES_MAX, 2)


class TestMoney:
    def refund(self, reservation, at):
        payments = Payment.objects.filter(reservation=reservation)
        payments.update(status=Payment.Status.REFUNDED, refunded_at=at)

    def by_hour(self, figures):
        (money,) = figures["money"]["currencies"]
        assert (money["currency"], len(money["hours"])) == ("KRW", 24)
        return {
            hour["from"][:13]: (hour["paid"], hour["refunded"])
            for hour in money["hours"]
            if hour["paid"] or hour["refunded"]
        }

    def test_what_is_paid_and_refunded_is_added_up_by_hour(self, read, seats):
        make_paid(UserFactory(), seats[:1], at=NOW)
        make_paid(UserFactory(), seats[1:2], at=ago(microseconds=1))
        back = make_paid(UserFactory(), seats[2:4], at=ago(hours=3))
        self.refund(back, at=ago(minutes=30))
        assert self.by_hour(read()) == {
            "2026-10-31T22": (20_000, 0),
            "2026-11-01T00": (10_000, 20_000),
            "2026-11-01T01": (10_000, 0),
        }

    def test_a_day_is_24_hours(self, read, seats):
        make_paid(UserFactory(), seats[:1], at=ago(hours=23))
        make_paid(UserFactory(), seats[1:2], at=ago(hours=23, microseconds=1))
        assert self.by_hour(read()) == {"2026-10-31T02": (10_000, 0)}

    def test_an_old_payment_that_is_refunded_today_goes_out_today(self, read, seats):
        self.refund(make_paid(UserFactory(), seats[:1], at=ago(days=9)), at=NOW)
        assert self.by_hour(read()) == {"2026-11-01T01": (0, 10_000)}

    def test_each_currency_is_on_its_own(self, read, seats):
        for currency, seat in zip(("KRW", "JPY"), seats, strict=False):
            reservation = make_paid(UserFactory(), [seat])
            Payment.objects.filter(reservation=reservation).update(currency=currency)
        money = read()["money"]["currencies"]
        assert [(row["currency"], row["hours"][-1]["paid"]) for row in money] == [
            ("JPY", 10_000),
            ("KRW", 10_000),
        ]

    def test_where_nothing_was_paid_there_is_nothing(self, read, seats):
        assert read()["money"]["currencies"] == []


class TestLapses:
    def by_hour(self, figures):
        hours = figures["lapses"]["hours"]
        assert len(hours) == 12
        return {hour["from"][:13]: hour["count"] for hour in hours if hour["count"]}

    def test_holds_lapse_by_the_clock_swept_or_not(self, read, seats):
        make_hold(UserFactory(), seats[:1], at=ago(minutes=5))
        make_reservation(UserFactory(), seats[1:2], at=ago(minutes=35))
        make_hold(UserFactory(), seats[2:4], at=ago(minutes=45))
        expected = {"2026-11-01T00": 2, "2026-11-01T01": 1}
        assert self.by_hour(read()) == expected
        expire_holds(now=NOW)
        assert self.by_hour(read()) == expected

    def test_what_runs_is_paid_or_was_given_back_has_not_lapsed(self, read, seats):
        make_hold(UserFactory(), seats[:1], at=ago(minutes=4))
        make_paid(UserFactory(), seats[1:2], at=ago(hours=1))
        given = make_hold(UserFactory(), seats[2:3], at=ago(hours=1))
        cancel(given, cause=Reservation.EndCause.CUSTOMER, now=ago(hours=1))
        make_hold(UserFactory(), seats[3:4], at=ago(hours=12))
        assert self.by_hour(read()) == {}


class TestRooms:
    def turn(self, room, at, *, waiting, admitted, entered=0):
        Turn.objects.create(
            room=room, turn=1, at=at, entered=entered, finished=0, gave_up=0, waiting=waiting,
            admitted=admitted, capacity=room.capacity, waiting_s=0, inside_s=0,
        )  # fmt: skip

    def test_a_room_says_how_many_wait_are_inside_and_enter(self, read, room):
        Turnstile.objects.filter(room=room).update(waiting=7, admitted=3, counted_at=NOW)
        self.turn(room, ago(seconds=60), waiting=9, admitted=1, entered=100)
        self.turn(room, ago(seconds=59), waiting=8, admitted=2, entered=2)
        self.turn(room, NOW, waiting=7, admitted=3, entered=1)
        (row,) = read()["rooms"]["rows"]
        assert [row[name] for name in ("waiting", "inside", "capacity", "entered")] == [
            7,
            3,
            500,
            3,
        ]
        assert row["counted_at"] == NOW.isoformat()

    def test_its_lines_are_of_the_last_hours(self, read, room):
        self.turn(room, ago(seconds=1000 * POINT_S), waiting=9, admitted=9, entered=9)
        self.turn(room, ago(seconds=10 * POINT_S), waiting=5, admitted=4, entered=2)
        self.turn(room, ago(seconds=10 * POINT_S - 60), waiting=3, admitted=6, entered=4)
        self.turn(room, ago(seconds=8 * POINT_S), waiting=0, admitted=0)
        self.turn(room, ago(seconds=5 * POINT_S), waiting=1, admitted=0)
        rooms = read()["rooms"]
        assert rooms["points_from"] == ago(seconds=(POINTS - 1) * POINT_S).isoformat()
        lines = rooms["rows"][0]["lines"]
        assert {len(line) for line in lines.values()} == {POINTS}
        # Without a turn an empty room stays empty, and of any other nothing is known.
        assert lines["waiting"][-11:] == [3, None, 0, 0, 0, 1, None, None, None, None, None]
        assert lines["inside"][-11:-5] == [6, None, 0, 0, 0, 0]
        assert lines["entered"][-11:-5] == [4, None, 0, 0, 0, 0]

    def test_one_that_nobody_has_entered_yet_has_no_lines(self, read, room):
        (row,) = read()["rooms"]["rows"]
        assert row["counted_at"] is None
        assert row["lines"]["waiting"] == [None] * POINTS
        assert row["lines"]["entered"] == [None] * (POINTS - 1) + [0]

    def test_the_longest_line_comes_first_and_a_link_leads_to_the_rest(self, read, room):
        rooms = [RoomFactory(slug=f"room-{number}") for number in range(ROOMS_MAX)]
        Turnstile.objects.filter(room=rooms[2]).update(waiting=1)
        Turnstile.objects.filter(room=rooms[4]).update(admitted=1)
        shown = read()["rooms"]
        assert [row["id"] for row in shown["rows"][:3]] == [rooms[2].pk, rooms[4].pk, room.pk]
        assert (len(shown["rows"]), shown["more"]) == (ROOMS_MAX, 1)


class TestWork:
    def states(self, figures):
        return {row["name"]: row["state"] for row in figures["work"]["rows"]}

    def test_it_names_every_schedule_and_the_guard(self):
        tasks = [task.rpartition(".")[2] for _name, task, _what in (*SWEEPS, GUARD)]
        assert list(watch.WORK) == tasks
        assert guard.NAME == watch.GUARD

    def test_what_beats_is_on_time_and_what_is_silent_late(self, read):
        record_heartbeat(name="admit_queue", now=ago(seconds=14))
        record_heartbeat(name="expire_queue", now=ago(seconds=15))
        record_heartbeat(name="guard_integrity", now=ago(seconds=599))
        assert self.states(read()) == {
            "admit_queue": "on_time",
            "expire_queue": "late",
            "expire_holds": "late",
            "refund_called_off": "late",
            "guard_integrity": "on_time",
        }
        beats = {row["name"]: row["beat_at"] for row in read()["work"]["rows"]}
        assert beats["expire_queue"] == ago(seconds=15).isoformat()
        assert beats["expire_holds"] is None

    def test_a_guard_that_is_silent_for_ten_minutes_is_late(self, read):
        record_heartbeat(name="guard_integrity", now=ago(seconds=600))
        assert self.states(read())["guard_integrity"] == "late"

    def test_what_staff_switched_off_is_off(self, read):
        PeriodicTask.objects.filter(name="expire-holds").update(enabled=False)
        assert self.states(read())["expire_holds"] == "off"

    def test_without_its_schedule_it_is_late(self, read):
        PeriodicTask.objects.filter(name="expire-holds").delete()
        assert self.states(read())["expire_holds"] == "late"


class TestWhoSees:
    def sign_in(self, client, *permissions):
        staff = UserFactory(is_staff=True)
        for name in permissions:
            app, codename = name.split(".")
            staff.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        client.force_login(staff)

    @pytest.mark.parametrize(
        ("permission", "names"),
        [
            ("concerts.view_concert", {"concerts", "lapses"}),
            ("concerts.change_concert", {"concerts", "lapses"}),
            ("payments.view_payment", {"money"}),
            ("queue.view_waitingroom", {"rooms"}),
            ("core.view_integrityfinding", {"guard", "work"}),
        ],
    )
    def test_each_sees_what_their_role_says(self, read, client, room, permission, names):
        self.sign_in(client, permission)
        assert set(read(client)) == names | {"at"}
        shown = client.get(reverse("admin:index"))
        assert set(shown.context["figures"]) == names | {"at"}

    def test_without_any_there_is_only_the_time(self, read, client, room):
        self.sign_in(client, "wallet.view_wallet")
        assert read(client) == {"at": NOW.isoformat()}
        page = client.get(reverse("admin:index")).content.decode()
        assert 'data-place="concerts"' not in page
        assert "현재 권한으로 볼 수 있는 수치가 없습니다" in page

    def test_whoever_is_no_staff_is_sent_to_sign_in(self, client, room):
        client.force_login(UserFactory())
        answer = client.get(DATA)
        assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={DATA}")

    def test_nothing_is_posted_there(self, admin_client, room):
        assert admin_client.post(DATA).status_code == 405

    def test_the_page_has_the_figures_in_it(self, admin_client, seats):
        shown = admin_client.get(reverse("admin:index"))
        assert shown.context["figures"] == admin_client.get(DATA).json()
        assert 'id="front-figures"' in shown.content.decode()


class TestCost:
    @pytest.fixture(autouse=True)
    def slow_machine(self, monkeypatch):
        """However slow the machine, what was computed in this test is fresh."""
        monkeypatch.setattr(sections, "FRESH_S", 60)

    def count_queries(self, admin_client):
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(DATA).status_code == 200
        return len(queries)

    def test_it_does_not_grow_with_concerts_performances_and_rooms(self, admin_client, seats):
        make_hold(UserFactory(), seats[:1])
        few = self.count_queries(admin_client)
        for number in range(4):
            RoomFactory(slug=f"room-{number}")
        for _number in range(49):
            first = PerformanceFactory()
            PerformanceFactory(concert=first.concert, starts_at=NOW + timedelta(days=41))
            make_hold(UserFactory(), make_seats(first, 2)[:1])
        assert self.count_queries(admin_client) == few
        assert few <= 24

    def test_what_is_long_over_is_not_read(self, client, clock_at_now):
        """A month later there is nothing to add up among twenty thousand rows, and none is looked at."""
        fill(20_000, house=2_000)
        sign_in_superuser(client)
        # Those rows are of the machine's own time.
        clock_at_now.now = datetime.now(UTC) + timedelta(days=30)
        with CaptureQueriesContext(connection) as queries:
            figures = client.get(DATA).json()
        assert figures["money"]["currencies"] == []
        assert list_big_scans(queries) == []

    def test_however_many_look_one_computes(self, admin_client, client, seats):
        first = admin_client.get(DATA).json()
        make_hold(UserFactory(), seats[:1])
        client.force_login(UserFactory(is_staff=True, is_superuser=True))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(DATA).json() == first
        assert not [query for query in queries if "concerts_" in query["sql"]]

    def test_when_the_time_is_over_they_are_computed_anew(self, admin_client, seats, clock_at_now):
        admin_client.get(DATA)
        make_hold(UserFactory(), seats[:1])
        for section in sections.SECTIONS:
            cache.delete(f"front_page:{section.name}:fresh")
        clock_at_now.move(seconds=2)
        figures = admin_client.get(DATA).json()
        assert figures["concerts"]["rows"][0]["seats"]["held"] == 1
        assert figures["at"] == (NOW + timedelta(seconds=2)).isoformat()

    def test_nobody_waits_where_the_one_who_computes_left_nothing(self, admin_client, seats):
        """Whoever computes may have failed, and what was there before may be too old."""
        cache.add("front_page:concerts:fresh", True, 60)
        assert len(admin_client.get(DATA).json()["concerts"]["rows"]) == 1

    def test_the_time_is_that_of_the_oldest_figures(self, admin_client, seats, clock_at_now):
        admin_client.get(DATA)
        cache.delete("front_page:rooms")
        clock_at_now.move(seconds=1)
        assert admin_client.get(DATA).json()["at"] == NOW.isoformat()
