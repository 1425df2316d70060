"""What the metrics tell of the waiting rooms."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from apps.queue import services
from apps.queue.models import QueueEntry, Turn, WaitingRoom
from config.metrics import line
from tests.factories import NOW, QueueEntryFactory, RoomFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def _small(room):
    WaitingRoom.objects.filter(pk=room.pk).update(capacity=2)


def join(count):
    for _ in range(count):
        customer = UserFactory()
        services.issue_token(customer_id=customer.pk, room_slug="main", now=NOW)


@pytest.mark.usefixtures("_small")
def test_who_waits_who_is_inside_and_who_came(read, clock_at_now):
    join(5)
    services.admit_queue(now=NOW)
    values = read()
    assert values["encore_queue_waiting", "main"] == 3
    assert values["encore_queue_admitted", "main"] == 2
    assert values["encore_room_capacity", "main"] == 2
    assert values["encore_admissions_total", "main"] == 2
    assert values["encore_joins_total", "main"] == 5


@pytest.mark.usefixtures("_small")
def test_admissions_only_ever_grow_whatever_is_pruned(read, clock_at_now):
    join(3)
    assert read()["encore_admissions_total", "main"] == 2
    # All are silent: the clock puts two out, and nobody of the rest is there to enter.
    clock_at_now.move(days=30)
    services.expire_queue(now=clock_at_now.now)
    before = (clock_at_now.now - timedelta(days=2)).isoformat()
    call_command("prune_history", "--before", before, stdout=StringIO())
    assert not Turn.objects.filter(entered__gt=0).exists()
    assert not QueueEntry.objects.exists()
    values = read()
    assert values["encore_admissions_total", "main"] == 2
    assert values["encore_joins_total", "main"] == 3


def test_the_state_is_one_of_four(read, clock_at_now, room):
    WaitingRoom.objects.filter(pk=room.pk).update(state="draining")
    states = {key[2]: value for key, value in read().items() if key[0] == "encore_room_state"}
    assert states == {"open": 0, "paused": 0, "draining": 1, "closed": 0}


@pytest.mark.parametrize(
    ("state", "opens_in_s", "lets_in"),
    [
        ("open", None, 1),
        ("draining", None, 1),
        ("paused", None, 0),
        ("closed", None, 0),
        ("open", 1, 0),
        ("open", 0, 1),
    ],
)
def test_nobody_is_to_enter_before_the_opening_or_against_staff(
    read, clock_at_now, room, state, opens_in_s, lets_in
):
    opens_at = None if opens_in_s is None else NOW + timedelta(seconds=opens_in_s)
    WaitingRoom.objects.filter(pk=room.pk).update(state=state, opens_at=opens_at)
    assert read()["encore_room_lets_in", "main"] == lets_in


def test_there_is_a_limit_to_rooms_and_the_longest_lines_stay(read, clock_at_now, monkeypatch):
    monkeypatch.setattr(line, "ROOMS_MAX", 1)
    RoomFactory(slug="empty")
    full = RoomFactory(slug="full", capacity=1)
    QueueEntryFactory.create_batch(3, room=full)
    services.admit_queue(now=NOW)
    rooms = {key[1] for key in read() if key[0] == "encore_queue_waiting"}
    assert rooms == {"full"}
