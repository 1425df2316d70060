"""The seat map of a performance: who may see and do what, and that it asks little of the database."""

from datetime import timedelta

import orjson
import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.concerts.models import Seat
from apps.core.models import StaffAction
from apps.reservations.models import Reservation, ReservationSeat
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import (
    DEADLINE,
    block,
    make_hold,
    make_paid,
    make_reservation,
    nothing_written,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

LOOK = ("concerts.view_seat",)
NAMES = (*LOOK, "reservations.view_reservation")
ALL = (
    *NAMES,
    "concerts.block_seat",
    "reservations.release_reservation",
    "reservations.move_reservation",
)
FREE, HELD, RESERVED, SOLD, BLOCKED = range(5)


@pytest.fixture
def sign_staff_in(client):
    """Return a maker of clients for staff with these permissions: `sign_staff_in(*ALL)`."""

    def make(*permissions):
        clerk = UserFactory(is_staff=True)
        for name in permissions:
            app, codename = name.split(".")
            clerk.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        client.force_login(clerk)
        client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
        return client

    return make


@pytest.fixture
def clerk(sign_staff_in):
    return sign_staff_in(*ALL)


def url_of(name, performance, **more):
    return reverse(f"admin:{name}", kwargs={"performance_id": performance.pk, **more})


def read(client, performance, since=None):
    query = {} if since is None else {"since": since}
    answer = client.get(url_of("seat_map_seats", performance), query)
    assert answer.status_code == 200, answer.content
    return orjson.loads(answer.content)


def post(client, name, performance, **body):
    url = url_of(f"seat_map_{name}", performance)
    return client.post(url, orjson.dumps(body), content_type="application/json")


def states_of(answer):
    return {row[0]: tuple(row[1:]) for row in answer["states"]}


def ids(seats):
    return [seat.pk for seat in seats]


class TestSeats:
    def test_every_seat_with_its_place_grade_and_price(self, clerk, performance, seats):
        answer = read(clerk, performance)
        assert answer["sections"] == ["A"]
        assert answer["prices"] == [["VIP", 10_000, "₩10,000"]]
        assert answer["seats"][1] == [seats[1].pk, 0, "1", "2", 0, 2.0, 1.0]
        assert ids(seats) == [row[0] for row in answer["seats"]]
        assert answer["states"] == []

    def test_states_name_the_claim_and_its_deadline(self, clerk, performance):
        seats = make_seats(performance, 6)
        held = make_hold(UserFactory(), seats[:1])
        reserved = make_reservation(UserFactory(), seats[1:2])
        sold = make_paid(UserFactory(), seats[2:3])
        block(seats[2], "a camera")
        block(seats[3], "a pillar")
        over = int(DEADLINE.timestamp())
        assert states_of(read(clerk, performance)) == {
            seats[0].pk: (HELD, 0, "", held.pk, over),
            seats[1].pk: (RESERVED, 0, "", reserved.pk, over),
            seats[2].pk: (SOLD, 1, "a camera", sold.pk, 0),
            seats[3].pk: (BLOCKED, 1, "a pillar", 0, 0),
        }

    def test_an_overdue_hold_is_free_by_the_clock(self, clerk, clock_at_now, performance, seats):
        make_hold(UserFactory(), seats[:1])
        block(seats[1])
        make_hold(UserFactory(), seats[1:2])
        clock_at_now.move(minutes=5)
        assert [row[:2] for row in read(clerk, performance)["states"]] == [[seats[1].pk, BLOCKED]]

    def test_who_may_not_view_reservations_is_told_of_none(self, sign_staff_in, performance, seats):
        claim = make_hold(UserFactory(), seats[:1])
        client = sign_staff_in(*LOOK)
        assert states_of(read(client, performance))[seats[0].pk][3] == 0
        answer = client.get(url_of("seat_map_claim", performance, reservation_id=claim.pk))
        assert answer.status_code == 403

    def test_no_version_is_a_problem(self, clerk, performance):
        answer = clerk.get(url_of("seat_map_seats", performance), {"since": "x"})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

    @pytest.mark.parametrize("since", [False, True])
    def test_the_queries_are_as_many_for_many_seats(self, clerk, performance, since):
        def count():
            version = "1:1:~1" if since else None
            with CaptureQueriesContext(connection) as captured:
                answer = read(clerk, performance, version)
            return len(captured), len(answer["seats"]), len(answer["states"])

        make_hold(UserFactory(), make_seats(performance, 3)[:1])
        few = count()
        for section in "BCDE":
            make_hold(UserFactory(), make_seats(performance, 100, section=section)[:50])
        many = count()
        assert few[0] == many[0] <= 10
        assert (few[1], many[1]) == (3, 403)
        assert (few[2], many[2]) == ((3, 403) if since else (1, 201))


@pytest.mark.django_db(transaction=True)
class TestChanges:
    def test_nothing_has_changed(self, clerk, performance, seats):
        version = read(clerk, performance)["version"]
        answer = read(clerk, performance, version)
        assert (answer["seats"], answer["states"]) == ([], [])

    def test_only_what_has_changed_and_what_is_free_again(self, clerk, performance, seats):
        claim = make_hold(UserFactory(), seats[:1])
        version = read(clerk, performance)["version"]
        body = {"seats": ids(seats[:1]), "reservation": claim.pk, "reason": "x"}
        assert post(clerk, "act", performance, act="release", **body).status_code == 200
        block(seats[3], "a pillar")
        assert states_of(read(clerk, performance, version)) == {
            seats[0].pk: (FREE, 0, "", 0, 0),
            seats[3].pk: (BLOCKED, 1, "a pillar", 0, 0),
        }

    def test_a_deadline_that_passes_changes_a_seat(self, clerk, clock_at_now, performance, seats):
        make_hold(UserFactory(), seats[:1])
        clock_at_now.move(seconds=299)
        version = read(clerk, performance)["version"]
        clock_at_now.move(seconds=1)
        changed = states_of(read(clerk, performance, version))
        assert changed == {seats[0].pk: (FREE, 0, "", 0, 0)}


class TestPage:
    def test_it_offers_what_the_clerk_may_do(self, sign_staff_in, performance):
        page = sign_staff_in(*NAMES, "concerts.block_seat").get(url_of("seat_map", performance))
        assert page.status_code == 200
        assert set(page.context["setup"]["acts"]) == {"block", "unblock"}
        content = page.content.decode()
        assert 'data-act="block"' in content
        assert 'data-act="release"' not in content

    def test_the_page_of_the_performance_leads_to_it(self, admin_client, performance):
        change = reverse("admin:concerts_performance_change", args=[performance.pk])
        link = reverse("admin:concerts_performance_open_seat_map", args=[performance.pk])
        assert link in admin_client.get(change).content.decode()
        answer = admin_client.get(link)
        assert answer["Location"] == url_of("seat_map", performance)

    def test_it_is_for_those_who_may_see_seats(self, sign_staff_in, client, customer, performance):
        client.force_login(customer)
        assert client.get(url_of("seat_map", performance)).status_code == 302
        client = sign_staff_in("concerts.view_concert")
        for name in ("seat_map", "seat_map_seats"):
            assert client.get(url_of(name, performance)).status_code == 403
        missing = PerformanceFactory.build(pk=999_999)
        assert sign_staff_in(*LOOK).get(url_of("seat_map", missing)).status_code == 404

    def test_a_claim_names_its_customer_with_links(self, admin_client, performance, seats):
        claim = make_hold(UserFactory(), seats[:1])
        url = url_of("seat_map_claim", performance, reservation_id=claim.pk)
        told = admin_client.get(url).json()
        assert (told["id"], told["customer"]) == (claim.pk, str(claim.customer))
        assert told["url"] == reverse("admin:reservations_reservation_change", args=[claim.pk])
        customer = reverse("admin:accounts_user_change", args=[claim.customer_id])
        assert told["customer_url"] == customer
        other = url_of("seat_map_claim", PerformanceFactory(), reservation_id=claim.pk)
        assert admin_client.get(other).status_code == 404

    def test_the_customers_page_is_for_those_who_may_see_it(self, clerk, performance, seats):
        claim = make_hold(UserFactory(), seats[:1])
        told = clerk.get(url_of("seat_map_claim", performance, reservation_id=claim.pk)).json()
        assert told["customer_url"] == ""


class TestActs:
    def test_blocking_says_what_will_happen_and_does_it(self, clerk, performance, seats):
        make_hold(UserFactory(), seats[:1])
        block(seats[1])
        body = {"act": "block", "seats": ids(seats)}
        with nothing_written():
            told = post(clerk, "preview", performance, **body).json()
        assert told["consequences"] == [
            "2 free seats go off sale.",
            "1 held or sold seat stays with its customer, and is off sale once it is free.",
            "1 seat is blocked already and keeps its reason.",
        ]
        answer = post(clerk, "act", performance, **body, reason="a camera")
        assert answer.json() == {"told": "3 seats are blocked."}
        assert Seat.objects.filter(blocked=True, blocked_reason="a camera").count() == 3
        action = StaffAction.objects.get()
        assert (action.action, action.reason) == ("block_seats", "a camera")
        assert action.actor_id is not None

    def test_unblocking(self, clerk, performance, seats):
        block(seats[0], "a pillar")
        block(seats[1], "a pillar")
        make_hold(UserFactory(), seats[1:2])
        body = {"act": "unblock", "seats": ids(seats[:2])}
        assert post(clerk, "preview", performance, **body).json()["consequences"] == [
            "1 seat goes on sale again.",
            "1 held or sold seat stays with its customer, and is on sale once it is free.",
            "Blocked for: a pillar",
        ]
        assert post(clerk, "act", performance, **body, reason="gone").status_code == 200
        assert not Seat.objects.filter(blocked=True).exists()

    def test_releasing(self, clerk, performance, seats):
        claim = make_hold(UserFactory(), seats[:2])
        body = {"act": "release", "seats": ids(seats[:1]), "reservation": claim.pk}
        told = post(clerk, "preview", performance, **body).json()
        assert told["dangerous"]
        assert told["consequences"][1] == "Free again: A 1-1, A 1-2"
        assert post(clerk, "act", performance, **body, reason="asked").status_code == 200
        claim.refresh_from_db()
        assert (claim.status, claim.end_cause) == ("cancelled", "staff")
        assert StaffAction.objects.get().reason == "asked"

    def test_moving(self, clerk, performance, seats):
        claim = make_paid(UserFactory(), seats[:2])
        body = {
            "act": "move",
            "seats": ids(seats[:2]),
            "to": ids(seats[2:]),
            "reservation": claim.pk,
        }
        told = post(clerk, "preview", performance, **body).json()
        assert told["consequences"][:2] == ["A 1-1 → A 1-3", "A 1-2 → A 1-4"]
        assert post(clerk, "act", performance, **body, reason="a pillar").status_code == 200
        lines = ReservationSeat.objects.filter(reservation=claim).values_list("seat", flat=True)
        assert set(lines) == set(ids(seats[2:]))

    def test_an_overdue_hold_is_not_released(self, clerk, clock_at_now, performance, seats):
        claim = make_hold(UserFactory(), seats[:1])
        clock_at_now.move(minutes=5)
        body = {"act": "release", "seats": ids(seats[:1]), "reservation": claim.pk, "reason": "x"}
        for name in ("preview", "act"):
            with nothing_written():
                answer = post(clerk, name, performance, **body)
            assert (answer.status_code, answer.json()["code"]) == (
                409,
                "reservation_not_releasable",
            )

    @pytest.mark.parametrize("act", ["block", "unblock", "release", "move"])
    def test_without_a_reason_nothing_is_done(self, clerk, performance, seats, act):
        claim = make_hold(UserFactory(), seats[:1])
        body = {"seats": ids(seats[:1]), "to": ids(seats[1:2]), "reservation": claim.pk}
        with nothing_written():
            answer = post(clerk, "act", performance, act=act, **body, reason=" ")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "reason"
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize("act", ["block", "unblock", "release", "move"])
    def test_without_the_permission_nothing_is_done(self, sign_staff_in, performance, seats, act):
        claim = make_hold(UserFactory(), seats[:1])
        body = {"seats": ids(seats[:1]), "to": ids(seats[1:2]), "reservation": claim.pk}
        client = sign_staff_in(*NAMES)
        for name in ("preview", "act"):
            with nothing_written():
                answer = post(client, name, performance, act=act, **body, reason="x")
            assert answer.status_code == 403
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"act": "sell", "seats": [1]}, "invalid_request"),
            ({"seats": [1]}, "invalid_request"),
            ({"act": "block", "seats": []}, "invalid_request"),
            ({"act": "block", "seats": ["1"]}, "invalid_request"),
            ({"act": "block", "seats": [True]}, "invalid_request"),
            ({"act": "block", "seats": [-1]}, "invalid_request"),
            ({"act": "block", "seats": [2**64 - 1]}, "invalid_request"),
            ({"act": "block", "seats": 1}, "invalid_request"),
            ({"act": "block"}, "invalid_request"),
            ({"act": "block", "seats": [0]}, "seat_not_found"),
            ({"act": "release", "seats": [0], "reservation": 0}, "reservation_not_found"),
            ({"act": "release", "seats": [0], "reservation": "1"}, "invalid_request"),
        ],
    )
    def test_nonsense_is_a_problem(self, clerk, performance, seats, body, code):
        for name in ("preview", "act"):
            with nothing_written():
                answer = post(clerk, name, performance, **body, reason="x")
            assert answer.json()["code"] == code

    def test_what_is_no_json_is_a_problem(self, clerk, performance):
        url = url_of("seat_map_act", performance)
        for body in (b"{", b"[]", b"\xff"):
            answer = clerk.post(url, body, content_type="application/json")
            assert answer.status_code == 400

    def test_a_reservation_of_another_performance_is_not_touched(self, clerk, performance, seats):
        elsewhere = PerformanceFactory(starts_at=NOW + timedelta(days=50))
        claim = make_hold(UserFactory(), make_seats(elsewhere, 1))
        body = {"act": "release", "seats": ids(seats[:1]), "reservation": claim.pk, "reason": "x"}
        with nothing_written():
            answer = post(clerk, "act", performance, **body)
        assert answer.json()["code"] == "reservation_not_found"
        assert Reservation.objects.get().status == "held"
