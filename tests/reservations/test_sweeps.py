"""Scenarios 8.2 and 8.3: the sweep of overdue holds and unpaid reservations."""

import io
import json
import logging
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError

from apps.core.errors import Busy
from apps.core.models import Heartbeat
from apps.reservations import limits, services, tasks
from apps.reservations.availability import list_free_seats
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.transitions import lock_reservation
from tests.concurrency.racing import held_open, race
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import (
    DEADLINE,
    hold,
    list_ids,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    seats_url,
)

pytestmark = pytest.mark.django_db

JUST_BEFORE = DEADLINE - timedelta(microseconds=1)


def count_by_status():
    return {
        status: count
        for status in Reservation.Status.values
        if (count := Reservation.objects.filter(status=status).count())
    }


def sweep(*arguments):
    """Run the command and return what it prints."""
    output = io.StringIO()
    call_command("expire_holds", *arguments, stdout=output)
    return output.getvalue().strip()


def test_8_2_1_the_sweep_looks_at_each_deadline(clock_at_now, seats):
    make_hold(UserFactory(), seats[:1])
    make_reservation(UserFactory(), seats[1:2], at=NOW + timedelta(seconds=30))
    make_paid(UserFactory(), seats[2:3])
    for seconds, expired in ((299, 0), (300, 1), (329, 0), (330, 1), (9_999, 0)):
        clock_at_now.now = NOW + timedelta(seconds=seconds)
        assert tasks.expire_holds() == expired
    assert count_by_status() == {"confirmed": 1, "expired": 2}


@pytest.mark.parametrize("make", [make_hold, make_reservation])
def test_8_2_2_an_overdue_claim_ends_at_its_deadline(seats, make):
    row = make(UserFactory(), seats[:2])
    with nothing_written():
        assert services.expire_holds(now=JUST_BEFORE) == 0
    assert services.expire_holds(now=DEADLINE + timedelta(seconds=40)) == 1
    row.refresh_from_db()
    assert (row.status, row.ended_at, row.expires_at) == ("expired", DEADLINE, DEADLINE)
    assert [line.released_at for line in row.lines.all()] == [DEADLINE] * 2
    with nothing_written():
        assert services.expire_holds(now=DEADLINE + timedelta(seconds=41)) == 0


def test_8_2_3_the_seats_can_be_booked_again(buyer, clock_at_now, admitted, performance, seats):
    make_hold(UserFactory(), seats)
    assert list_ids(buyer.get(seats_url(performance))) == []
    clock_at_now.now = DEADLINE
    tasks.expire_holds()
    assert list_ids(buyer.get(seats_url(performance))) == [seat.pk for seat in seats]
    assert hold(admitted, seats, now=DEADLINE)


def test_8_2_3_a_swept_seat_and_an_unswept_one_are_alike(performance, seats):
    make_hold(UserFactory(), seats[:2])
    assert list_free_seats([performance], now=DEADLINE)[0].count == 4
    services.expire_holds(now=DEADLINE)
    assert list_free_seats([performance], now=DEADLINE)[0].count == 4


def test_8_2_2_a_sweep_works_in_batches(performance, monkeypatch, django_assert_num_queries):
    for seat in make_seats(performance, 7):
        make_hold(UserFactory(), [seat])
    monkeypatch.setattr(limits, "SWEEP_BATCH", 3)
    statements_of_a_batch, savepoints_of_a_batch = 3, 2
    nothing_is_left = 1 + savepoints_of_a_batch
    with django_assert_num_queries(
        3 * (statements_of_a_batch + savepoints_of_a_batch) + nothing_is_left
    ):
        assert services.expire_holds(now=DEADLINE) == 7
    assert count_by_status() == {"expired": 7}


def test_8_2_2_a_run_is_bounded_and_the_next_goes_on(performance, monkeypatch):
    for seat in make_seats(performance, 5):
        make_hold(UserFactory(), [seat])
    monkeypatch.setattr(limits, "SWEEP_BATCH", 1)
    monkeypatch.setattr(limits, "SWEEP_BATCHES_PER_RUN", 2)
    assert [services.expire_holds(now=DEADLINE) for _run in range(4)] == [2, 2, 1, 0]


