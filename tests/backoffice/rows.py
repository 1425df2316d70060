"""A row of every model that the admin shows."""

from datetime import datetime

from django.contrib.auth.models import Group
from django.db.models import Model
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from apps.concerts.models import ConcertPrice, Seat, SeatingPlan
from apps.core.audit import Actor, record_action
from apps.core.models import IntegrityFinding
from apps.payments.models import Payment
from apps.wallet.models import Wallet, WalletEntry
from config.schedules import ensure_schedules
from tests.factories import NOW, PerformanceFactory, QueueEntryFactory, UserFactory, make_seats
from tests.reservations.support import make_paid


def make_rows(*, at: datetime = NOW) -> dict[str, Model]:
    """Return a row of each model by its label; they belong together as far as they can."""
    ensure_schedules()
    performance = PerformanceFactory(at=at)
    seats: list[Seat] = make_seats(performance, 4)
    concert = performance.concert
    customer = UserFactory()
    entry = QueueEntryFactory(customer=customer, at=at)
    reservation = make_paid(customer, seats[:2], at=at)
    action = record_action(
        actor=Actor(name="clerk@encore.example"),
        action="refund_payment",
        subject=reservation,
        reason="broken seat",
        before={},
        after={},
        now=at,
    )
    finding = IntegrityFinding.objects.create(
        invariant=1, subject="seat:1", detail="sold twice", found_at=at, seen_at=at, gone_at=at
    )
    rows = [
        customer,
        Group.objects.get_or_create(name="Box office")[0],
        concert,
        ConcertPrice.objects.create(concert=concert, grade="VIP", price=154_000),
        performance,
        seats[0],
        SeatingPlan.objects.create(venue=concert.venue, name="1층"),
        concert.venue,
        entry.room,
        entry,
        reservation,
        Payment.objects.get(reservation=reservation),
        Wallet.objects.get(customer=customer),
        WalletEntry.objects.filter(wallet__customer=customer).latest("pk"),
        action,
        finding,
        PeriodicTask.objects.get(name="admit-queue"),
        IntervalSchedule.objects.get(every=60),
        CrontabSchedule.objects.create(minute="0", hour="4"),
    ]
    return {row._meta.label_lower: row for row in rows}
