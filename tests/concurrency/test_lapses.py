"""Races around the wait of those who let holds run out."""

from datetime import timedelta

import pytest

from apps.queue import transitions as line
from apps.reservations import services
from apps.reservations.errors import TooManyLapsedHolds
from apps.reservations.models import Reservation
from tests.concurrency.racing import overlap, race, take_locks_away
from tests.factories import NOW, make_seats
from tests.reservations.support import DEADLINE, hold, make_hold

pytestmark = pytest.mark.django_db(transaction=True)

JUST_BEFORE = DEADLINE - timedelta(milliseconds=1)


@pytest.fixture
def house(performance):
    return make_seats(performance, 9)


@pytest.fixture
def last(entry, house):
    """The hold whose running out would be one too many: five others have run out before `DEADLINE`."""
    for seat in house[:5]:
        make_hold(entry.customer, [seat], at=NOW - timedelta(minutes=1))
    return make_hold(entry.customer, house[5:6])


def give_back_and_hold(entry, last, house):
    """Give the last hold back just in time, and meanwhile ask for another seat, after its deadline."""
    return overlap(
        lambda: services.release_hold(entry_id=entry.pk, hold_id=last.pk, now=JUST_BEFORE),
        lambda: hold(entry, house[6:7], now=DEADLINE),
    )


def test_what_is_being_given_back_has_not_run_out(entry, last, house):
    result = give_back_and_hold(entry, last, house)
    assert result.waited
    assert isinstance(result.second, Reservation)


def test_what_is_being_given_back_has_run_out_without_the_lock_on_the_entry(
    entry, last, house, monkeypatch
):
    take_locks_away(monkeypatch, line)
    result = give_back_and_hold(entry, last, house)
    assert not result.waited
    assert isinstance(result.second, TooManyLapsedHolds)


def test_two_at_once_are_both_refused(entry, last, house):
    before = Reservation.objects.count()
    results = race(*[lambda seat=seat: hold(entry, [seat], now=DEADLINE) for seat in house[6:8]])
    assert [type(result) for result in results] == [TooManyLapsedHolds] * 2
    assert Reservation.objects.count() == before


def test_two_at_once_are_both_held_without_the_question(entry, last, house, monkeypatch):
    monkeypatch.setattr(services, "require_few_lapses", lambda *_args, **_kwargs: None)
    results = race(*[lambda seat=seat: hold(entry, [seat], now=DEADLINE) for seat in house[6:8]])
    assert [type(result) for result in results] == [Reservation] * 2


def test_a_sweep_at_the_same_moment_changes_nothing(entry, last, house):
    result = overlap(
        lambda: services.expire_holds(now=DEADLINE), lambda: hold(entry, house[6:7], now=DEADLINE)
    )
    assert result.first == 6
    assert isinstance(result.second, TooManyLapsedHolds)
