"""What the races in line share: acts, lines of a known order, and what must be true of them."""

from itertools import combinations

from django.db import connection

from apps.queue import services
from apps.queue.admission import count_room, fill_free_places, look_after
from apps.queue.joining import take_place
from apps.queue.models import Dispenser, QueueEntry
from apps.queue.selectors import get_entry
from tests.factories import NOW, QueueEntryFactory

# Acts: what a racer runs.


def join(customer, *, now=NOW):
    """Ask for a token: take a place, and go in where there is a free place."""
    return lambda: services.issue_token(customer_id=customer.pk, room_slug="main", now=now)


def take(customer, *, now=NOW):
    """Take a place alone, the first transaction of `join`; the token is the customer's e-mail."""
    return lambda: take_place(
        customer_id=customer.pk, room_slug="main", token=customer.email, now=now
    )


def leave(entry, *, now=NOW):
    return lambda: services.leave_line(entry_id=entry.pk, now=now)


def poll(entry, *, now=NOW):
    return lambda: services.poll_line(entry=get_entry(entry.pk), now=now)


def look(room, *, now=NOW):
    return lambda: look_after(room.pk, now=now)


def fill(room, *, now=NOW):
    return lambda: fill_free_places(room.pk, now=now)


def count(room):
    return lambda: count_room(room.pk, now=NOW)


def admit():
    """What beat runs to let in."""
    return services.admit_queue(now=NOW)


def sweep():
    """What beat runs to write down the ends."""
    return services.expire_queue(now=NOW)


# Lines


def make_line(room, *numbers, **fields):
    """Return waiting entries with these numbers, which the dispenser has given out."""
    entries = [QueueEntryFactory(room=room, number=number, **fields) for number in numbers]
    Dispenser.objects.filter(room=room).update(last_number=max(numbers))
    return entries


def now_of(entry):
    return QueueEntry.objects.get(pk=entry.pk)


def states(entries):
    return [now_of(entry).state for entry in entries]


def live_of(customer):
    return QueueEntry.objects.filter(customer=customer, state__in=QueueEntry.LIVE_STATES)


def count_inside():
    return QueueEntry.objects.filter(state="admitted").count()


def list_numbers():
    """Return the numbers that everybody sees, in order."""
    return list(QueueEntry.objects.order_by("number").values_list("number", flat=True))


def true_positions(room):
    """Return how many wait ahead of each who waits, counted one by one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, row_number() OVER (ORDER BY place) - 1 FROM queue_queueentry"
            " WHERE room_id = %s AND state = 'waiting'",
            [room.pk],
        )
        return dict(cursor.fetchall())


def told_positions(room):
    """Return how many wait ahead of each who waits, as a poll would be told."""
    return {entry_id: get_entry(entry_id).ahead for entry_id in true_positions(room)}


def list_overtaken(room):
    """Return the places (overtaken, overtaker) of those who were still in line when somebody behind
    them entered."""
    line = QueueEntry.objects.filter(room=room).order_by("place")
    return [
        (ahead.place, behind.place)
        for ahead, behind in combinations(line, 2)
        if behind.admitted_turn is not None
        and not (ahead.admitted_turn is not None and ahead.admitted_turn <= behind.admitted_turn)
        and not (ahead.ended_turn is not None and ahead.ended_turn < behind.admitted_turn)
    ]
