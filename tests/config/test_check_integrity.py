"""`manage.py check_integrity`: a busy, correct database is whole; each broken row is named."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from apps.concerts.models import Concert
from apps.core import db
from apps.core.audit import Actor
from apps.core.pruning import delete_in_batches, list_old_keys
from apps.payments.calling_off import call_off_performance, refund_called_off
from apps.payments.services import cancel_reservation, pay_reservation, refund_payment
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.pruning import list_old_entries, list_old_turns
from apps.queue.services import admit_queue, expire_queue, leave_line
from apps.reservations.models import Reservation
from apps.reservations.services import expire_holds, release_for_staff, release_hold
from apps.wallet.services import charge_wallet
from config.integrity import CHECKS, INVARIANTS
from config.management.commands import check_integrity
from tests.concurrency.racing import race
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.integrity import buy, enter, look, reserve, run_sql, subjects
from tests.reservations.support import hold, make_hold

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room", "fences", "clock_at_now")]

OPERATOR = Actor(name="terminal: op")


def at(**after):
    return NOW + timedelta(**after)


@pytest.fixture
def busy(room, performance):
    """A day on which everything happened that may: bought, cancelled, refunded, released, lapsed and
    swept, lapsed and taken over, lapsed and seen by nobody, called off, joined again, left, fallen
    silent, cost nothing."""
    WaitingRoom.objects.update(capacity=8, session_seconds=1_000, idle_seconds=1_000)
    seats = make_seats(performance, 20)
    buy(seats[:2])
    cancelled = buy(seats[2:4])
    customer_id = cancelled.payment.customer_id
    cancel_reservation(
        customer_id=customer_id, reservation_id=cancelled.reservation.pk, now=at(seconds=40)
    )
    refunded = buy(seats[2:3], now=at(seconds=50))
    refund_payment(payment_id=refunded.payment.pk, actor=OPERATOR, reason="a", now=at(seconds=90))
    _entry, pending = reserve(seats[4:5])
    cancel_reservation(
        customer_id=pending.customer_id, reservation_id=pending.pk, now=at(seconds=10)
    )
    again = enter()
    release_hold(entry_id=again.pk, hold_id=hold(again, seats[5:6]).pk, now=NOW)
    held = hold(again, seats[5:7])
    release_for_staff(reservation_id=held.pk, actor=OPERATOR, reason="b", now=at(seconds=1))
    hold(again, seats[7:9])
    reserve(seats[9:10])
    expire_holds(now=at(minutes=5))
    late = enter(now=at(minutes=6))
    hold(late, seats[10:12], now=at(minutes=6))
    reserve(seats[12:14], now=at(minutes=6))
    leave_line(entry_id=late.pk, now=at(minutes=7))
    hold(enter(now=at(minutes=12)), seats[11:12], now=at(minutes=12))
    assert enter(again.customer, now=at(minutes=12)).number > again.number
    free = buy(make_seats(PerformanceFactory(), 2, price=0), now=at(minutes=12))
    assert free.payment.amount == 0
    other = make_seats(PerformanceFactory(), 3)
    buy(other[:1], now=at(minutes=12))
    reserve(other[1:2], now=at(minutes=12))
    call_off_performance(
        performance_id=other[0].performance_id, actor=OPERATOR, reason="c", now=at(minutes=13)
    )
    assert refund_called_off(now=at(minutes=13)) == 2
    for _person in range(9):
        enter(now=at(minutes=13))
    WaitingRoom.objects.update(capacity=3)
    admit_queue(now=at(minutes=14))
    return performance


@pytest.mark.usefixtures("busy")
class TestBusy:
    def test_it_is_whole_while_much_is_not_swept(self):
        statuses = set(Reservation.objects.values_list("status", flat=True))
        assert statuses == {"held", "reserved", "confirmed", "expired", "cancelled"}
        assert Reservation.objects.overdue(at(minutes=14)).exists()
        inside = QueueEntry.objects.filter(state="admitted").count()
        assert inside > WaitingRoom.objects.get().capacity
        assert QueueEntry.objects.filter(state="waiting").exists()
        assert look() == []

    def test_it_is_whole_when_all_is_swept(self):
        now = at(hours=2)
        expire_holds(now=now)
        expire_queue(now=now)
        admit_queue(now=now)
        assert subjects() == []

    def test_it_is_whole_when_history_is_pruned(self):
        before = at(minutes=10)
        for rows in (list_old_entries, list_old_turns, list_old_keys):
            assert sum(delete_in_batches(rows(before=before), batch=1)) >= 0
        assert QueueEntry.objects.filter(ended_at__lt=before).count() == 0
        assert [finding.subject for finding in look(now=at(days=2))] == []

    def test_it_is_whole_when_half_of_a_pruning_is_done(self):
        pruning = delete_in_batches(list_old_entries(before=at(minutes=14)), batch=1)
        assert next(pruning) == 1
        assert [finding.subject for finding in look(now=at(days=2))] == []


class TestTheLastMoments:
    def test_who_pays_just_before_the_deadline(self, seats):
        WaitingRoom.objects.update(idle_seconds=1_000)
        entry, reservation = reserve(seats[:1])
        charge_wallet(customer_id=entry.customer_id, amount=10_000, now=NOW)
        just_before = reservation.expires_at - timedelta(microseconds=1)
        pay_reservation(entry_id=entry.pk, reservation_id=reservation.pk, now=just_before)
        assert subjects() == []

    def test_who_takes_over_at_the_deadline(self, seats):
        held = hold(enter(), seats[:2])
        hold(enter(now=held.expires_at), seats[1:3], now=held.expires_at)
        assert subjects() == []


def test_every_invariant_has_a_check():
    assert {check.invariant for check in CHECKS} == set(INVARIANTS) == set(range(1, 10))


def call(*options):
    """Return what the command prints, what it says beside it, and its exit status."""
    out, err = StringIO(), StringIO()
    try:
        call_command("check_integrity", *options, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue() + str(error), error.returncode
    return out.getvalue(), err.getvalue(), 0


class TestCommand:
    @pytest.fixture
    def broken(self, seats):
        """Two reservations that do not cost what their seats do."""
        rows = [make_hold(UserFactory(), [seat]) for seat in seats[:2]]
        run_sql("UPDATE reservations_reservation SET total = 1")
        return sorted(row.pk for row in rows)

    def test_a_whole_database(self, busy):
        out, err, status = call()
        assert (out, status) == ("whole: 1, 2, 3, 4, 5, 6, 7, 8, 9\n", 0)
        lines = err.splitlines()
        assert len(lines) == 9
        for invariant, line in enumerate(lines, start=1):
            assert line.startswith(f"invariant {invariant}: whole (")
            assert line.endswith(f" s): {INVARIANTS[invariant]}")

    def test_each_broken_row_is_named(self, broken):
        out, err, status = call()
        assert status == 1
        assert out.splitlines() == [
            f"1 reservation:{pk} costs 1, but its seats 10000" for pk in broken
        ]
        assert "invariant 1: 2 broken (" in err
        assert err.endswith("2 rows break an invariant.")

    def test_a_flood_is_cut_and_counted(self, broken, monkeypatch):
        monkeypatch.setattr(check_integrity, "NAMED_MAX", 1)
        out, err, status = call()
        assert out.splitlines()[1:] == ["1 and 1 more"]
        assert (err.endswith("2 rows break an invariant."), status) == (True, 1)

    def test_json(self, broken, performance):
        out, _err, status = call("--json")
        result = json.loads(out)
        assert (result["broken"], status) == (2, 1)
        first = result["invariants"][0]
        assert (first["invariant"], first["title"], first["broken"]) == (1, INVARIANTS[1], 2)
        assert first["named"][0] == {
            "invariant": 1,
            "subject": f"reservation:{broken[0]}",
            "detail": "costs 1, but its seats 10000",
            "concert_id": performance.concert_id,
        }
        assert [told["broken"] for told in result["invariants"][1:]] == [0] * 8

    @pytest.mark.parametrize(
        ("options", "checked", "expected"),
        [
            (["--invariant", "2"], [2], 0),
            (["--invariant", "3", "1"], [1, 3], 1),
            (["--invariant", "3", "--invariant", "1"], [1, 3], 1),
        ],
    )
    def test_some_alone(self, broken, options, checked, expected):
        out, _err, status = call("--json", *options)
        told = [result["invariant"] for result in json.loads(out)["invariants"]]
        assert (told, status) == (checked, expected)

    @pytest.mark.parametrize("number", ["0", "10", "x"])
    def test_an_invariant_that_is_none(self, number):
        with pytest.raises(CommandError, match="--invariant"):
            call_command("check_integrity", "--invariant", number)

    def test_a_database_that_does_not_answer_is_said(self, monkeypatch):
        def fail(*_given, **_options):
            raise OperationalError("the connection is lost")

        monkeypatch.setattr(check_integrity, "check_invariants", fail)
        assert call() == ("", "The database did not answer: the connection is lost", 1)

    def test_the_help_has_an_example(self):
        assert "Example: manage.py check_integrity" in check_integrity.Command.help


@pytest.mark.django_db(transaction=True)
class TestSnapshot:
    def test_it_sees_one_moment_writes_nothing_and_takes_its_time(self):
        with db.snapshot() as cursor:
            before = Concert.objects.count()
            cursor.execute("SHOW transaction_isolation")
            assert cursor.fetchone() == ("repeatable read",)
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)
            (made,) = race(PerformanceFactory)
            assert not isinstance(made, BaseException)
            assert Concert.objects.count() == before
            with pytest.raises(Exception, match="read-only"):
                cursor.execute("DELETE FROM concerts_seat")
        assert Concert.objects.count() == before + 1
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("30s",)
