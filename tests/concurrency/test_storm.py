"""Everything in line at once, over real connections, by a clock that runs on: joins, calls, leaving,
letting in and sweeping."""

import random
from contextlib import suppress
from datetime import timedelta
from itertools import count as numbers_from

import pytest
from django.db import connection

from apps.queue import admission, services
from apps.queue.admission import fill_free_places, look_after
from apps.queue.errors import QueueTokenExpired
from apps.queue.models import Dispenser, QueueEntry, Turnstile
from tests.concurrency.racing import race
from tests.concurrency.support import (
    list_numbers,
    list_overtaken,
    look,
    told_positions,
    true_positions,
)
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 8
STEP = timedelta(milliseconds=25)
CAPACITY = 4


@pytest.fixture
def busy_room(room):
    """The room `main`, small, and with little patience."""
    room.capacity = CAPACITY
    room.idle_seconds = 3
    room.session_seconds = 10
    room.save()
    return room


class Storm:
    """Workers who each do one thing after another; after each it is seen how many are inside, and
    whether the numbers have gaps."""

    def __init__(self, room, acts):
        self.room = room
        self.acts = acts
        self.steps = numbers_from()
        self.tokens = []
        self.inside = []
        self.gaps = []
        self.customers = [[UserFactory() for _customer in range(6)] for _worker in range(WORKERS)]

    def blow(self):
        """Run all workers to their end, and raise what one of them did."""
        for result in race(*[lambda n=n: self.work(n) for n in range(WORKERS)]):
            if isinstance(result, BaseException):
                raise result

    def work(self, worker):
        chance = random.Random(worker)
        for _act in range(self.acts):
            act = chance.choice(
                (self.join, self.join, self.poll, self.poll, self.leave, self.look, self.sweep)
            )
            now = NOW + STEP * next(self.steps)
            with suppress(QueueTokenExpired):
                act(worker, chance, now)
            self.sample()

    def join(self, worker, chance, now):
        """Join as one of the worker's own customers, for the first time or again."""
        customer = chance.choice(self.customers[worker])
        issued = services.issue_token(customer_id=customer.pk, room_slug="main", now=now)
        self.tokens.append((customer.pk, issued.token))

    def poll(self, worker, chance, now):
        """Call as anybody."""
        if self.tokens:
            customer_id, token = chance.choice(self.tokens[-20:])
            entry = services.note_call(customer_id=customer_id, token=token, now=now)
            services.poll_line(entry=entry, now=now)

    def leave(self, worker, chance, now):
        """Leave as anybody, waiting or inside."""
        if self.tokens:
            customer_id, token = chance.choice(self.tokens[-20:])
            entry = services.note_call(customer_id=customer_id, token=token, now=now)
            services.leave_line(entry_id=entry.pk, now=now)

    def look(self, worker, chance, now):
        chance.choice((look_after, fill_free_places))(self.room.pk, now=now)

    def sweep(self, worker, chance, now):
        services.expire_queue(now=now)

    def sample(self):
        """See in one statement how many are inside, and how many numbers are missing."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FILTER (WHERE state = 'admitted'),"
                "       coalesce(max(number), 0) - count(*) FROM queue_queueentry"
            )
            inside, gaps = cursor.fetchone()
        self.inside.append(inside)
        self.gaps.append(gaps)


def test_everything_at_once(busy_room):
    storm = Storm(busy_room, acts=80)
    storm.blow()
    assert max(storm.inside) == CAPACITY
    assert set(storm.gaps) == {0}
    assert list_overtaken(busy_room) == []
    # Nothing was quiet: entries have come to an end in every way, both waiting and inside.
    ended = QueueEntry.objects.filter(state="ended")
    assert {"left", "idle", "reissued"} <= set(ended.values_list("end_reason", flat=True))
    assert ended.filter(admitted_turn=None).exists()
    assert ended.exclude(admitted_turn=None).exists()
    last_number = Dispenser.objects.get(room=busy_room).last_number
    assert list_numbers() == list(range(1, last_number + 1))
    # And the next look sees all of it as it is.
    look(busy_room, now=NOW + STEP * next(storm.steps))()
    turnstile = Turnstile.objects.get(room=busy_room)
    assert told_positions(busy_room) == true_positions(busy_room)
    assert turnstile.waiting == len(true_positions(busy_room))
    assert turnstile.admitted == QueueEntry.objects.filter(state="admitted").count()


def test_a_turnstile_that_counts_wrong_is_seen(busy_room, monkeypatch):
    monkeypatch.setattr(admission, "count_free_places", lambda room, **_seen: room.capacity)
    storm = Storm(busy_room, acts=10)
    storm.blow()
    assert max(storm.inside) > CAPACITY


def test_a_turnstile_that_begins_at_the_end_is_seen(busy_room, monkeypatch):
    def lock_tail(room, batch):
        line = QueueEntry.objects.filter(room=room, state=QueueEntry.State.WAITING)
        last = line.order_by("-place").values("pk")[:batch]
        return list(admission.lock_rows(line.select_related("presence").filter(pk__in=last)))

    monkeypatch.setattr(admission, "lock_head", lock_tail)
    storm = Storm(busy_room, acts=30)
    storm.blow()
    assert max(storm.inside) <= CAPACITY
    assert list_overtaken(busy_room) != []
