"""`manage.py release_hold`, `refund_payment` and `call_off`."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from apps.concerts.models import Performance, Seat
from apps.core.errors import Busy
from apps.core.models import StaffAction
from apps.reservations.models import Reservation
from config.management.commands import call_off
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import (
    balance_of,
    make_hold,
    make_paid,
    make_reservation,
    nothing_written,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]


def run(*arguments, **options):
    """Run a command and return what it printed, and what it said on the way."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def status_of(reservation):
    return Reservation.objects.get(pk=reservation.pk).status


class TestEndingOne:
    def test_a_hold_is_released(self, customer, seats):
        held = make_hold(customer, seats[:2])
        out, _err = run("release_hold", held.pk, "--reason", "asked by telephone")
        assert out.strip() == (
            f"reservation {held.pk} of customer {customer.pk}: ended; 2 seats free; refunded 0 KRW"
        )
        assert status_of(held) == "cancelled"
        action = StaffAction.objects.get()
        assert (action.actor_id, action.reason) == (None, "asked by telephone")
        assert action.actor_name.startswith("terminal: ")

    def test_a_payment_is_refunded_by_a_member_of_staff(self, customer, seats):
        clerk = UserFactory(email="clerk@encore.example", is_staff=True)
        paid = make_paid(customer, seats[:1])
        arguments = ("--reason", "broken seat", "--by", "Clerk@encore.example", "--withdraw")
        out, _err = run("refund_payment", paid.payment_id, *arguments, "--json")
        assert json.loads(out) == {
            "reservation": paid.pk,
            "customer": customer.pk,
            "seats": [seats[0].pk],
            "refunded": 10_000,
            "currency": "KRW",
            "withdrawn": True,
            "dry_run": False,
        }
        assert (status_of(paid), balance_of(customer)) == ("cancelled", 10_000)
        assert Seat.objects.get(pk=seats[0].pk).blocked_reason == "broken seat"
        action = StaffAction.objects.get()
        assert (action.actor, action.actor_name) == (clerk, "clerk@encore.example")

    @pytest.mark.parametrize("command", ["release_hold", "refund_payment"])
    def test_a_dry_run_changes_nothing(self, customer, seats, command):
        paid, held = make_paid(customer, seats[:1]), make_hold(customer, seats[1:2])
        number = held.pk if command == "release_hold" else paid.payment_id
        with nothing_written():
            out, _err = run(command, number, "--reason", "x", "--dry-run")
        assert "would be ended" in out
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["release_hold", "0", "--reason", "x"], "ID must be a whole number"),
            (["release_hold", "7" * 25, "--reason", "x"], "ID must be a whole number"),
            (["release_hold", "999999", "--reason", "x"], "no such reservation"),
            (["refund_payment", "999999", "--reason", "x"], "no such payment"),
            (["release_hold", "{held}", "--reason", " "], "--reason: Say why."),
            (["release_hold", "{held}", "--reason", "x", "--by", "fan@x.example"], "--by must be"),
            (["release_hold", "{paid}", "--reason", "x"], "Only a hold or an unpaid reservation"),
        ],
    )
    def test_what_cannot_be_is_said(self, customer, seats, arguments, message):
        held, paid = make_hold(customer, seats[:1]), make_paid(customer, seats[1:2])
        UserFactory(email="fan@x.example")
        filled = [text.format(held=held.pk, paid=paid.pk) for text in arguments]
        with translation.override("en"), nothing_written(), pytest.raises(CommandError) as error:
            run(*filled)
        assert message in str(error.value)
        assert not StaffAction.objects.exists()

    def test_a_reason_is_asked_for(self, customer, seats):
        held = make_hold(customer, seats[:1])
        with nothing_written(), pytest.raises(CommandError, match="--reason"):
            run("release_hold", held.pk)


