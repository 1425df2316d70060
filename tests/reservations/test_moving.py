"""Staff move a reservation to other seats: seat for seat, at the same price, and nothing else changes."""

from datetime import timedelta

import pytest

from apps.concerts.blocking import block_seats_for_staff
from apps.concerts.errors import SeatNotFound
from apps.core.audit import Actor
from apps.core.errors import InvalidRequest
from apps.core.models import StaffAction
from apps.payments.calling_off import call_off_performance
from apps.payments.services import refund_payment
from apps.reservations.availability import list_changed_seats, read_version
from apps.reservations.errors import (
    ReservationNotFound,
    ReservationNotMovable,
    SeatNotOfReservation,
    SeatPricesDiffer,
    SeatUnavailable,
)
from apps.reservations.models import Reservation
from apps.reservations.moving import move_reservation
from apps.reservations.services import expire_holds, release_for_staff
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.integrity import buy, enter, look, run_sql, subjects
from tests.reservations.support import (
    CLAIMS,
    DEADLINE,
    RESERVATIONS,
    block,
    hold,
    make_hold,
    make_paid,
    make_reservation,
    nothing_written,
)

pytestmark = pytest.mark.django_db

CLERK = Actor(name="clerk@encore.example")
LATER = NOW + timedelta(seconds=30)


@pytest.fixture
def house(performance):
    """Six seats at 10,000, and two at 20,000 behind them."""
    return make_seats(performance, 6) + make_seats(performance, 2, price=20_000, row="2")


def move(claim, leaving, taking, *, reason="a pillar", now=LATER):
    return move_reservation(
        reservation_id=claim.pk,
        from_seat_ids=[seat.pk for seat in leaving],
        to_seat_ids=[seat.pk for seat in taking],
        actor=CLERK,
        reason=reason,
        now=now,
    )


def seats_of(claim):
    return list(
        claim.lines.filter(released_at=None)
        .order_by("seat__position")
        .values_list("seat", flat=True)
    )


def ids(seats):
    return [seat.pk for seat in seats]


def fields_of(claim):
    row = Reservation.objects.filter(pk=claim.pk).values().get()
    return {**row, "changed_in": 0}


@pytest.mark.parametrize("make", CLAIMS.values(), ids=CLAIMS)
def test_a_live_reservation_has_its_new_seats_and_keeps_all_else(customer, house, make):
    claim = make(customer, house[:2])
    before = fields_of(claim)
    move(claim, house[:2], house[3:5])
    assert seats_of(claim) == ids(house[3:5])
    assert fields_of(claim) == before
    assert claim.lines.count() == 2
    (action,) = StaffAction.objects.all()
    assert (action.action, action.subject) == ("move_reservation", f"reservation:{claim.pk}")
    assert (action.reason, action.actor_name) == ("a pillar", CLERK.name)
    assert action.before == {"seats": ids(house[:2]), "names": {"A": {"1": ["1", "2"]}}}
    assert action.after == {
        "seats": ids(house[3:5]),
        "names": {"A": {"1": ["4", "5"]}},
        "moved": [ids([house[0], house[3]]), ids([house[1], house[4]])],
    }


def test_seats_go_to_seats_of_their_own_price(customer, house):
    claim = make_hold(customer, [house[0], house[6]])
    move(claim, [house[6], house[0]], [house[7], house[1]])
    lines = dict(claim.lines.values_list("seat", "price"))
    assert lines == {house[1].pk: 10_000, house[7].pk: 20_000}


def test_some_seats_move_and_seats_in_both_stay(customer, house):
    claim = make_hold(customer, house[:3])
    move(claim, house[:2], house[3:5])
    assert seats_of(claim) == ids(house[2:5])
    move(claim, house[2:4], house[1:3])  # one to the left: the third seat is in both
    assert seats_of(claim) == ids([house[1], house[2], house[4]])


def test_the_customer_sees_the_new_seats(buyer, customer, house):
    claim = make_paid(customer, house[:2])
    move(claim, house[:2], house[2:4])
    answer = buyer.get(f"{RESERVATIONS}/{claim.pk}").json()
    assert [seat["number"] for seat in answer["seats"]] == ["3", "4"]


@pytest.mark.django_db(transaction=True)
def test_who_polls_is_told_of_both(customer, performance, house):
    claim = make_paid(customer, house[:1])
    since = read_version(now=NOW)
    move(claim, house[:1], house[1:2])
    changed = list_changed_seats([performance], since=since, now=LATER)
    assert {row["id"]: row["status"] for row in changed} == {
        house[0].pk: "available",
        house[1].pk: "sold",
    }


def test_the_seats_that_are_left_can_be_held_and_the_new_ones_cannot(customer, room, house):
    move(make_paid(customer, house[:2]), house[:2], house[2:4])
    other = enter()
    assert seats_of(hold(other, house[:2], now=LATER)) == ids(house[:2])
    with pytest.raises(SeatUnavailable):
        hold(other, house[2:3], now=LATER)


def test_an_overdue_hold_on_a_new_seat_is_over(customer, house):
    overdue = make_hold(UserFactory(), house[2:4], at=NOW - timedelta(minutes=5))
    claim = make_hold(customer, house[:1])
    move(claim, house[:1], house[2:3])
    overdue.refresh_from_db()
    assert (overdue.status, seats_of(overdue)) == ("expired", [])
    assert seats_of(claim) == ids(house[2:3])


