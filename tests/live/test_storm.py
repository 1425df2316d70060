"""An on-sale of fifty seats through HTTP: every seat is sold, once, and nothing is refused but seats."""

import os
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connection, connections
from django.db.models import F, Sum
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from apps.concerts.models import Seat
from apps.payments.models import Payment
from apps.queue.models import QueueEntry
from apps.queue.services import admit_queue, expire_queue
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.services import expire_holds
from apps.wallet.models import Wallet, WalletEntry
from tests.factories import PerformanceFactory, RoomFactory, UserFactory, make_seats
from tests.live.storm import Crowd

# `make storm` sends a thousand and prints what they saw.
FULL = os.environ.get("ENCORE_TEST_LONG") == "1"
CUSTOMERS, CAPACITY, PATIENCE_S = (1_000, 100, 1_500) if FULL else (100, 20, 240)
SEATS = 50
# Long enough for a slow machine, and for those who walk away not to end it.
HOLD_SECONDS = 60 if FULL else 12
# What beat does, as often as it does.
SWEEP_S = 1.0


@pytest.fixture
def server_environment():
    return {"HOLD_SECONDS": str(HOLD_SECONDS)}


@pytest.fixture
def performance(transactional_db):
    room = RoomFactory()
    # Nobody is put out here: who is late is on a slow machine.
    room.capacity, room.idle_seconds, room.session_seconds = CAPACITY, 600, 3_600
    room.save()
    performance = PerformanceFactory(at=timezone.now())
    for row in range(1, 6):
        make_seats(performance, SEATS // 5, row=str(row))
    performance.refresh_from_db()
    return performance


class Beat(threading.Thread):
    """Sweeps as beat does while the block runs, and sees how many are inside."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.inside = []
        self.errors = []

    def run(self):
        try:
            while not self.over.wait(SWEEP_S / 4):
                now = timezone.now()
                self.inside.append(QueueEntry.objects.filter(state="admitted").count())
                for sweep in (admit_queue, expire_queue, expire_holds):
                    sweep(now=now)
        except Exception as error:
            self.errors.append(error)
        finally:
            connections.close_all()


@contextmanager
def beating():
    beat = Beat()
    beat.start()
    try:
        yield beat
    finally:
        beat.over.set()
        beat.join()


def count_deadlocks():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def assert_every_seat_is_sold_once():
    claims = ReservationSeat.objects.filter(released_at=None)
    assert claims.count() == claims.values("seat").distinct().count() == SEATS
    assert set(claims.values_list("reservation__status", flat=True)) == {"confirmed"}
    assert not Reservation.objects.filter(status__in=["held", "reserved"]).exists()


def assert_money_is_exact():
    confirmed = Reservation.objects.filter(status="confirmed")
    payments = Payment.objects.filter(status="succeeded")
    assert Payment.objects.count() == payments.count() == confirmed.count()
    paid = dict(payments.values_list("reservation_id", "amount"))
    assert paid == dict(confirmed.values_list("pk", "total"))
    assert sum(paid.values()) == Seat.objects.aggregate(sum=Sum("price"))["sum"]
    debits = WalletEntry.objects.filter(kind="payment")
    assert debits.count() == len(paid)
    assert -debits.aggregate(sum=Sum("amount"))["sum"] == sum(paid.values())
    sums = Wallet.objects.annotate(sum=Sum("entries__amount"))
    assert not sums.exclude(balance=F("sum")).exists()
    assert not Wallet.objects.filter(balance__lt=0).exists()


@pytest.fixture
def crowd(server, performance, capsys):
    """The crowd before the server's doors; what it saw is printed when it was a full one."""
    date = f"/concerts/{performance.concert_id}/dates/{performance.date}"
    crowd = Crowd(server, date, patience_s=PATIENCE_S)
    began = time.monotonic()
    yield crowd
    if FULL:
        with capsys.disabled():
            print(f"\n{CUSTOMERS} customers, {time.monotonic() - began:.1f} s")
            print("\n".join(crowd.log.describe()))


@pytest.mark.timeout(PATIENCE_S + 60)
def test_an_on_sale(crowd):
    tokens = [str(AccessToken.for_user(UserFactory())) for _customer in range(CUSTOMERS)]
    deadlocks = count_deadlocks()
    with beating() as beat:
        outcomes = crowd.play(tokens)
    assert beat.errors == []
    assert crowd.log.faults() == {}
    assert count_deadlocks() == deadlocks
    expire_holds(now=timezone.now())
    assert_every_seat_is_sold_once()
    assert_money_is_exact()
    assert (sum(outcomes.values()), outcomes["bought"]) == (CUSTOMERS, Payment.objects.count())
    assert 0 < max(beat.inside) <= CAPACITY
