"""Removal takes what a rehearsal made, whole, and not a row that is anybody else's."""

import json
from collections import Counter
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from apps.accounts.models import User
from apps.concerts.models import Concert, Performance, Seat
from apps.core.audit import Actor
from apps.core.errors import Busy
from apps.core.models import IdempotencyKey, StaffAction
from apps.payments.services import pay_reservation
from apps.queue.admission import look_after
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.services import issue_token
from apps.queue.steering import steer_room
from apps.reservations.services import hold_seats, release_hold, reserve_hold
from apps.wallet.services import charge_wallet
from config.rehearsal import removal
from config.rehearsal.making import make_stage
from config.rehearsal.plan import Plan
from config.rehearsal.removal import list_rehearsals, remove_customers, remove_rehearsal
from tests.core.contents import read_contents
from tests.factories import PerformanceFactory, RoomFactory, UserFactory, make_seats
from tests.integrity import buy, look

pytestmark = pytest.mark.django_db

ACTOR = Actor(name="op")
NAME = "rehearsal-test"
AUDIT = "core_staffaction"


def make_plan(**fields):
    wanted = {
        "name": NAME,
        "server": "http://127.0.0.1:1",
        "customers": 8,
        "seats": 45,
        "steps": 1,
        "step_seconds": 1,
        "think_seconds": 90,
        **fields,
    }
    return Plan(**wanted)


def remove(name=NAME):
    return remove_rehearsal(name, actor=ACTOR, note_progress=lambda _done, _total: None)


def count_rows():
    """Return how many rows every table of the database has but the audit log, known to Django or not."""
    with connection.cursor() as cursor:
        tables = [table for table in connection.introspection.table_names(cursor) if table != AUDIT]
        counts = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = cursor.fetchone()[0]
    return counts


def read_all():
    """Return the contents of every table of ours but the audit log."""
    return {table: text for table, text in read_contents().items() if table != AUDIT}


@pytest.fixture
def house(transactional_db, fences):
    """A house with a sale of its own going on: somebody has bought, somebody holds, somebody waits."""
    now = timezone.now()
    RoomFactory(slug="main")
    performance = PerformanceFactory(at=now)
    seats = make_seats(performance, 6)
    buy(seats[:2], now=now)
    waiting = UserFactory()
    issue_token(customer_id=waiting.pk, room_slug="main", now=now)
    charge_wallet(customer_id=waiting.pk, amount=5, now=now)
    IdempotencyKey.objects.create(
        customer_id=waiting.pk, key="k", request_digest=b"", status=200, body="{}", created_at=now
    )
    return seats


def play(stage, *, now):
    """Have the customers of a stage do all that customers do, each something else."""
    steer_room(room_id=stage.room_id, changes={"capacity": 6}, actor=ACTOR, reason="x", now=now)
    players = list(User.objects.filter(rehearsal=stage.name).order_by("pk"))
    performance = Performance.objects.filter(concert=stage.concert_id).first()
    seats = list(Seat.objects.filter(performance=performance).order_by("pk"))
    entries = [
        issue_token(customer_id=player.pk, room_slug=stage.name, now=now).status.entry
        for player in players
    ]
    for at, entry in enumerate(entries[:5]):
        hold = hold_seats(
            entry_id=entry.pk,
            concert_id=stage.concert_id,
            date=performance.date,
            seat_ids=[seats[at * 2].pk, seats[at * 2 + 1].pk],
            now=now,
        )
        IdempotencyKey.objects.create(
            customer_id=entry.customer_id, key="hold", request_digest=b"", status=201,
            path=f"/api/v1/concerts/{stage.concert_id}/dates/{performance.date}/holds",
            body=f'{{"id":{hold.pk},"x":1}}', created_at=now,
        )  # fmt: skip
        if at == 0:
            release_hold(entry_id=entry.pk, hold_id=hold.pk, now=now)
        if at > 1:
            reserve_hold(entry_id=entry.pk, hold_id=hold.pk, now=now)
        if at > 2:
            pay_reservation(entry_id=entry.pk, reservation_id=hold.pk, now=now)
    look_after(stage.room_id, now=now)


@pytest.fixture
def stage(house):
    """What a rehearsal has made and played, beside the house's own sale."""
    stage = make_stage(make_plan(), actor=ACTOR, note_progress=lambda _done, _total: None)
    play(stage, now=timezone.now())
    return stage


def test_nothing_is_left_in_any_table_and_nothing_else_has_changed(house):
    counts, contents = count_rows(), read_all()
    stage = make_stage(make_plan(), actor=ACTOR, note_progress=lambda _done, _total: None)
    play(stage, now=timezone.now())
    made = {table for table, count in count_rows().items() if count > counts[table]}
    # What this test is worth: all tables that a sale writes have rows of the rehearsal.
    assert made >= {
        "accounts_user",
        "concerts_concert",
        "concerts_performance",
        "concerts_seat",
        "concerts_venue",
        "core_idempotencykey",
        "payments_payment",
        "queue_dispenser",
        "queue_presence",
        "queue_queueentry",
        "queue_turn",
        "queue_turnstile",
        "queue_waitingroom",
        "reservations_reservation",
        "reservations_reservationseat",
        "wallet_wallet",
        "wallet_walletentry",
    }
    assert look(now=timezone.now()) == []
    done = remove()
    assert count_rows() == counts
    assert read_all() == contents
    assert (done.count_left(), done.kept) == ({}, [])
    assert look(now=timezone.now()) == []
    assert list_rehearsals() == []


