"""The guard: what it writes down, what it stops, and how staff let it go on."""

import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.urls import reverse

from apps.concerts.models import Concert
from apps.concerts.services import resume_sale, stop_sales
from apps.core.audit import Actor
from apps.core.db import snapshot, try_name
from apps.core.models import Heartbeat, IntegrityFinding, StaffAction
from config import guard, tasks
from tests.concurrency.racing import race
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.integrity import buy, run_sql
from tests.reservations.support import (
    assert_refused,
    make_hold,
    make_reservation,
    nothing_written,
    post_cancel,
    post_hold,
    post_payment,
    post_reservation,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room", "fences")]

LATER = NOW + timedelta(minutes=1)


def run(now=NOW):
    return guard.guard_integrity(now=now)


def spoil(reservation):
    run_sql(f"UPDATE reservations_reservation SET total = total + 1 WHERE id = {reservation.pk}")


def mend(reservation):
    run_sql(f"UPDATE reservations_reservation SET total = total - 1 WHERE id = {reservation.pk}")


def resume(concert):
    resume_sale(concert_id=concert.pk, actor=Actor(name="op"), reason="looked at", now=LATER)


def open_findings():
    rows = IntegrityFinding.objects.filter(gone_at=None).order_by("pk")
    return list(rows.values_list("invariant", "subject", "concert_id"))


def stopped():
    return list(Concert.objects.exclude(sale_stopped_at=None).values_list("pk", flat=True))


@pytest.fixture
def held(seats):
    return make_hold(UserFactory(), seats[:1])


@pytest.fixture
def elsewhere():
    return make_hold(UserFactory(), make_seats(PerformanceFactory(), 1))


@pytest.fixture
def concert(performance):
    """A concert whose sale is stopped."""
    stop_sales(reasons={performance.concert_id: "a seat is sold twice"}, now=NOW)
    return performance.concert


class TestWatching:
    def test_a_whole_database_stops_nothing(self, held, caplog):
        assert run() == 0
        assert (open_findings(), stopped()) == ([], [])
        assert Heartbeat.objects.get(name="guard_integrity").beat_at == NOW
        assert not caplog.records

    def test_what_is_broken_is_written_down_logged_and_stopped(self, held, elsewhere, caplog):
        spoil(held)
        assert run() == 1
        concert = held.performance.concert
        assert open_findings() == [(1, f"reservation:{held.pk}", concert.pk)]
        assert stopped() == [concert.pk]
        told = [record for record in caplog.records if record.name == "config.guard"]
        assert {record.levelno for record in told} == {logging.ERROR}
        assert [record.getMessage() for record in told] == [
            f"invariant 1 is broken: reservation:{held.pk} costs 10001, but its seats 10000",
            f"the sale of {concert.slug} is stopped: invariant 1 is broken: reservation:{held.pk}",
        ]

    def test_what_stays_broken_is_told_once_and_stops_no_second_time(self, held, caplog):
        spoil(held)
        run()
        resume(held.performance.concert)
        caplog.clear()
        assert run(LATER) == 0
        assert stopped() == []
        assert not caplog.records
        finding = IntegrityFinding.objects.get()
        assert (finding.found_at, finding.seen_at) == (NOW, LATER)

    def test_something_new_in_the_concert_stops_it_again(self, held, seats):
        spoil(held)
        run()
        resume(held.performance.concert)
        spoil(make_hold(UserFactory(), seats[1:2]))
        assert run(LATER) == 1
        assert stopped() == [held.performance.concert_id]

    def test_something_new_elsewhere_does_not(self, held, elsewhere):
        spoil(held)
        run()
        resume(held.performance.concert)
        spoil(elsewhere)
        run(LATER)
        assert stopped() == [elsewhere.performance.concert_id]

    def test_what_is_whole_again_is_gone_and_the_sale_stays_stopped(self, held):
        spoil(held)
        run()
        mend(held)
        assert run(LATER) == 0
        assert IntegrityFinding.objects.get().gone_at == LATER
        assert stopped() == [held.performance.concert_id]

    def test_what_concerns_no_concert_stops_none(self, held):
        run_sql("ALTER TABLE wallet_wallet DISABLE TRIGGER wallet_balance_guarded")
        assert run() == 1
        assert stopped() == []
        assert open_findings() == [(2, "trigger:wallet_balance_guarded", None)]

    def test_more_than_are_named_are_not_taken_for_whole(self, held, elsewhere, monkeypatch):
        spoil(held)
        spoil(elsewhere)
        run()
        monkeypatch.setattr(guard, "NAMED_MAX", 1)
        run(LATER)
        assert len(open_findings()) == 2

    def test_the_task_logs_an_error_and_leaves_no_heartbeat(
        self, clock_at_now, monkeypatch, caplog
    ):
        def fail(*_given, **_options):
            raise ZeroDivisionError

        monkeypatch.setattr(guard, "check_invariants", fail)
        with pytest.raises(ZeroDivisionError):
            tasks.guard_integrity()
        assert "the guard failed" in caplog.text
        assert not Heartbeat.objects.beaten().exists()
        assert Heartbeat.objects.get(name=guard.NAME).failures == 1

    def test_the_task_watches(self, clock_at_now, held):
        spoil(held)
        assert tasks.guard_integrity() == 1


@pytest.mark.django_db(transaction=True)
class TestTwoGuards:
    def test_the_second_leaves_it_to_the_first(self, held):
        spoil(held)
        with snapshot():
            assert try_name(guard.NAME)
            assert race(run) == [None]
            assert not IntegrityFinding.objects.exists()
        assert run() == 1

    def test_two_that_saw_the_same_write_it_once(self, held):
        """Both have looked before either writes."""
        spoil(held)
        with snapshot() as cursor:
            results = guard.check_invariants(cursor, now=NOW, limit=10)

        def write():
            with guard.transaction():
                guard.lock_name(f"{guard.NAME}: findings")
                return len(guard.write_down(results, now=NOW))

        assert sorted(race(write, write)) == [0, 1]
        assert len(open_findings()) == 1


class TestStopped:
    def test_nothing_is_held(self, buyer, seats, concert):
        with nothing_written():
            assert_refused(post_hold(buyer, seats[:1]), 409, "sale_stopped")

    def test_nothing_is_reserved(self, buyer, customer, seats, concert):
        hold_id = make_hold(customer, seats[:1]).pk
        with nothing_written():
            assert_refused(post_reservation(buyer, hold_id), 409, "sale_stopped")

    def test_nothing_is_paid(self, buyer, customer, seats, concert):
        reservation = make_reservation(customer, seats[:1])
        with nothing_written():
            assert_refused(post_payment(buyer, reservation.pk), 409, "sale_stopped")

    def test_cancelling_goes_on(self, buyer, customer, seats, concert):
        reservation = make_reservation(customer, seats[:1])
        assert post_cancel(buyer, reservation.pk).status_code == 200

    def test_a_repetition_gets_its_first_answer(self, buyer, seats, performance):
        first = post_hold(buyer, seats[:1], HTTP_IDEMPOTENCY_KEY="a")
        assert first.status_code == 201
        stop_sales(reasons={performance.concert_id: "a seat is sold twice"}, now=NOW)
        again = post_hold(buyer, seats[:1], HTTP_IDEMPOTENCY_KEY="a")
        assert (again.status_code, again.json()) == (201, first.json())

    def test_other_concerts_go_on(self, buyer, concert):
        others = make_seats(PerformanceFactory(), 1)
        assert post_hold(buyer, others).status_code == 201

    def test_it_goes_on_when_staff_say_so(self, buyer, seats, concert):
        resume(concert)
        assert post_hold(buyer, seats[:1]).status_code == 201


@pytest.mark.usefixtures("clock_at_now")
class TestCommand:
    def call(self, *options):
        out = StringIO()
        call_command("resume_sale", *options, stdout=out)
        return out.getvalue()

    def test_it_lets_the_sale_go_on(self, concert):
        out = self.call(concert.slug, "--reason", "refunded")
        assert out == f"{concert.slug}: the sale goes on; it was stopped: a seat is sold twice\n"
        assert stopped() == []
        assert StaffAction.objects.get().actor_name.startswith("terminal: ")

    def test_by_a_member_of_staff(self, concert):
        staff = UserFactory(is_staff=True)
        self.call(concert.slug, "--reason", "refunded", "--by", staff.email, "--json")
        assert StaffAction.objects.get().actor == staff

    def test_a_dry_run_changes_nothing(self, concert):
        assert "would go on" in self.call(concert.slug, "--reason", "refunded", "--dry-run")
        assert stopped() == [concert.pk]

    @pytest.mark.parametrize(
        ("slug", "reason", "message"),
        [
            ("nothing", "why", "There is no concert 'nothing'"),
            (None, " ", "Nothing was changed"),
        ],
    )
    def test_what_cannot_be_is_said(self, concert, slug, reason, message):
        with pytest.raises(CommandError, match=message):
            self.call(slug or concert.slug, "--reason", reason)
        assert stopped() == [concert.pk]

    def test_one_that_is_not_stopped(self, performance):
        with pytest.raises(CommandError, match="Nothing was changed"):
            self.call(performance.concert.slug, "--reason", "why")
        assert not StaffAction.objects.exists()


class TestAdmin:
    def url(self, page, concert):
        return reverse(f"admin:concerts_concert_{page}", args=[concert.pk])

    def test_the_page_of_a_stopped_concert_leads_to_a_form(self, admin_client, concert):
        page = admin_client.get(self.url("change", concert)).content.decode()
        assert self.url("resume_sale", concert) in page
        assert "a seat is sold twice" in page
        form = admin_client.get(self.url("resume_sale", concert))
        assert form.status_code == 200
        assert "<textarea" in form.content.decode()

    def test_one_that_goes_on_has_no_button(self, admin_client, performance):
        page = admin_client.get(self.url("change", performance.concert)).content.decode()
        assert "resume-sale" not in page

    def test_staff_let_it_go_on(self, admin_client, admin_user, concert):
        answer = admin_client.post(self.url("resume_sale", concert), {"reason": "refunded"})
        assert (answer.status_code, answer["Location"]) == (302, self.url("change", concert))
        assert stopped() == []
        action = StaffAction.objects.get()
        assert (action.actor, action.reason) == (admin_user, "refunded")

    def test_without_a_reason_it_stays(self, admin_client, concert):
        answer = admin_client.post(self.url("resume_sale", concert), {"reason": " "})
        assert answer.status_code == 200
        assert answer.context["form"].errors
        assert stopped() == [concert.pk]
        assert not StaffAction.objects.exists()

    def test_one_that_goes_on_already_is_said(self, admin_client, performance):
        url = self.url("resume_sale", performance.concert)
        answer = admin_client.post(url, {"reason": "x"}, follow=True)
        assert [message.level_tag for message in answer.context["messages"]] == ["error"]
        assert not StaffAction.objects.exists()

    def test_it_takes_the_permission(self, client, concert):
        client.force_login(UserFactory(is_staff=True))
        answer = client.post(self.url("resume_sale", concert), {"reason": "x"})
        assert answer.status_code == 403
        assert stopped() == [concert.pk]

    def test_an_unknown_concert(self, admin_client, concert):
        url = reverse("admin:concerts_concert_resume_sale", args=[concert.pk + 1])
        assert admin_client.get(url).status_code == 404

    @pytest.mark.parametrize("model", ["integrityfinding", "staffaction"])
    def test_what_was_found_and_done_is_only_looked_at(self, admin_client, held, concert, model):
        spoil(held)
        run()
        resume(concert)
        url = reverse(f"admin:core_{model}_changelist")
        assert admin_client.get(url).status_code == 200
        assert admin_client.get(f"{url}add/").status_code == 403
        row = (IntegrityFinding if model == "integrityfinding" else StaffAction).objects.get()
        page = reverse(f"admin:core_{model}_change", args=[row.pk])
        assert admin_client.get(page).status_code == 200
        assert admin_client.post(page, {"reason": "x"}).status_code == 403


class TestFrontPage:
    def figures(self, client):
        cache.clear()
        return client.get(reverse("admin:index")).context["figures"]

    def test_it_says_that_the_guard_never_ran(self, admin_client):
        assert self.figures(admin_client)["guard"] == {
            "ran_at": None,
            "broken": 0,
            "url": reverse("admin:core_integrityfinding_changelist") + "?gone_at__isempty=1",
            "findings": [],
            "stopped": [],
        }

    def test_it_shows_what_is_broken_and_whose_sale_is_stopped(self, admin_client, held):
        spoil(held)
        run()
        shown = self.figures(admin_client)["guard"]
        assert (shown["ran_at"], shown["broken"]) == (NOW.isoformat(), 1)
        (finding,) = shown["findings"]
        assert (finding["invariant"], finding["subject"]) == (1, f"reservation:{held.pk}")
        assert finding["detail"] == "costs 10001, but its seats 10000"
        assert admin_client.get(finding["url"]).status_code == 200
        (stopped,) = shown["stopped"]
        concert = held.performance.concert
        assert (stopped["id"], stopped["at"]) == (concert.pk, NOW.isoformat())
        assert stopped["reason"] == f"invariant 1 is broken: reservation:{held.pk}"
        assert stopped["url"] == reverse("admin:concerts_concert_change", args=[concert.pk])

    def test_the_list_behind_the_link_has_what_is_broken(self, admin_client, held, elsewhere):
        spoil(held)
        spoil(elsewhere)
        run()
        mend(elsewhere)
        run(LATER)
        shown = self.figures(admin_client)["guard"]
        listed = admin_client.get(shown["url"]).context["cl"].result_list
        assert [row.subject for row in listed] == [f"reservation:{held.pk}"]

    def test_it_shows_it_to_who_may_see_it(self, client):
        staff = UserFactory(is_staff=True)
        staff.user_permissions.add(Permission.objects.get(codename="view_concert"))
        client.force_login(staff)
        assert "guard" not in self.figures(client)
        assert 'id="guard"' not in client.get(reverse("admin:index")).content.decode()


def test_an_honest_purchase_is_whole(seats):
    buy(seats[:2])
    assert run() == 0
    assert open_findings() == []
