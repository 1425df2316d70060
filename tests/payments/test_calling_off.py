"""A performance that does not take place: nothing more is sold, and everybody gets their money back."""

import logging
from datetime import timedelta

import pytest

from apps.concerts.errors import DateNotBookable, PerformanceNotFound
from apps.core.audit import Actor
from apps.core.errors import InvalidRequest
from apps.core.models import StaffAction
from apps.payments import calling_off, limits
from apps.payments.calling_off import (
    Outstanding,
    call_off_performance,
    count_outstanding,
    end_called_off,
    refund_called_off,
)
from apps.payments.models import Payment
from apps.payments.services import pay_reservation
from apps.payments.tasks import refund_called_off as task
from apps.reservations.models import Reservation
from apps.reservations.services import reserve_hold
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.services import charge_wallet
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import (
    DEADLINE,
    assert_refused,
    balance_of,
    dates_url,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    post_hold,
    seats_url,
)

pytestmark = pytest.mark.django_db

OPERATOR = Actor(name="terminal: op")
AT = NOW + timedelta(seconds=30)


def call_off(performance, *, reason="가수의 건강 문제", now=AT):
    return call_off_performance(
        performance_id=performance.pk, actor=OPERATOR, reason=reason, now=now
    )


def now_of(reservation):
    return Reservation.objects.get(pk=reservation.pk)


def test_it_is_recorded_once(performance):
    call_off(performance)
    call_off(performance, now=AT + timedelta(hours=1))
    performance.refresh_from_db()
    assert performance.called_off_at == AT
    action = StaffAction.objects.get()
    assert (action.action, action.subject) == (
        "call_off_performance",
        f"performance:{performance.pk}",
    )
    assert (action.reason, action.actor_id, action.actor_name) == (
        "가수의 건강 문제",
        None,
        "terminal: op",
    )


def test_without_a_reason_it_goes_on(performance):
    with nothing_written(), pytest.raises(InvalidRequest):
        call_off(performance, reason=" ")
    performance.refresh_from_db()
    assert performance.called_off_at is None


def test_an_unknown_performance(room):
    with nothing_written(), pytest.raises(PerformanceNotFound):
        call_off_performance(performance_id=999, actor=OPERATOR, reason="x", now=AT)


def test_nothing_more_is_sold(buyer, performance, seats):
    other = PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(days=1)
    )
    make_seats(other, 1)
    call_off(performance)
    assert [row["date"] for row in buyer.get(dates_url(performance)).json()["results"]] == [
        str(other.date)
    ]
    assert_refused(buyer.get(seats_url(performance)), 409, "date_not_bookable")
    with nothing_written():
        assert_refused(post_hold(buyer, seats[:1]), 409, "date_not_bookable")


def test_what_was_held_is_neither_reserved_nor_paid(admitted, customer, performance, seats):
    charge_wallet(customer_id=customer.pk, amount=50_000, now=NOW)
    held, reserved = make_hold(customer, seats[:1]), make_reservation(customer, seats[1:2])
    call_off(performance)
    with nothing_written(), pytest.raises(DateNotBookable):
        reserve_hold(entry_id=admitted.pk, hold_id=held.pk, now=AT)
    with nothing_written(), pytest.raises(DateNotBookable):
        pay_reservation(entry_id=admitted.pk, reservation_id=reserved.pk, now=AT)


def test_all_that_was_claimed_ends(customer, performance, seats, clock_at_now):
    held, reserved = make_hold(UserFactory(), seats[:1]), make_reservation(customer, seats[1:2])
    paid = make_paid(customer, seats[2:])
    call_off(performance)
    assert task() == 3
    for claim in (held, reserved, paid):
        ended = now_of(claim)
        assert (ended.status, ended.end_cause) == ("cancelled", "called_off")
        assert all(line.released_at for line in ended.lines.all())
    assert Payment.objects.get().status == "refunded"
    assert balance_of(customer) == 20_000
    with nothing_written():
        assert refund_called_off(now=AT) == 0


def test_others_stay(customer, performance, seats):
    other = PerformanceFactory()
    paid = make_paid(customer, make_seats(other, 1))
    call_off(performance)
    with nothing_written():
        assert refund_called_off(now=AT) == 0
    assert now_of(paid).status == "confirmed"


def test_what_is_overdue_is_over_by_its_deadline(customer, performance, seats):
    overdue = make_hold(customer, seats[:1])
    call_off(performance, now=DEADLINE)
    assert refund_called_off(now=DEADLINE) == 1
    ended = now_of(overdue)
    assert (ended.status, ended.end_cause, ended.ended_at) == ("expired", "deadline", DEADLINE)


def test_it_goes_on_where_it_stopped(customer, performance, monkeypatch):
    monkeypatch.setattr(limits, "CALLED_OFF_BATCH", 2)
    monkeypatch.setattr(limits, "CALLED_OFF_PER_RUN", 3)
    paid = [make_paid(customer, [seat]) for seat in make_seats(performance, 7)]
    call_off(performance)
    performances = type(performance).objects.filter(pk=performance.pk)
    assert count_outstanding(performances) == Outstanding(unpaid=0, paid=7, money=70_000)
    ending = end_called_off(performances, now=AT)
    assert next(ending) == 1
    ending.close()  # as by Ctrl-C
    assert [refund_called_off(now=AT) for _run in range(3)] == [3, 3, 0]
    assert {now_of(claim).status for claim in paid} == {"cancelled"}
    assert balance_of(customer) == 70_000
    assert count_outstanding(performances) == Outstanding(unpaid=0, paid=0, money=0)


def test_a_full_wallet_keeps_nobody_else_waiting(customer, performance, seats, caplog):
    full = UserFactory()
    stuck, paid = make_paid(full, seats[:1]), make_paid(customer, seats[1:2])
    charge_wallet(customer_id=full.pk, amount=BALANCE_MAX, now=NOW)
    call_off(performance)
    with caplog.at_level(logging.ERROR):
        assert refund_called_off(now=AT) == 1
    assert f"reservation {stuck.pk}" in caplog.text
    assert (now_of(stuck).status, now_of(paid).status) == ("confirmed", "cancelled")
    assert Payment.objects.get(reservation=stuck).status == "succeeded"


@pytest.mark.parametrize("step", ["give_money_back", "cancel"])
def test_a_step_that_fails_undoes_the_others(customer, performance, seats, monkeypatch, step):
    paid = make_paid(customer, seats[:1])
    call_off(performance)
    really = getattr(calling_off, step)

    def fail(*args, **kwargs):
        really(*args, **kwargs)
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(calling_off, step, fail)
        with nothing_written(), pytest.raises(ZeroDivisionError):
            refund_called_off(now=AT)
    assert refund_called_off(now=AT) == 1
    assert now_of(paid).status == "cancelled"


def test_a_late_hold_ends_as_well(performance, seats):
    """Somebody who had read the performance before it was called off."""
    call_off(performance)
    late = make_hold(make_inside().customer, seats[:1], at=AT)
    assert refund_called_off(now=AT) == 1
    assert now_of(late).end_cause == "called_off"