def test_8_2_2_the_sweep_logs_what_it_did(clock_at_now, seats, caplog):
    caplog.set_level(logging.DEBUG, logger="apps.core.sweeps")
    make_hold(UserFactory(), seats[:1])
    clock_at_now.now = DEADLINE
    tasks.expire_holds()
    tasks.expire_holds()
    logged = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert logged == [
        ("INFO", "sweep expire_holds touched 1 rows"),
        ("DEBUG", "sweep expire_holds touched 0 rows"),
    ]
    assert Heartbeat.objects.get(name="expire_holds").beat_at == DEADLINE


def test_8_3_1_an_error_is_logged_and_the_next_run_goes_on(
    clock_at_now, seats, caplog, monkeypatch
):
    make_hold(UserFactory(), seats[:1])
    make_hold(UserFactory(), seats[1:2])
    clock_at_now.now = DEADLINE

    def fail(_ids):
        raise OperationalError("the database went away")

    with monkeypatch.context() as broken, nothing_written():
        broken.setattr(services, "expire_reservations", fail)
        with pytest.raises(Busy):
            tasks.expire_holds()
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "sweep expire_holds failed"
    assert "the database went away" in caplog.text
    assert not Heartbeat.objects.beaten().exists()
    assert Heartbeat.objects.get(name="expire_holds").failures == 1
    assert tasks.expire_holds() == 2


def test_8_3_1_what_was_done_before_an_error_stays_done(performance, monkeypatch):
    for seat in make_seats(performance, 3):
        make_hold(UserFactory(), [seat])
    monkeypatch.setattr(limits, "SWEEP_BATCH", 1)
    batches = iter([True, False])

    def fail_later(reservation_ids, really=services.expire_reservations):
        if not next(batches):
            raise ValueError(reservation_ids)
        return really(reservation_ids)

    with monkeypatch.context() as broken:
        broken.setattr(services, "expire_reservations", fail_later)
        with pytest.raises(ValueError):
            services.expire_holds(now=DEADLINE)
    assert count_by_status() == {"held": 2, "expired": 1}
    assert services.expire_holds(now=DEADLINE) == 2


def test_the_command_says_what_it_did(clock_at_now, seats):
    make_hold(UserFactory(), seats[:1])
    make_hold(UserFactory(), seats[1:2])
    clock_at_now.now = DEADLINE
    assert sweep() == "expire_holds: 2 rows"
    assert sweep() == "expire_holds: 0 rows"


def test_the_command_speaks_json(clock_at_now, seats):
    make_hold(UserFactory(), seats[:1])
    clock_at_now.now = DEADLINE
    assert json.loads(sweep("--json")) == {
        "sweep": "expire_holds",
        "touched": 1,
        "dry_run": False,
    }


def test_a_dry_run_counts_and_changes_nothing(clock_at_now, seats):
    make_hold(UserFactory(), seats[:1])
    clock_at_now.now = DEADLINE
    with nothing_written():
        assert json.loads(sweep("--json", "--dry-run"))["touched"] == 1
    assert not Heartbeat.objects.exists()
    assert sweep() == "expire_holds: 1 rows"


@pytest.mark.django_db(transaction=True)
def test_8_2_2_the_sweep_passes_over_what_somebody_works_on(performance, seats):
    locked = make_hold(UserFactory(), seats[:1])
    make_hold(UserFactory(), seats[1:2])
    lock = {"customer_id": locked.customer_id}
    with held_open(lambda: lock_reservation(locked.pk, **lock)):
        assert services.expire_holds(now=DEADLINE) == 1
    assert services.expire_holds(now=DEADLINE) == 1


@pytest.mark.django_db(transaction=True)
def test_8_2_2_two_sweeps_at_once_do_no_harm(room, monkeypatch):
    performance = PerformanceFactory()
    for seat in make_seats(performance, 60):
        make_hold(UserFactory(), [seat])
    monkeypatch.setattr(limits, "SWEEP_BATCH", 7)
    counts = race(*[lambda: services.expire_holds(now=DEADLINE)] * 4)
    # A sweep that finds all the rest locked stops early; each row is counted once.
    assert sum(counts) == Reservation.objects.filter(status="expired").count()
    assert sum(counts) + services.expire_holds(now=DEADLINE) == 60
    assert not ReservationSeat.objects.filter(released_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_8_2_2_a_second_sweep_leaves_the_first_its_rows(performance, seats):
    make_hold(UserFactory(), seats)
    with held_open(lambda: services.expire_holds(now=DEADLINE)) as first:
        assert services.expire_holds(now=DEADLINE) == 0
    assert first.result == 1
    assert hold(make_inside(), seats, now=DEADLINE)
