"""Races in line: one live place for each customer and room, and never more inside than it holds."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from apps.queue import services, transitions
from apps.queue.models import QueueEntry, WaitingRoom
from tests.concurrency.racing import overlap, race, take_locks_away, without_unique_indexes
from tests.factories import NOW, QueueEntryFactory, UserFactory
from tests.reservations.support import make_inside

pytestmark = pytest.mark.django_db(transaction=True)

ENTRIES = "queue_queueentry"


@pytest.fixture
def small_room(room):
    """The room `main` with one place inside."""
    room.capacity = 1
    room.save()
    return room


def join(customer):
    return lambda: services.issue_token(customer_id=customer.pk, room_slug="main", now=NOW)


def leave(entry):
    return lambda: services.leave_line(entry_id=entry.pk, now=NOW)


def admit():
    return services.admit_queue(now=NOW)


def make_line(room, count):
    """Return `count` waiting entries, the first in line first."""
    entries = [QueueEntryFactory(room=room, number=number + 1) for number in range(count)]
    WaitingRoom.objects.filter(pk=room.pk).update(last_number=count)
    return entries


def states(entries):
    found = QueueEntry.objects.in_bulk([entry.pk for entry in entries])
    return [found[entry.pk].state for entry in entries]


def live_of(customer):
    return QueueEntry.objects.filter(customer=customer, state__in=QueueEntry.LIVE_STATES)


def count_inside():
    return QueueEntry.objects.filter(state="admitted").count()


# Join and join


def test_two_joins_of_one_customer_leave_one_place(room, customer):
    result = overlap(join(customer), join(customer))
    assert result.waited
    assert (result.first.status.entry.number, result.second.status.entry.number) == (1, 2)
    ended, live = QueueEntry.objects.order_by("number")
    assert (ended.end_reason, live.state) == ("reissued", "admitted")


def test_two_joins_of_one_customer_without_fences_leave_two(room, customer, monkeypatch):
    take_locks_away(monkeypatch, services)
    with without_unique_indexes(ENTRIES):
        result = overlap(join(customer), join(customer))
        assert result.first.status.entry.number == result.second.status.entry.number
        assert live_of(customer).count() == 2


def test_many_joins_of_one_customer(room, customer):
    tokens = {issued.token for issued in race(*[join(customer)] * 10)}
    assert len(tokens) == 10
    assert live_of(customer).get().number == 10
    reasons = QueueEntry.objects.filter(state="ended").values_list("end_reason", flat=True)
    assert list(reasons) == ["reissued"] * 9


def test_many_customers_join_in_one_order(small_room):
    customers = [UserFactory() for _customer in range(12)]
    race(*[join(customer) for customer in customers])
    entries = QueueEntry.objects.order_by("pk")
    assert [entry.number for entry in entries] == list(range(1, 13))
    assert [entry.state for entry in entries] == ["admitted"] + ["waiting"] * 11


# Two admitters


def test_two_admitters_let_in_no_more_than_fit(small_room):
    waiting = make_line(small_room, 3)
    result = overlap(admit, admit)
    assert result == (1, 0, False)  # the second leaves it to the first
    assert states(waiting) == ["admitted", "waiting", "waiting"]


def test_two_admitters_without_the_lock_on_the_room_let_in_too_many(small_room, monkeypatch):
    make_line(small_room, 3)
    take_locks_away(monkeypatch, services)
    result = overlap(admit, admit)
    assert (result.first, result.second, count_inside()) == (1, 1, 2)  # one place


def test_many_admitters_and_joins_at_once(room):
    room.capacity = 5
    room.save()
    make_line(room, 4)
    joins = [join(UserFactory()) for _customer in range(6)]
    race(*joins, *[admit] * 4)
    inside = QueueEntry.objects.filter(state="admitted").order_by("pk")
    assert [entry.number for entry in inside] == [1, 2, 3, 4, 5]
    assert QueueEntry.objects.filter(state="waiting").count() == 5


def test_the_rate_holds_for_two_admitters(room):
    room.admit_per_minute = 2
    room.save()
    waiting = make_line(room, 4)
    assert sum(race(admit, admit, admit)) == 2
    assert states(waiting) == ["admitted", "admitted", "waiting", "waiting"]


# Leave and admit


def test_leaving_and_then_admission(small_room):
    waiting = make_line(small_room, 2)
    result = overlap(leave(waiting[0]), admit)
    assert (result.waited, result.second) == (True, 1)
    assert states(waiting) == ["ended", "admitted"]


def test_leaving_and_then_admission_without_a_lock(small_room, monkeypatch):
    waiting = make_line(small_room, 2)
    take_locks_away(monkeypatch, transitions)
    result = overlap(leave(waiting[0]), admit)
    assert isinstance(result.second, IntegrityError)  # it would let in who has left
    assert states(waiting) == ["ended", "waiting"]


def test_admission_and_then_leaving(small_room):
    waiting = make_line(small_room, 2)
    result = overlap(admit, leave(waiting[0]))
    assert (result.first, result.waited, result.second) == (1, True, None)
    left = QueueEntry.objects.get(pk=waiting[0].pk)
    assert (left.state, left.end_reason, left.admitted_at) == ("ended", "left", NOW)
    assert admit() == 1
    assert states(waiting) == ["ended", "admitted"]


# Asking again and admission


def test_asking_again_and_then_admission(small_room):
    waiting = make_line(small_room, 3)
    result = overlap(join(waiting[0].customer), admit)
    assert (result.second, result.waited) == (0, False)
    assert states(waiting) == ["ended", "admitted", "waiting"]
    assert (result.first.status.entry.state, result.first.status.position) == ("waiting", 2)


def test_asking_again_and_then_admission_without_the_lock_on_the_room(small_room, monkeypatch):
    make_line(small_room, 3)
    again = QueueEntry.objects.order_by("pk")[0].customer
    take_locks_away(monkeypatch, services)
    overlap(join(again), admit)
    assert count_inside() == 2  # one place


def test_admission_and_then_asking_again(small_room):
    waiting = make_line(small_room, 3)
    result = overlap(admit, join(waiting[0].customer))
    assert (result.first, result.waited) == (1, True)
    assert states(waiting) == ["ended", "admitted", "waiting"]
    assert live_of(waiting[0].customer).get().state == "waiting"
    assert count_inside() == 1


# Calling and admission


LIMIT = NOW + timedelta(seconds=60)


def call_while_the_next_is_let_in(room, monkeypatch):
    """Let somebody inside call just before the idle limit; while the call is on its way the next
    enters, just after the limit. Return how many are inside then."""
    room.idle_seconds = 60
    room.save()
    quiet = make_inside(room=room)
    QueueEntryFactory(room=room, last_seen_at=LIMIT)

    def find_and_be_overtaken(token, really=services.find_entry):
        entry = really(token)
        assert services.admit_queue(now=LIMIT) == 1
        return entry

    monkeypatch.setattr(services, "find_entry", find_and_be_overtaken)
    just_before = LIMIT - timedelta(microseconds=1)
    token = f"token-{quiet.number}"
    services.note_call(customer_id=quiet.customer_id, token=token, now=just_before)
    return QueueEntry.objects.admitted(room, LIMIT).count()


def test_a_call_on_its_way_does_not_bring_back_who_was_counted_out(small_room, monkeypatch):
    assert call_while_the_next_is_let_in(small_room, monkeypatch) == 1


def test_a_call_on_its_way_brings_back_who_is_not_written_out(small_room, monkeypatch):
    def count_by_clock_alone(room, *, now):
        return room.capacity - QueueEntry.objects.admitted(room, now).count()

    monkeypatch.setattr(transitions, "count_free_places", count_by_clock_alone)
    assert call_while_the_next_is_let_in(small_room, monkeypatch) == 2  # one place