def test_every_table_of_ours_is_counted():
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    assert tables - {AUDIT} <= set(count_rows())


def test_what_was_removed_is_counted_and_recorded(stage):
    rows = Counter(count_rows())
    done = remove()
    assert rows - Counter(count_rows()) == +done.removed
    begun, *_steered, removed = StaffAction.objects.order_by("pk")
    assert (begun.action, removed.action) == ("begin_rehearsal", "remove_rehearsal")
    assert begun.subject == removed.subject == f"concert:{stage.concert_id}"
    assert (removed.actor_name, NAME in removed.reason) == ("op", True)
    assert removed.after["removed"] == dict(done.removed)


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_all_invariants_hold_wherever_it_is_stopped_and_the_next_goes_on(
    stage, monkeypatch, batches
):
    """Stopped after each batch in turn, it leaves a whole database."""
    monkeypatch.setattr(removal, "BATCH", 2)
    done = 0

    def stop(_done, _total):
        nonlocal done
        done += 1
        assert look(now=timezone.now()) == []
        if done == batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove_rehearsal(NAME, actor=ACTOR, note_progress=stop)
    assert User.objects.filter(rehearsal=NAME).count() == 8 - 2 * batches
    assert list_rehearsals() == [NAME]
    assert remove().count_left() == {}


def test_stopped_among_the_seats_it_goes_on(stage, monkeypatch):
    def fail(*_arguments, **_options):
        raise Busy

    monkeypatch.setattr(removal, "RETRY_S", 0)
    with monkeypatch.context() as broken:
        broken.setattr(removal, "remove_rest", fail)
        with pytest.raises(Busy):
            remove()
    assert Concert.objects.filter(rehearsal=NAME).exists()
    assert look(now=timezone.now()) == []
    assert remove().count_left() == {}


def test_who_was_in_the_line_of_the_room_is_out(stage):
    fan = UserFactory()
    QueueEntry.objects.filter(room=stage.room_id, state="waiting").delete()
    WaitingRoom.objects.filter(pk=stage.room_id).update(capacity=100)
    issue_token(customer_id=fan.pk, room_slug=NAME, now=timezone.now())
    assert remove().count_left() == {}
    assert User.objects.filter(pk=fan.pk).exists()


def test_what_a_customer_of_the_house_bought_there_stays(stage):
    now = timezone.now()
    WaitingRoom.objects.filter(pk=stage.room_id).update(capacity=100)
    performance = Performance.objects.filter(concert=stage.concert_id).last()
    fan = UserFactory()
    charge_wallet(customer_id=fan.pk, amount=1_000, now=now)
    entry = issue_token(customer_id=fan.pk, room_slug=NAME, now=now).status.entry
    held = hold_seats(
        entry_id=entry.pk,
        concert_id=stage.concert_id,
        date=performance.date,
        seat_ids=[performance.seats.order_by("-pk").first().pk],
        now=now,
    )
    reserve_hold(entry_id=entry.pk, hold_id=held.pk, now=now)
    pay_reservation(entry_id=entry.pk, reservation_id=held.pk, now=now)
    done = remove()
    assert done.kept == [f"reservation {held.pk} of customer {fan.pk}, confirmed"]
    assert not User.objects.filter(rehearsal=NAME).exists()
    assert not Concert.objects.get(pk=stage.concert_id).published
    assert look(now=timezone.now()) == []
    with pytest.raises(CommandError, match="Something is left"):
        call_command("rehearse_onsale", "--clean", stdout=StringIO(), stderr=StringIO())


class TestNegativeControls:
    def test_customers_of_the_house_are_refused_by_the_ledger(self, stage):
        fans = list(User.objects.filter(rehearsal=None).values_list("pk", flat=True))
        before = read_all()
        with pytest.raises(Exception, match="never changed or deleted"):
            remove_customers(fans)
        assert read_all() == before

    def test_one_of_them_among_players_saves_all_of_them(self, stage):
        players = list(User.objects.exclude(rehearsal=None).values_list("pk", flat=True))
        fan = User.objects.filter(rehearsal=None).first()
        charge_wallet(customer_id=fan.pk, amount=1, now=timezone.now())
        before = read_all()
        with pytest.raises(Exception, match="never changed or deleted"):
            remove_customers([*players, fan.pk])
        assert read_all() == before

    def test_another_rehearsal_stays(self, stage):
        other = make_stage(
            make_plan(name="other"), actor=ACTOR, note_progress=lambda _done, _total: None
        )
        remove()
        assert list_rehearsals() == ["other"]
        assert User.objects.filter(rehearsal="other").count() == len(other.tickets)
        assert remove("other").count_left() == {}

    def test_a_concert_that_only_looks_like_one_stays(self, stage):
        Concert.objects.filter(pk=stage.concert_id).update(rehearsal=None)
        before = Concert.objects.count()
        remove()
        assert Concert.objects.count() == before


def test_clean_removes_what_a_killed_rehearsal_left(stage):
    out = StringIO()
    call_command("rehearse_onsale", "--clean", "--json", stdout=out, stderr=StringIO())
    found = json.loads(out.getvalue())["rehearsals"]
    assert list(found) == [NAME]
    assert found[NAME]["left"] == {}
    assert found[NAME]["removed"]["accounts_user"] == 8
    out = StringIO()
    call_command("rehearse_onsale", "--clean", stdout=out, stderr=StringIO())
    assert out.getvalue() == "nothing was left\n"