# Refused, and nothing written


def refuse(error, claim, leaving, taking, **options):
    with nothing_written(), pytest.raises(error) as raised:
        move(claim, leaving, taking, **options)
    assert not StaffAction.objects.filter(action="move_reservation").exists()
    return raised.value


@pytest.mark.parametrize("make", CLAIMS.values(), ids=CLAIMS)
def test_to_a_seat_that_somebody_has(customer, house, make):
    make(UserFactory(), house[2:3])
    claim = make_hold(customer, house[:2])
    error = refuse(SeatUnavailable, claim, house[:2], house[2:4])
    assert error.fields == {"seat_ids": [house[2].pk]}


def test_to_a_blocked_seat(customer, house):
    block(house[2])
    refuse(SeatUnavailable, make_hold(customer, house[:1]), house[:1], house[2:3])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_to_another_number_of_seats(customer, house, count):
    refuse(SeatPricesDiffer, make_hold(customer, house[:2]), house[:2], house[2 : 2 + count])


def test_to_another_price(customer, house):
    claim = make_hold(customer, house[:2])
    refuse(SeatPricesDiffer, claim, house[:1], house[6:7])
    refuse(SeatPricesDiffer, claim, house[:2], house[5:7])


def test_to_nowhere_else(customer, house):
    refuse(SeatPricesDiffer, make_hold(customer, house[:1]), house[:1], house[:1])


def test_from_a_seat_that_it_does_not_have(customer, house):
    claim = make_hold(customer, house[:1])
    refuse(SeatNotOfReservation, claim, house[1:2], house[2:3])
    move(claim, house[:1], house[1:2])
    with nothing_written(), pytest.raises(SeatNotOfReservation):
        move(claim, house[:1], house[2:3])


def test_to_a_seat_of_another_performance(customer, house):
    claim = make_hold(customer, house[:1])
    refuse(SeatNotFound, claim, house[:1], make_seats(PerformanceFactory(), 1))


def test_after_the_deadline_by_the_clock(customer, house):
    for make in (make_hold, make_reservation):
        refuse(
            ReservationNotMovable, make(customer, house[:1]), house[:1], house[2:3], now=DEADLINE
        )
        expire_holds(now=DEADLINE)


def test_after_its_end(customer, house):
    claim = make_hold(customer, house[:1])
    release_for_staff(reservation_id=claim.pk, actor=CLERK, reason="x", now=NOW)
    refuse(ReservationNotMovable, claim, house[:1], house[1:2])


def test_of_a_performance_that_was_called_off(customer, performance, house):
    claim = make_paid(customer, house[:1])
    call_off_performance(performance_id=performance.pk, actor=CLERK, reason="x", now=NOW)
    refuse(ReservationNotMovable, claim, house[:1], house[1:2])


def test_of_nobody(house):
    refuse(ReservationNotFound, Reservation(pk=999_999), house[:1], house[1:2])


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_without_a_reason(customer, house, reason):
    claim = make_hold(customer, house[:1])
    refuse(InvalidRequest, claim, house[:1], house[1:2], reason=reason)


# The invariants


@pytest.mark.usefixtures("room", "fences")
class TestIntegrity:
    def test_what_was_moved_is_whole_whatever_becomes_of_it(self, house):
        paid = buy(house[:2]).reservation
        move(paid, house[:2], house[4:6])
        held = hold(enter(), house[:1], now=LATER)
        move(held, house[:1], house[1:2])
        assert subjects() == []
        expire_holds(now=LATER + timedelta(minutes=5))
        refund_payment(payment_id=paid.payment_id, actor=CLERK, reason="x", now=LATER)
        assert subjects() == []
        assert seats_of(paid) == seats_of(held) == []

    def test_a_customer_at_the_limit_is_moved_and_still_at_the_limit(self, customer, performance):
        seats = make_seats(performance, 8)
        paid = buy(seats[:4], customer=customer).reservation
        move(paid, seats[:4], seats[4:])
        assert subjects() == []

    def test_the_record_of_a_move_does_not_account_for_an_end(self, house):
        paid = buy(house[:1]).reservation
        move(paid, house[:1], house[1:2])
        held = hold(enter(), house[2:3], now=LATER)
        move(held, house[2:3], house[3:4])
        run_sql(
            "UPDATE reservations_reservationseat SET released_at = now() WHERE reservation_id = %(pk)s",
            "UPDATE reservations_reservation SET status = 'cancelled', ended_at = now(),"
            " end_cause = 'staff' WHERE id = %(pk)s",
            pk=held.pk,
        )
        assert [found.subject for found in look(9)] == [f"reservation:{held.pk}"]

    def test_the_record_of_blocking_does_not_account_for_calling_off(self, performance, house):
        held = hold(enter(), house[:1])
        block_seats_for_staff(
            performance_id=performance.pk, seat_ids=ids(house[:1]), actor=CLERK, reason="x", now=NOW
        )
        run_sql(
            "UPDATE reservations_reservationseat SET released_at = now()",
            "UPDATE reservations_reservation SET status = 'cancelled', ended_at = now(),"
            " end_cause = 'called_off'",
        )
        assert [found.subject for found in look(9)] == [f"reservation:{held.pk}"]