class TestCallingOff:
    def call_off(self, performance, *arguments):
        slug = performance.concert.slug
        return run("call_off", slug, "--reason", "the artist is ill", "--no-input", *arguments)

    def test_all_that_is_still_to_come(self, customer, performance, seats):
        later = PerformanceFactory(
            concert=performance.concert, starts_at=performance.starts_at + timedelta(days=1)
        )
        past = PerformanceFactory(concert=performance.concert, starts_at=NOW - timedelta(days=1))
        claims = [
            make_paid(customer, seats[:2]),
            make_reservation(customer, seats[2:3]),
            make_paid(customer, make_seats(later, 1)),
        ]
        played = make_paid(customer, make_seats(past, 1), at=NOW - timedelta(days=2))
        out, _err = self.call_off(performance, "--json")
        assert json.loads(out) == {
            "concert": performance.concert.slug,
            "performances": [performance.pk, later.pk],
            "reservations": 3,
            "money": 30_000,
            "ended": 3,
            "left": 0,
            "dry_run": False,
        }
        assert {status_of(claim) for claim in claims} == {"cancelled"}
        assert status_of(played) == "confirmed"
        assert balance_of(customer) == 30_000
        assert StaffAction.objects.count() == 2
        again, _err = self.call_off(performance, "--json")
        assert (json.loads(again)["ended"], StaffAction.objects.count()) == (0, 2)

    def test_one_performance(self, customer, performance, seats):
        other = PerformanceFactory(
            concert=performance.concert, starts_at=performance.starts_at + timedelta(days=1)
        )
        stays = make_paid(customer, make_seats(other, 1))
        out, _err = self.call_off(performance, "--performance", performance.pk)
        assert "1 performances, 0 reservations ended, 0 left" in out
        assert status_of(stays) == "confirmed"
        assert Performance.objects.filter(called_off_at=None).get() == other

    def test_a_dry_run(self, customer, performance, seats):
        make_paid(customer, seats[:1])
        with nothing_written():
            out, _err = self.call_off(performance, "--dry-run")
        assert "1 reservations would be ended, 1 left" in out
        assert not Performance.objects.filter(called_off_at__isnull=False).exists()

    def test_progress_and_a_stop_half_way(self, customer, performance, monkeypatch):
        monkeypatch.setattr(call_off, "RESERVATIONS_PER_LINE", 2)
        for seat in make_seats(performance, 5):
            make_paid(customer, [seat])
        really = call_off.end_called_off

        def stop_after(count, error):
            def end(*args, **kwargs):
                for number, outcome in enumerate(really(*args, **kwargs)):
                    yield outcome
                    if number + 1 == count:
                        raise error

            monkeypatch.setattr(call_off, "end_called_off", end)

        stop_after(2, KeyboardInterrupt())
        out = io.StringIO()
        with pytest.raises(CommandError, match="Run it again") as stopped:
            call_command(
                *("call_off", performance.concert.slug, "--reason", "x", "--no-input"), stdout=out
            )
        assert stopped.value.returncode == 130
        assert "2 reservations ended, 3 left" in out.getvalue()
        stop_after(1, Busy())
        with pytest.raises(CommandError, match="busy"):
            self.call_off(performance)
        monkeypatch.setattr(call_off, "end_called_off", really)
        out, err = self.call_off(performance)
        assert "2 reservations ended, 0 left" in out
        assert "2 of 2 ended" in err
        assert balance_of(customer) == 50_000

    def test_one_that_somebody_has_locked_is_left_and_said(
        self, customer, performance, seats, monkeypatch
    ):
        make_paid(customer, seats[:1])
        monkeypatch.setattr(call_off, "end_called_off", lambda *_args, **_kwargs: iter([0]))
        with pytest.raises(CommandError, match="still being paid"):
            self.call_off(performance)

    @pytest.mark.parametrize("typed", ["", "yes"])
    def test_it_asks_whether_it_is_meant(self, performance, monkeypatch, typed):
        monkeypatch.setattr("builtins.input", lambda _prompt: typed)
        with nothing_written(), pytest.raises(CommandError, match="Nothing was changed"):
            run("call_off", performance.concert.slug, "--reason", "x")
        monkeypatch.setattr("builtins.input", lambda _prompt: performance.concert.slug)
        _out, err = run("call_off", performance.concert.slug, "--reason", "x")
        assert "This cannot be undone" in err
        assert not Performance.objects.filter(called_off_at=None).exists()

    def test_without_a_terminal_nothing_is_meant(self, performance, monkeypatch):
        def end(_prompt):
            raise EOFError

        monkeypatch.setattr("builtins.input", end)
        with nothing_written(), pytest.raises(CommandError, match="Nothing was changed"):
            run("call_off", performance.concert.slug, "--reason", "x")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nothing"], "no concert 'nothing'"),
            (["{slug}", "--performance", "{other}"], "has no performance"),
            (["{slug}", "--performance", "x"], "--performance must be"),
            (["{past}"], "still to come"),
        ],
    )
    def test_what_is_not_there_is_said(self, performance, arguments, message):
        other = PerformanceFactory()
        past = PerformanceFactory(starts_at=NOW - timedelta(days=1))
        names = {
            "slug": performance.concert.slug,
            "other": other.pk,
            "past": past.concert.slug,
        }
        filled = [text.format(**names) for text in arguments]
        with nothing_written(), pytest.raises(CommandError, match=message):
            run("call_off", *filled, "--reason", "x", "--no-input")

    def test_a_blank_reason(self, performance):
        with nothing_written(), pytest.raises(CommandError, match="--reason"):
            run("call_off", performance.concert.slug, "--reason", " ", "--no-input")
