"""Seats made from a plan against somebody who is buying: whoever locks the seat first is right."""

import pytest

from apps.concerts.models import ConcertPrice, Seat
from apps.concerts.plans import SectionShape, draw_sections
from apps.concerts.services import save_plan
from apps.core.audit import Actor
from apps.reservations import seating
from apps.reservations.models import ReservationSeat
from tests.concurrency.racing import overlap, take_locks_away
from tests.factories import NOW, PerformanceFactory, RoomFactory
from tests.reservations.support import hold, make_inside

pytestmark = pytest.mark.django_db(transaction=True)

SHAPE = SectionShape(name="A", grade="VIP", rows=2, seats_per_row=3)


@pytest.fixture
def show():
    """A performance whose six seats were made from a plan at 100."""
    RoomFactory()
    performance = PerformanceFactory()
    ConcertPrice.objects.create(concert=performance.concert, grade="VIP", price=100)
    plan = save_plan(
        plan_id=None,
        venue_id=performance.concert.venue_id,
        name="plan",
        seats=draw_sections([SHAPE]),
        drawing=[],
    )
    performance.plan_id = plan.pk
    make_seats(performance)
    return performance


def make_seats(show):
    return seating.make_plan_seats(
        performance_id=show.pk,
        plan_id=show.plan_id,
        actor=Actor(name="clerk"),
        reason="prices were agreed",
        now=NOW,
    )


def raise_price():
    ConcertPrice.objects.update(price=200)


def list_last_row(show):
    return list(Seat.objects.filter(performance=show, row="2").order_by("position"))


def test_a_hold_first_and_its_seats_keep_their_price(show):
    entry, seats = make_inside(), list_last_row(show)
    raise_price()
    came = overlap(lambda: hold(entry, seats), lambda: make_seats(show))
    assert came.waited
    assert (came.second.changed, came.second.kept) == (3, 3)
    assert {seat.price for seat in list_last_row(show)} == {100}


def test_the_plan_first_and_the_new_price_is_held(show):
    entry, seats = make_inside(), list_last_row(show)
    raise_price()
    came = overlap(lambda: make_seats(show), lambda: hold(entry, seats))
    assert came.waited
    assert came.second.total == 600


def test_without_the_lock_a_taken_seat_would_be_changed(show, monkeypatch):
    entry, seats = make_inside(), list_last_row(show)
    raise_price()
    take_locks_away(monkeypatch, seating)
    came = overlap(lambda: hold(entry, seats), lambda: make_seats(show))
    assert came.second.changed == 6
    assert set(ReservationSeat.objects.values_list("price", flat=True)) == {100}
    assert {seat.price for seat in list_last_row(show)} == {200}


def test_two_who_make_the_seats_follow_one_another(show):
    Seat.objects.all().delete()
    came = overlap(lambda: make_seats(show), lambda: make_seats(show))
    assert came.waited
    assert (came.first.made, came.second.made) == (6, 0)
    assert Seat.objects.count() == 6
