"""Test data, in one place. Times are given; the defaults are around `NOW`."""

from datetime import UTC, datetime, timedelta

import factory

from apps.accounts.models import User
from apps.concerts.models import Concert, Performance, Seat, Venue
from apps.queue.models import Presence, QueueEntry, WaitingRoom, hash_token

# Services take `now`; tests without a clock of their own live at this moment.
NOW = datetime(2026, 11, 1, 1, 0, tzinfo=UTC)


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"customer{n}@encore.example")
    name = "김하늘"


class VenueFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Venue

    name = factory.Sequence(lambda n: f"올림픽홀 {n}")
    time_zone = "Asia/Seoul"


class ConcertFactory(factory.django.DjangoModelFactory):
    """On sale from a day before `at` to thirty days after."""

    class Meta:
        model = Concert

    class Params:
        at = NOW

    slug = factory.Sequence(lambda n: f"concert-{n}")
    title = "첫눈 콘서트"
    artist = "첫눈"
    venue = factory.SubFactory(VenueFactory)
    sales_open_at = factory.LazyAttribute(lambda o: o.at - timedelta(days=1))
    sales_close_at = factory.LazyAttribute(lambda o: o.at + timedelta(days=30))
    seats_per_customer = 4
    cancel_until_hours = 24
    currency = "KRW"
    published = True


class PerformanceFactory(factory.django.DjangoModelFactory):
    """Forty days after `at`."""

    class Meta:
        model = Performance

    class Params:
        at = NOW

    concert = factory.SubFactory(ConcertFactory, at=factory.SelfAttribute("..at"))
    starts_at = factory.LazyAttribute(lambda o: o.at + timedelta(days=40))


class RoomFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = WaitingRoom
        django_get_or_create = ("slug",)

    slug = "main"
    name = "Encore"
    capacity = 500
    admit_per_minute = 0
    session_seconds = 600
    idle_seconds = 60


class QueueEntryFactory(factory.django.DjangoModelFactory):
    """A waiting entry whose token is its number's text, `token-7`; live ones called last at `at`."""

    class Meta:
        model = QueueEntry
        skip_postgeneration_save = True

    class Params:
        at = NOW
        admitted = factory.Trait(
            state=QueueEntry.State.ADMITTED,
            admitted_at=factory.SelfAttribute("at"),
            admitted_turn=0,
            session_expires_at=factory.LazyAttribute(
                lambda o: o.at + timedelta(seconds=o.room.session_seconds)
            ),
        )

    room = factory.SubFactory(RoomFactory)
    customer = factory.SubFactory(UserFactory)
    number = factory.Sequence(lambda n: n + 1_000_000)
    place = factory.SelfAttribute("number")
    token_hash = factory.LazyAttribute(lambda o: hash_token(f"token-{o.number}"))
    state = QueueEntry.State.WAITING
    joined_at = factory.SelfAttribute("at")

    @factory.post_generation
    def last_seen_at(self, create, extracted):
        if create and self.state in QueueEntry.LIVE_STATES:
            called_at = extracted or self.admitted_at or self.joined_at
            self.presence = Presence.objects.create(entry=self, last_seen_at=called_at)


def make_seats(
    performance: Performance,
    count: int = 4,
    *,
    price: int = 10_000,
    section: str = "A",
    row: str = "1",
) -> list[Seat]:
    """Return `count` neighbouring seats of a row."""
    first = Seat.objects.filter(performance=performance).count() + 1
    return Seat.objects.bulk_create(
        Seat(
            performance=performance,
            section=section,
            row=row,
            number=str(number),
            grade="VIP",
            price=price,
            x=float(number),
            y=float(row) if row.isdigit() else 1.0,
            position=first + number - 1,
        )
        for number in range(1, count + 1)
    )
