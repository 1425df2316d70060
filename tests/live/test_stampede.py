"""Everybody at once, through HTTP: one seat, one payment."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import httpx
import pytest
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from apps.concerts.models import Seat
from apps.payments.models import Payment
from apps.queue.models import QueueEntry
from apps.reservations.models import Reservation, ReservationSeat
from apps.wallet.models import WalletEntry
from apps.wallet.services import charge_wallet
from tests.factories import (
    PerformanceFactory,
    QueueEntryFactory,
    RoomFactory,
    make_seats,
)

CUSTOMERS = 100
REPETITIONS = 20


def headers_of(entry: QueueEntry) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {AccessToken.for_user(entry.customer)}",
        "X-Queue-Token": f"token-{entry.number}",
    }


def send_at_once(requests: list[httpx.Request]) -> list[httpx.Response]:
    """Send every request from a thread and connection of its own, all at the same moment."""
    barrier = Barrier(len(requests))

    def send(request: httpx.Request) -> httpx.Response:
        with httpx.Client(timeout=60) as client:
            barrier.wait()
            return client.send(request)

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


@pytest.fixture
def seat(transactional_db: None) -> Seat:
    RoomFactory()
    return make_seats(PerformanceFactory(at=timezone.now()), 1)[0]


def test_a_hundred_customers_want_one_seat(server: str, seat: Seat):
    now = timezone.now()
    entries = [QueueEntryFactory(admitted=True, at=now) for _ in range(CUSTOMERS)]
    performance = seat.performance
    url = f"{server}/api/v1/concerts/{performance.concert_id}/dates/{performance.date}/holds"
    answers = send_at_once(
        [
            httpx.Request("POST", url, headers=headers_of(entry), json={"seat_ids": [seat.pk]})
            for entry in entries
        ]
    )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CUSTOMERS - 1}
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"seat_unavailable"}
    assert ReservationSeat.objects.filter(released_at=None).count() == 1


def test_a_payment_sent_twenty_times_at_once_is_paid_once(server: str, seat: Seat):
    now = timezone.now()
    entry = QueueEntryFactory(admitted=True, at=now)
    charge_wallet(customer_id=entry.customer_id, amount=50_000, now=now)
    reservation = Reservation.objects.create(
        customer=entry.customer,
        performance=seat.performance,
        status=Reservation.Status.RESERVED,
        total=seat.price,
        currency="KRW",
        held_at=now,
        expires_at=now + timedelta(minutes=5),
        reserved_at=now,
    )
    ReservationSeat.objects.create(reservation=reservation, seat=seat, price=seat.price)
    request = httpx.Request(
        "POST",
        f"{server}/api/v1/payments",
        headers={**headers_of(entry), "Idempotency-Key": "pay-once"},
        json={"reservation_id": reservation.pk},
    )
    answers = send_at_once([request] * REPETITIONS)

    first = [a for a in answers if a.status_code == 201 and "Idempotent-Replayed" not in a.headers]
    replayed = [a for a in answers if "Idempotent-Replayed" in a.headers]
    in_use = [a for a in answers if a.status_code == 409]
    assert len(first) == 1
    assert len(first) + len(replayed) + len(in_use) == REPETITIONS
    assert {a.json()["code"] for a in in_use} <= {"idempotency_key_in_use"}
    assert {a.json()["id"] for a in first + replayed} == {Payment.objects.get().pk}
    assert WalletEntry.objects.filter(kind="payment").count() == 1

    entry.refresh_from_db()
    assert (entry.state, entry.end_reason) == ("ended", "paid")
    replay = httpx.Client().send(request)
    assert replay.status_code == 201
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert replay.json() == first[0].json()
