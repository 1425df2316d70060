"""A shop to fuzz: what exists in it, and requests that mean what exists."""

from base64 import b64encode
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone
from schemathesis.core.parameters import ParameterLocation

from apps.accounts.models import User
from apps.accounts.tokens import issue_tokens
from apps.concerts.models import Seat
from apps.queue.models import QueueEntry
from apps.wallet.services import charge_wallet
from tests.factories import PerformanceFactory, QueueEntryFactory, RoomFactory, make_seats
from tests.reservations.support import make_hold, make_paid, make_reservation

PASSWORD = "비밀번호-1"
# One of so many ids, texts and dates stays as it was made up; the others mean something that exists.
MADE_UP = 4
# A cursor is good only as it was given out, which no schema can say.
OPAQUE = {"cursor"}

UNDECLARED = "methods that are not declared"


@dataclass
class Shop:
    """A customer inside the room, with money, and something of theirs in every state."""

    customer: User
    entry: QueueEntry
    seats: list[Seat]
    hold_id: int
    reservation_id: int
    payment_id: int
    access: str
    refresh: str
    expires_in: int

    @property
    def token(self) -> str:
        return f"token-{self.entry.number}"

    @property
    def performance(self) -> Any:
        return self.seats[0].performance


def open_shop() -> Shop:
    """Make the shop's rows, by the real clock."""
    now = timezone.now()
    customer = User.objects.create_user("fuzz@encore.example", PASSWORD)
    entry = QueueEntryFactory(room=RoomFactory(), customer=customer, admitted=True, at=now)
    seats = make_seats(PerformanceFactory(at=now, concert__seats_per_customer=50), 40)
    paid = make_paid(customer, seats[2:3], at=now)
    charge_wallet(customer_id=customer.pk, amount=1_000_000, now=now)
    return Shop(
        customer=customer,
        entry=entry,
        seats=seats,
        hold_id=make_hold(customer, seats[0:1], at=now).pk,
        reservation_id=make_reservation(customer, seats[1:2], at=now).pk,
        payment_id=paid.payment_id,
        **issue_tokens(customer),
    )


def is_made_up(value: Any) -> bool:
    """Say whether a generated value stays as it is: by the value itself, so that a case means the same
    every time."""
    text = str(value)
    return bool(text) and sum(text.encode("utf-8", "surrogatepass")) % MADE_UP == 0


def write_whole(value: Any) -> Any:
    """Return `value` with its whole numbers written whole: 77.0 is one to JSON Schema, and not to us."""
    if isinstance(value, dict):
        return {name: write_whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [write_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Aim:
    """Puts what exists into well-formed cases."""

    def __init__(self, shop: Shop) -> None:
        performance = shop.performance
        free = [seat.pk for seat in shop.seats[3:]]
        self.paths = {
            "concert_id": performance.concert_id,
            "date": str(performance.date),
            "hold_id": shop.hold_id,
            "reservation_id": shop.reservation_id,
            "payment_id": shop.payment_id,
            "slug": "main",
        }
        self.headers = {"X-Queue-Token": shop.token}
        cursor = b64encode(f"p={2**62}".encode()).decode()
        self.query = {"performance": performance.pk, "cursor": cursor}
        self.bodies = {
            "concert_id": lambda _value: performance.concert_id,
            "hold_id": lambda _value: shop.hold_id,
            "reservation_id": lambda _value: shop.reservation_id,
            "seat_ids": lambda ids: free[: len(ids)],
            "email": lambda _value: shop.customer.email,
            "password": lambda _value: PASSWORD,
            "refresh": lambda _value: shop.refresh,
        }

    def at(self, case: Any) -> None:
        """Replace what was made up, in those parts of the case that are to be accepted."""
        self._put(case, ParameterLocation.PATH, case.path_parameters, self.paths)
        self._put(case, ParameterLocation.HEADER, case.headers, self.headers)
        self._put(case, ParameterLocation.QUERY, case.query, self.query)
        if isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY):
            for name, choose in self.bodies.items():
                if name in case.body and not is_made_up(case.body[name]):
                    case.body[name] = choose(case.body[name])
            case.body = write_whole(case.body)

    def _put(self, case: Any, location: ParameterLocation, given: Any, real: Any) -> None:
        if not given or case.meta.is_negative_at(location):
            return
        for name, value in real.items():
            if name in given and (name in OPAQUE or not is_made_up(given[name])):
                given[name] = value


@dataclass
class Tally:
    """What was asked and answered, by operation."""

    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def count_successes(self) -> int:
        """Return how many 2xx there were of what the schema declares."""
        return sum(
            count
            for label, statuses in self.answers.items()
            for status, count in statuses.items()
            if status < 300 and label != UNDECLARED
        )

    def describe(self) -> str:
        """Return a line for each operation: requests, the share of 2xx, answers by status."""
        total = sum(sum(statuses.values()) for statuses in self.answers.values())
        lines = [f"{total} requests"]
        for label, statuses in sorted(self.answers.items()):
            count = sum(statuses.values())
            good = sum(n for status, n in statuses.items() if status < 300)
            told = " ".join(f"{status}:{n}" for status, n in sorted(statuses.items()))
            lines.append(f"{label:55} {count:5} {good / count:5.0%} 2xx  {told}")
        return "\n".join(lines)


class Fuzz:
    """Sends each case into the same shop: what it means is put in before, what it wrote is rolled back
    after."""

    # Cases are made before there is a customer.
    PLACEHOLDER = "Bearer of the shop's customer"

    class Auth:
        """An auth provider of schemathesis: the checks of authentication take it away again."""

        def get(self, case: Any, context: Any) -> str:
            return Fuzz.PLACEHOLDER

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = data

    def __init__(self) -> None:
        self.tally = Tally()
        self._blocks: list[transaction.Atomic] = []

    def open_shop(self) -> None:
        self.shop = open_shop()
        self.aim = Aim(self.shop)

    def before(self, case: Any) -> None:
        if case.headers.get("Authorization") == self.PLACEHOLDER:
            case.headers["Authorization"] = f"Bearer {self.shop.access}"
        # A made-up host is refused before it comes to the API.
        case.headers.pop("Host", None)
        if case.meta is not None:
            self.aim.at(case)
        block = transaction.atomic()
        block.__enter__()
        self._blocks.append(block)

    def after(self, case: Any, response: Any) -> None:
        while self._blocks:
            transaction.set_rollback(True)
            self._blocks.pop().__exit__(None, None, None)
        declared = response.request.method == case.operation.method.upper()
        label = case.operation.label if declared else UNDECLARED
        self.tally.answers[label][response.status_code] += 1
