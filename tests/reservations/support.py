"""What the tests of seats and money share: calls of the API, rows in each state, and "nothing written"."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.concerts.models import Performance, Seat
from apps.core.db import transaction
from apps.core.models import IdempotencyKey
from apps.payments.models import Payment
from apps.queue.models import QueueEntry, WaitingRoom
from apps.reservations import services
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.transitions import confirm, create_hold, reserve
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.services import charge_wallet
from apps.wallet.transitions import lock_wallet, post_entry
from tests.factories import NOW, QueueEntryFactory, RoomFactory

HOLDS = "/api/v1/holds"
RESERVATIONS = "/api/v1/reservations"
PAYMENTS = "/api/v1/payments"
DEADLINE = NOW + timedelta(minutes=5)


# Calls of the API


def dates_url(performance: Performance) -> str:
    return f"/api/v1/concerts/{performance.concert_id}/dates"


def seats_url(performance: Performance) -> str:
    return f"{dates_url(performance)}/{performance.date}/seats"


def holds_url(performance: Performance) -> str:
    return f"{dates_url(performance)}/{performance.date}/holds"


def post_hold(client: APIClient, seats: Sequence[Seat], **headers: str) -> Any:
    body = {"seat_ids": [seat.pk for seat in seats]}
    return client.post(holds_url(seats[0].performance), body, **headers)


def post_reservation(client: APIClient, hold_id: int, **headers: str) -> Any:
    return client.post(RESERVATIONS, {"hold_id": hold_id}, **headers)


def post_payment(client: APIClient, reservation_id: int, **headers: str) -> Any:
    return client.post(PAYMENTS, {"reservation_id": reservation_id}, **headers)


def post_cancel(client: APIClient, reservation_id: int, **headers: str) -> Any:
    return client.post(f"{RESERVATIONS}/{reservation_id}/cancel", {}, **headers)


def list_ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def assert_refused(answer: Any, status: int, code: str, **fields: Any) -> dict[str, Any]:
    """Assert that the answer is this problem, and return it."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {name: body.get(name) for name in fields} == fields
    return body


# Rows in each state


def make_inside(customer: User | None = None, *, room: WaitingRoom | None = None) -> QueueEntry:
    """Return an entry admitted at `NOW`, of a new customer unless one is given."""
    given = {"customer": customer, "room": room}
    return QueueEntryFactory(admitted=True, **{k: v for k, v in given.items() if v is not None})


def hold(entry: QueueEntry, seats: Sequence[Seat], *, now: datetime = NOW) -> Reservation:
    """Hold the seats by the service."""
    return services.hold_seats(
        entry_id=entry.pk,
        concert_id=seats[0].performance.concert_id,
        date=seats[0].performance.date,
        seat_ids=[seat.pk for seat in seats],
        now=now,
    )


def make_hold(customer: User, seats: Sequence[Seat], *, at: datetime = NOW) -> Reservation:
    return create_hold(
        customer_id=customer.pk, performance=seats[0].performance, seats=seats, now=at
    )


def make_reservation(customer: User, seats: Sequence[Seat], *, at: datetime = NOW) -> Reservation:
    reservation = make_hold(customer, seats, at=at)
    reserve(reservation, now=at)
    return reservation


def make_paid(customer: User, seats: Sequence[Seat], *, at: datetime = NOW) -> Reservation:
    """Return a confirmed reservation, charged and paid to the last won."""
    reservation = make_reservation(customer, seats, at=at)
    charge_wallet(customer_id=customer.pk, amount=reservation.total, now=at)
    payment = Payment.objects.create(
        reservation=reservation,
        customer=customer,
        status=Payment.Status.SUCCEEDED,
        amount=reservation.total,
        currency=reservation.currency,
        paid_at=at,
    )
    with transaction():
        post_entry(
            lock_wallet(customer_id=customer.pk, now=at),
            kind=WalletEntry.Kind.PAYMENT,
            amount=-payment.amount,
            reference=payment.reference,
            now=at,
        )
    confirm(reservation, payment_id=payment.pk, now=at)
    return reservation


# By the status that the list of seats shows.
CLAIMS = {"held": make_hold, "reserved": make_reservation, "sold": make_paid}


def block(seat: Seat, reason: str = "카메라 자리") -> None:
    Seat.objects.filter(pk=seat.pk).update(blocked=bool(reason), blocked_reason=reason)


def balance_of(customer: User) -> int:
    return Wallet.objects.get(pk=customer.pk).balance


def ledger_of(customer: User) -> list[tuple[str, int]]:
    entries = WalletEntry.objects.filter(wallet=customer.pk).order_by("pk")
    return list(entries.values_list("kind", "amount"))


# Queue tokens that let nobody in: status, code and fields of the answer.

BAD_TOKENS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "not signed in": (401, "not_authenticated", {}),
    "no token": (403, "queue_token_required", {}),
    "unknown token": (403, "queue_token_invalid", {}),
    "somebody else's": (403, "queue_token_invalid", {}),
    "ended": (403, "queue_token_expired", {"reason": "left"}),
    "silent": (403, "queue_token_expired", {"reason": "idle"}),
    "over its session": (403, "queue_token_expired", {"reason": "session_over"}),
    "waiting": (403, "queue_not_admitted", {"position": 1, "poll_after_seconds": 1}),
    "other room": (403, "wrong_waiting_room", {"room": "main"}),
}


def make_bad_client(kind: str, *, customer: User, room: WaitingRoom, sign_in: Any) -> APIClient:
    """Return the customer's client with the token of that kind, with the clock at `NOW`."""
    long_ago = NOW - timedelta(seconds=room.session_seconds)
    match kind:
        case "not signed in":
            return APIClient()
        case "no token":
            return sign_in(customer)
        case "unknown token":
            return sign_in(customer, QueueEntryFactory.build(room=room, customer=customer))
        case "somebody else's":
            return sign_in(customer, make_inside())
        case "ended":
            over = {"state": "ended", "ended_at": NOW, "end_reason": "left"}
            return sign_in(customer, QueueEntryFactory(room=room, customer=customer, **over))
        case "silent":
            seen = {"last_seen_at": NOW - timedelta(seconds=room.idle_seconds)}
            return sign_in(
                customer, QueueEntryFactory(room=room, customer=customer, admitted=True, **seen)
            )
        case "over its session":
            since = {"admitted_at": long_ago, "session_expires_at": NOW, "last_seen_at": NOW}
            return sign_in(
                customer, QueueEntryFactory(room=room, customer=customer, admitted=True, **since)
            )
        case "waiting":
            return sign_in(customer, QueueEntryFactory(room=room, customer=customer))
        case "other room":
            return sign_in(customer, make_inside(customer, room=RoomFactory(slug="vip")))
    raise ValueError(kind)


# Nothing written

WRITTEN: tuple[type[Model], ...] = (
    Seat, Reservation, ReservationSeat, Payment, Wallet, WalletEntry, QueueEntry, WaitingRoom,
    IdempotencyKey,
)  # fmt: skip


def read_rows() -> dict[str, list[dict[str, Any]]]:
    """Return every row of seats, holds, money and line. That somebody called is no write of theirs."""
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in WRITTEN}


@contextmanager
def nothing_written() -> Iterator[None]:
    """Assert that the block leaves every row as it was."""
    before = read_rows()
    yield
    assert read_rows() == before
