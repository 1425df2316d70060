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


def find_scans(plan: dict[str, Any]) -> Iterator[str]:
    """Yield the tables that a plan reads from end to end, by an index or without."""
    by_index = plan["Node Type"] in ("Index Scan", "Index Only Scan") and "Index Cond" not in plan
    ordered = by_index and plan.get("Plan Rows", 0) <= 1
    if plan["Node Type"] == "Seq Scan" or (by_index and not ordered):
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from find_scans(part)


def scan_growing(sent: list[str]) -> list[str]:
    """Return the statements whose kept plan reads a growing table from end to end, each with the table.

    As a planner sees it that is not told to go by an index: the settings tell it so, and hide what has
    none.
    """
    found = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = on")
        for sql in sent:
            text = number_parameters(sql)[0].decode()
            cursor.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {text}".replace("%", "%%"))
            (answer,) = cursor.fetchone()
            plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
            found += [f"{table}: {sql}" for table in GROWING.intersection(find_scans(plan))]
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

    def list_seats_again(self):
        self.buyer.get(seats_url(self.performance))
        return self.list_seats()

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
    # customer, lock of the customer, earlier place, number with entry and presence, position
    "join": 5,
    # entry; concert, performances, free seats
    "list_dates": 4,
    "list_seats": 4,
    "list_seats_again": 4,
    "list_changed_seats": 4,
    # entry; lock and answer of the key; locks of entry and seats; claims; hold with its lines; answer
    "hold": 8,
    # entry; lock and answer of the key; locks of entry and hold; reservation; its seats; answer
    "reserve": 8,
    # entry; lock and answer of the key; locks of entry and reservation; payment; wallet; ledger;
    # reservation; end of the entry and of its presence; seats; answer
    "pay": 13,
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


def test_hot_requests_send_no_more_than_agreed_and_go_by_indexes(hot):
    sent = {name: ask(hot, name) for name in AGREED}
    assert {name: len(statements) for name, statements in sent.items()} == AGREED, sent
    assert {name: found for name in AGREED if (found := scan_growing(sent[name]))} == {}


@pytest.mark.parametrize(
    ("missing", "name", "table"),
    [
        ("DROP INDEX queue_line", "poll_waiting", "queue_queueentry"),
        (
            "ALTER TABLE queue_queueentry DROP CONSTRAINT queue_queueentry_token_hash_key",
            "poll_inside",
            "queue_queueentry",
        ),
    ],
)
def test_a_missing_index_would_be_seen(hot, missing, name, table):
    sent = ask(hot, name)
    with connection.cursor() as cursor:
        # Rows of this transaction with checks still to come.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(missing)
    (scan,) = scan_growing(sent)
    assert scan.startswith(f"{table}: ")
