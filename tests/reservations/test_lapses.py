"""Whoever lets hold after hold of a concert run out has to wait a while before the next."""

from datetime import timedelta

import pytest

from apps.queue.models import QueueEntry
from apps.reservations.errors import TooManyLapsedHolds
from apps.reservations.services import expire_holds
from apps.reservations.transitions import cancel
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import (
    assert_refused,
    hold,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    post_hold,
)

pytestmark = pytest.mark.django_db

# The deadline of a hold of 300 s that is this old, by the numbers of the settings' defaults.
ALLOWED, LATELY = 5, timedelta(minutes=60)
HELD_BEFORE = timedelta(minutes=5)


@pytest.fixture
def house(performance):
    return make_seats(performance, 12)


def lapse(customer, seats, *, ago=timedelta(0), make=make_hold):
    """Let a hold of each seat run out so long before `NOW`, each a second after the one before."""
    for index, seat in enumerate(seats):
        make(customer, [seat], at=NOW - HELD_BEFORE - ago + timedelta(seconds=index))


def assert_refuses(entry, seats, *, now=NOW):
    """Assert that a hold is refused and writes nothing; return for how long, in seconds."""
    with nothing_written(), pytest.raises(TooManyLapsedHolds) as raised:
        hold(entry, seats, now=now)
    return raised.value.retry_after_seconds


def test_five_are_forgiven(admitted, customer, house):
    lapse(customer, house[:5], ago=timedelta(seconds=60))
    assert hold(admitted, house[6:7])


@pytest.mark.parametrize("make", [make_hold, make_reservation])
@pytest.mark.parametrize("swept", [False, True])
def test_the_sixth_has_to_wait_swept_or_not(admitted, customer, house, make, swept):
    lapse(customer, house[:6], ago=timedelta(seconds=60), make=make)
    if swept:
        assert expire_holds(now=NOW) == 6
    assert assert_refuses(admitted, house[6:7]) == 3540


def test_until_the_oldest_is_old_enough(admitted, customer, house):
    lapse(customer, house[:6], ago=timedelta(seconds=60))
    over_at = NOW + timedelta(seconds=3540)
    QueueEntry.objects.update(session_expires_at=over_at + timedelta(hours=1))
    assert assert_refuses(admitted, house[6:7], now=over_at - timedelta(milliseconds=1)) == 1
    assert hold(admitted, house[6:7], now=over_at)


def test_more_than_six_wait_for_all_but_five(admitted, customer, house):
    lapse(customer, house[:8], ago=timedelta(seconds=60))
    assert assert_refuses(admitted, house[8:9]) == 3542


def test_the_answer_says_when_to_come_back(buyer, customer, house):
    lapse(customer, house[:6], ago=timedelta(seconds=60))
    with nothing_written():
        answer = post_hold(buyer, house[6:7], HTTP_IDEMPOTENCY_KEY="once")
    assert_refused(answer, 429, "too_many_lapsed_holds")
    assert answer["Retry-After"] == "3540"


def test_the_same_key_is_heard_afterwards(buyer, customer, house, settings):
    lapse(customer, house[:6], ago=timedelta(seconds=60))
    refused = post_hold(buyer, house[6:7], HTTP_IDEMPOTENCY_KEY="once")
    assert_refused(refused, 429, "too_many_lapsed_holds")
    settings.HOLD_LAPSES_MAX = 6
    assert post_hold(buyer, house[6:7], HTTP_IDEMPOTENCY_KEY="once").status_code == 201


@pytest.mark.parametrize(
    "kind", ["given back", "paid", "live", "long ago", "other concert", "other customer"]
)
def test_what_is_no_lapse(admitted, customer, house, kind):
    match kind:
        case "given back":
            for seat in house[:6]:
                at = NOW - HELD_BEFORE
                cancel(make_hold(customer, [seat], at=at), now=at)
        case "paid":
            for seat in house[:6]:
                paid = make_paid(customer, [seat], at=NOW - HELD_BEFORE)
                cancel(paid, now=NOW)
        case "live":
            make_hold(customer, house[:1], at=NOW - HELD_BEFORE + timedelta(milliseconds=1))
            lapse(customer, house[1:6], ago=timedelta(seconds=60))
        case "long ago":
            lapse(customer, house[:6], ago=LATELY + timedelta(seconds=5))
        case "other concert":
            lapse(customer, make_seats(PerformanceFactory(), 6), ago=timedelta(seconds=60))
        case "other customer":
            lapse(UserFactory(), house[:6], ago=timedelta(seconds=60))
    assert hold(admitted, house[6:7])


def test_every_show_of_the_concert_counts(admitted, customer, performance, house):
    evening = PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(days=1)
    )
    lapse(customer, house[:3] + make_seats(evening, 3), ago=timedelta(seconds=60))
    assert assert_refuses(admitted, house[6:7])


def test_another_place_in_line_is_no_way_around(admitted, customer, house):
    lapse(customer, house[:6], ago=timedelta(seconds=60))
    admitted.delete()
    assert assert_refuses(make_inside(customer), house[6:7])


@pytest.mark.parametrize("name", ["HOLD_LAPSES_MAX", "HOLD_LAPSE_MINUTES"])
def test_switched_off_everything_is_forgiven(admitted, customer, house, settings, name):
    lapse(customer, house[:6], ago=timedelta(seconds=60))
    setattr(settings, name, 0)
    assert hold(admitted, house[6:7])


def test_the_numbers_are_settings(admitted, customer, house, settings):
    settings.HOLD_LAPSES_MAX, settings.HOLD_LAPSE_MINUTES = 1, 60
    lapse(customer, house[:2], ago=timedelta(minutes=59))
    assert assert_refuses(admitted, house[6:7]) == 60


def test_a_customer_whose_payment_failed_can_choose_again(buyer, customer, house, clock_at_now):
    """Too little money, four seats one by one: all run out, and the next are held."""
    for seat in house[:4]:
        make_reservation(customer, [seat], at=NOW - HELD_BEFORE)
    assert post_hold(buyer, house[:4]).status_code == 201
