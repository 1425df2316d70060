"""Staff block and unblock seats: with a reason, recorded once for all of them."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.concerts.blocking import block_seats_for_staff, unblock_seats_for_staff
from apps.concerts.errors import PerformanceNotFound, SeatNotFound, SeatsBlocked, SeatsNotBlocked
from apps.concerts.models import Seat
from apps.core.audit import Actor
from apps.core.errors import InvalidRequest
from apps.core.models import StaffAction
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import block, make_hold, make_paid, nothing_written

pytestmark = pytest.mark.django_db

CLERK = Actor(name="clerk@encore.example")
SERVICES = [block_seats_for_staff, unblock_seats_for_staff]


def act(service, seats, *, reason="a camera", performance_id=None):
    return service(
        performance_id=performance_id or seats[0].performance_id,
        seat_ids=[seat.pk for seat in seats],
        actor=CLERK,
        reason=reason,
        now=NOW,
    )


def blocked_of(seats):
    found = {seat.pk: seat for seat in Seat.objects.all()}
    return [(found[seat.pk].blocked, found[seat.pk].blocked_reason) for seat in seats]


def test_seats_are_blocked_with_one_record_that_names_them(performance):
    seats = make_seats(performance, 2) + make_seats(performance, 2, section="B", row="3")
    assert act(block_seats_for_staff, seats[:3], reason="  a camera ") == seats[:3]
    assert blocked_of(seats) == [(True, "a camera")] * 3 + [(False, "")]
    (action,) = StaffAction.objects.all()
    assert (action.action, action.reason) == ("block_seats", "a camera")
    assert (action.subject, action.actor_name) == (f"performance:{performance.pk}", CLERK.name)
    assert action.before == {"blocked": False}
    assert action.after == {
        "blocked": True,
        "seats": [seat.pk for seat in seats[:3]],
        "names": {"A": {"1": ["1", "2"]}, "B": {"3": ["1"]}},
    }


def test_seats_are_unblocked_and_the_record_keeps_why_they_were_blocked(seats):
    block(seats[0])
    block(seats[1], "a pillar")
    changed = act(unblock_seats_for_staff, seats[:3])
    assert [seat.pk for seat in changed] == [seats[0].pk, seats[1].pk]
    assert blocked_of(seats) == [(False, "")] * 4
    (action,) = StaffAction.objects.all()
    assert action.action == "unblock_seats"
    reasons = {"카메라 자리": [seats[0].pk], "a pillar": [seats[1].pk]}
    assert action.before == {"blocked": True, "reasons": reasons}
    assert action.after["seats"] == [seats[0].pk, seats[1].pk]


def test_those_that_are_blocked_already_keep_their_reason(seats):
    block(seats[0], "a pillar")
    assert act(block_seats_for_staff, seats[:2]) == seats[1:2]
    assert blocked_of(seats[:2]) == [(True, "a pillar"), (True, "a camera")]
    assert StaffAction.objects.get().after["seats"] == [seats[1].pk]


def test_held_and_sold_seats_stay_with_their_customers(customer, seats):
    claims = [make_hold(customer, seats[:1]), make_paid(customer, seats[1:2])]
    assert len(act(block_seats_for_staff, seats[:3])) == 3
    for claim, status in zip(claims, ("held", "confirmed"), strict=True):
        claim.refresh_from_db()
        assert (claim.status, claim.lines.get().released_at) == (status, None)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_without_a_reason_nothing_happens(seats, service, reason):
    block(seats[0])
    with nothing_written(), pytest.raises(InvalidRequest):
        act(service, seats[:2], reason=reason)
    assert not StaffAction.objects.exists()


@pytest.mark.parametrize("service", SERVICES)
def test_one_seat_of_another_performance_and_nothing_happens(seats, service):
    block(seats[0])
    other = make_seats(PerformanceFactory(), 1)
    for wanted in (seats[:2] + other, []):
        with nothing_written(), pytest.raises(SeatNotFound):
            act(service, wanted, performance_id=seats[0].performance_id)
    with nothing_written(), pytest.raises(PerformanceNotFound):
        act(service, seats[:1], performance_id=999_999)
    assert not StaffAction.objects.exists()


def test_where_there_is_nothing_to_do_nothing_is_recorded(seats):
    with nothing_written(), pytest.raises(SeatsNotBlocked):
        act(unblock_seats_for_staff, seats)
    block(seats[0])
    with nothing_written(), pytest.raises(SeatsBlocked):
        act(block_seats_for_staff, seats[:1])
    assert not StaffAction.objects.exists()


# The page of a seat


def act_on_page(client, seat, page, reason="a camera"):
    answer = client.post(reverse(f"admin:concerts_seat_{page}", args=[seat.pk]), {"reason": reason})
    seat.refresh_from_db()
    return answer


def test_the_page_of_a_seat_blocks_and_unblocks_it_with_a_record(admin_client, seats):
    url = reverse("admin:concerts_seat_block", args=[seats[0].pk])
    asked = admin_client.get(url, HTTP_ACCEPT_LANGUAGE="en")
    assert "stays with its customer" in str(asked.context["confirmation"].consequences[1])
    assert act_on_page(admin_client, seats[0], "block").status_code == 302
    assert (seats[0].blocked, seats[0].blocked_reason) == (True, "a camera")
    assert act_on_page(admin_client, seats[0], "unblock", "gone").status_code == 302
    assert not seats[0].blocked
    recorded = StaffAction.objects.order_by("pk").values_list("action", "reason")
    assert list(recorded) == [("block_seats", "a camera"), ("unblock_seats", "gone")]


def test_the_page_of_a_seat_blocks_it_for_those_who_may(client, seats):
    clerk = UserFactory(is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_seat"))
    client.force_login(clerk)
    assert act_on_page(client, seats[0], "block").status_code == 403
    assert not seats[0].blocked
    assert not StaffAction.objects.exists()
