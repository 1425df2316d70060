"""Every POST that changes seats or money, ready to be sent with an `Idempotency-Key`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.accounts.models import User
from apps.concerts.models import Seat
from tests.reservations.support import (
    PAYMENTS,
    RESERVATIONS,
    holds_url,
    make_hold,
    make_paid,
    make_reservation,
)

KINDS = ("hold", "reserve", "charge", "pay", "cancel")


@dataclass(frozen=True)
class Retried:
    """A request, the status of its success, and another body that means something else."""

    path: str
    body: dict[str, Any]
    status: int
    other_body: dict[str, Any]

    def send(self, client: Any, *, key: str = "k", body: dict[str, Any] | None = None) -> Any:
        return client.post(
            self.path, self.body if body is None else body, headers={"Idempotency-Key": key}
        )


def make_retried(kind: str, customer: User, seats: Sequence[Seat]) -> Retried:
    """Return the request of that kind. The customer is inside and has money; the seats are free."""
    match kind:
        case "hold":
            path = holds_url(seats[0].performance)
            return Retried(path, {"seat_ids": [seats[0].pk]}, 201, {"seat_ids": [seats[1].pk]})
        case "reserve":
            holds = [make_hold(customer, [seat]).pk for seat in seats[:2]]
            return Retried(RESERVATIONS, {"hold_id": holds[0]}, 201, {"hold_id": holds[1]})
        case "charge":
            return Retried("/api/v1/wallet/charges", {"amount": 500}, 201, {"amount": 501})
        case "pay":
            ids = [make_reservation(customer, [seat]).pk for seat in seats[:2]]
            return Retried(PAYMENTS, {"reservation_id": ids[0]}, 201, {"reservation_id": ids[1]})
        case "cancel":
            paid = make_paid(customer, seats[:1])
            return Retried(f"{RESERVATIONS}/{paid.pk}/cancel", {}, 200, {"why": "비"})
    raise ValueError(kind)
