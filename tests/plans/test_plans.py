"""Hot requests: how many statements each may send, and that none reads a table from end to end.

A number may go down; who lets one go up says here why.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic

from apps.core.wire import number_parameters
from apps.queue.models import QueueEntry
from apps.wallet.services import charge_wallet
from tests.factories import NOW, UserFactory
from tests.plans.house import WAITING, fill
from tests.reservations.support import (
    dates_url,
    make_hold,
    make_reservation,
    post_hold,
    post_payment,
    post_reservation,
    seats_url,
)

pytestmark = pytest.mark.django_db

CURRENT = "/api/v1/queue/tokens/current"
# Tables that grow with a sale. A room, a turnstile or a concert is one row among few.
GROWING = {
    "accounts_user",
    "concerts_seat",
    "core_idempotencykey",
    "payments_payment",
    "queue_departure",
    "queue_presence",
    "queue_queueentry",
    "queue_segment",
    "queue_turn",
    "reservations_reservation",
    "reservations_reservationseat",
    "wallet_wallet",
    "wallet_walletentry",
}


@contextmanager
def statements() -> Iterator[list[str]]:
    """Yield a list that is filled with the statements of the block, savepoints left out."""
    sent: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        if "SAVEPOINT" not in sql:
            sent.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield sent


def find_reads(plan: dict[str, Any]) -> Iterator[str]:
    """Yield how a plan reads growing tables: the names of the indexes that it goes by, or the table's
    where it reads one from end to end."""
    match plan:
        case {"Node Type": "Seq Scan", "Relation Name": table} if table in GROWING:
            yield f"all of {table}"
        case {"Node Type": "Index Scan" | "Index Only Scan", "Relation Name": table} if (
            table in GROWING
        ):
            whole = "Index Cond" not in plan
            yield f"all of {table}" if whole else plan["Index Name"]
        case {"Node Type": "Bitmap Index Scan"}:
            yield plan["Index Name"]
    for part in plan.get("Plans", ()):
        yield from find_reads(part)


def list_reads(sent: list[str]) -> set[str]:
    """Return by what the kept plans of statements read growing tables."""
    found: set[str] = set()
    with connection.cursor() as cursor:
        for sql in sent:
            text = number_parameters(sql)[0].decode()
            cursor.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {text}".replace("%", "%%"))
            (answer,) = cursor.fetchone()
            plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
            found.update(find_reads(plan))
    return found


@pytest.fixture
def sale(buyer, customer, performance, seats):
    """A buyer amid a sale of usual size, with money, and four free seats at the head of the house."""
    fill(NOW)
    charge_wallet(customer_id=customer.pk, amount=1_000_000, now=NOW)
    return buyer


class Hot:
    """The hot requests, each prepared as far as it takes, and then the request alone."""

    def __init__(self, buyer, customer, performance, seats, sign_in):
        self.buyer, self.customer, self.sign_in = buyer, customer, sign_in
        self.performance, self.seats = performance, seats

    def poll_waiting(self):
        entry = QueueEntry.objects.filter(state="waiting").order_by("place")[WAITING // 2]
        client = self.sign_in(entry.customer, HTTP_X_QUEUE_TOKEN=f"sale-{entry.number}")
        return lambda: client.get(CURRENT)

    def poll_inside(self):
        return lambda: self.buyer.get(CURRENT)

    def join(self):
        client = self.sign_in(UserFactory())
        return lambda: client.post("/api/v1/queue/tokens", {})

    def list_dates(self):
        return lambda: self.buyer.get(dates_url(self.performance))

    def list_seats(self):
        return lambda: self.buyer.get(seats_url(self.performance))

    def list_changed_seats(self):
        version = self.buyer.get(seats_url(self.performance)).json()["version"]
        make_hold(UserFactory(), self.seats[:2])
        return lambda: self.buyer.get(seats_url(self.performance), {"since": version})

    def hold(self):
        return lambda: post_hold(self.buyer, self.seats[:2], HTTP_IDEMPOTENCY_KEY="k")

    def reserve(self):
        held = make_hold(self.customer, self.seats[:2])
        return lambda: post_reservation(self.buyer, held.pk, HTTP_IDEMPOTENCY_KEY="k")

    def pay(self):
        reserved = make_reservation(self.customer, self.seats[:2])
        return lambda: post_payment(self.buyer, reserved.pk, HTTP_IDEMPOTENCY_KEY="k")


@pytest.fixture
def hot(sale, customer, performance, seats, sign_in):
    return Hot(sale, customer, performance, seats, sign_in)


# What each may send, beside its BEGIN and COMMIT.
AGREED = {
    # entry, room, place and position in one
    "poll_waiting": 1,
    "poll_inside": 1,
    # customer; lock of the customer, earlier place, number with entry and presence; disk; position
    "join": 6,
    # entry; concert, performances, seats and claims of each of the five
    "list_dates": 3 + 2 * 5,
    # entry; what is new; concert, performances, claims, seats. Of a list that is kept: the first two
    "list_seats": 6,
    # entry; what is new; concert, performances, what has changed
    "list_changed_seats": 5,
    # entry; lock and answer of the key; locks of entry and seats; claims; hold with its lines; answer
    "hold": 8,
    # entry; lock and answer of the key; locks of entry and hold; reservation; its seats; answer
    "reserve": 8,
    # entry; lock and answer of the key; locks of entry and reservation; payment; wallet; ledger;
    # reservation; end of the entry and of its presence; seats; answer
    "pay": 13,
}


# By what each reads tables that grow, as the server keeps its plans. Whose place it is, everybody asks.
ENTRY = {
    "accounts_user_pkey",
    "queue_line",
    "queue_presence_pkey",
    "queue_queueentry_token_hash_key",
    "queue_segment_pkey",
}
CLAIMS = {"reservation_changes", "reservations_reservationseat_reservation_id_7fc33eea"}
STEP = ENTRY | {
    "concerts_seat_pkey",
    "idempotency_key_once",
    "queue_queueentry_pkey",
    "reservation_newest",
    "reservations_reservation_pkey",
    "reservations_reservationseat_reservation_id_7fc33eea",
}
INDEXES = {
    "poll_waiting": ENTRY,
    "poll_inside": ENTRY,
    "join": ENTRY - {"queue_queueentry_token_hash_key"}
    | {"queue_one_live_entry", "queue_queueentry_pkey"},
    "list_dates": ENTRY | CLAIMS | {"concerts_seat_pkey", "seat_changes"},
    "list_seats": ENTRY | CLAIMS | {"seat_house_order"},
    "list_changed_seats": ENTRY
    | CLAIMS
    | {
        "concerts_seat_pkey",
        "reservation_deadlines",
        "reservations_reservation_pkey",
        "reservations_reservationseat_seat_id_3d3f7843",
        "seat_changes",
    },
    "hold": STEP | {"reservations_reservationseat_seat_id_3d3f7843"},
    "reserve": STEP,
    "pay": STEP | {"wallet_wallet_pkey"},
}


class Undone(Exception):
    """What was tried is rolled back."""


def ask(hot, name):
    """Send one hot request, and undo it. Return the statements that it sent."""
    with suppress(Undone), atomic():
        request = getattr(hot, name)()
        with statements() as sent:
            answer = request()
        assert answer.status_code in (200, 201), answer.content
        raise Undone
    return sent


def test_hot_requests_send_no_more_than_agreed_and_go_by_their_indexes(hot):
    sent = {name: ask(hot, name) for name in AGREED}
    assert {name: len(statements) for name, statements in sent.items()} == AGREED, sent
    assert {name: list_reads(statements) for name, statements in sent.items()} == INDEXES


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ("DROP INDEX queue_line", "poll_waiting"),
        ("DROP INDEX reservation_newest", "hold"),
        ("DROP INDEX reservation_changes", "list_seats"),
    ],
)
def test_a_missing_index_would_be_seen(hot, missing, name):
    sent = ask(hot, name)
    assert list_reads(sent) == INDEXES[name]
    with connection.cursor() as cursor:
        # Rows of this transaction with checks still to come.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(missing)
    assert list_reads(sent) != INDEXES[name]
