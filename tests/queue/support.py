"""Lines of people, as so many joins would have left them, and what a call of theirs asks of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.queue import services
from apps.queue.models import Dispenser, Presence, QueueEntry, Turnstile, WaitingRoom, hash_token
from apps.queue.selectors import get_entry
from tests.factories import NOW, QueueEntryFactory, UserFactory


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def stand_in_line(room: WaitingRoom, count: int, *, seen: datetime = NOW) -> list[QueueEntry]:
    """Return `count` new people at the end of the line, who joined and last called at `seen`.

    The token of each is `token-<number>`, as of `QueueEntryFactory`, but for other rooms than `main`.
    """
    dispenser = Dispenser.objects.get(room=room)
    prefix = "token" if room.slug == "main" else room.slug
    users = User.objects.bulk_create(UserFactory.build_batch(count))
    entries = QueueEntry.objects.bulk_create(
        QueueEntryFactory.build(
            room=room,
            customer=user,
            number=number,
            token_hash=hash_token(f"{prefix}-{number}"),
            at=seen,
        )
        for number, user in enumerate(users, start=dispenser.last_number + 1)
    )
    Presence.objects.bulk_create(Presence(entry=entry, last_seen_at=seen) for entry in entries)
    dispenser.last_number += count
    dispenser.save()
    return entries


def close_doors(room: WaitingRoom) -> None:
    """Let nobody in, so that a line stays as it is."""
    WaitingRoom.objects.filter(pk=room.pk).update(state=WaitingRoom.State.PAUSED)


def keep_calling(*entries: QueueEntry, now: datetime) -> None:
    """Write down that these called at `now`."""
    Presence.objects.filter(pk__in=[entry.pk for entry in entries]).update(last_seen_at=now)


def poll(entry: QueueEntry, now: datetime = NOW) -> services.LineStatus:
    """Ask where an entry stands, without noting that its customer called."""
    return services.poll_line(entry=get_entry(entry.pk), now=now)


def turnstile_of(room: WaitingRoom) -> Turnstile:
    return Turnstile.objects.get(room=room)


def states(*entries: QueueEntry) -> list[str]:
    by_id = dict(QueueEntry.objects.values_list("pk", "state"))
    return [by_id[entry.pk] for entry in entries]


@contextmanager
def count_statements() -> Iterator[list[str]]:
    """Collect the statements of the block, without those that only open and close transactions."""
    statements: list[str] = []

    with CaptureQueriesContext(connection) as logged:
        yield statements
    around = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")
    statements += [query["sql"] for query in logged if not query["sql"].startswith(around)]
