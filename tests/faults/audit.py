"""Compares what clients were told with what PostgreSQL holds. Each finding is a line; none is the aim."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.faults.witness import Call, Witness


@dataclass(frozen=True, kw_only=True)
class Books:
    """What the database holds about money and seats, read in one snapshot."""

    payments: dict[int, tuple[int, int, int, str]]  # by reservation: id, customer, amount, status
    reservations: dict[int, tuple[str, int | None]]  # by id: status, payment id
    entries: "Counter[tuple[str, str]]"  # by kind and reference
    debits: dict[str, int]  # by reference
    charges: "Counter[tuple[int, int]]"  # by customer and amount
    claims: dict[int, list[int]]  # by seat: the reservations that claim it


def read_books(connection: "psycopg.Connection[Any]") -> Books:
    """Read the books; the caller sees to one snapshot."""
    entries: Counter[tuple[str, str]] = Counter()
    debits: dict[str, int] = {}
    charges: Counter[tuple[int, int]] = Counter()
    ledger = "SELECT kind, reference, wallet_id, amount FROM wallet_walletentry"
    for kind, reference, customer_id, amount in connection.execute(ledger):
        entries[kind, reference] += 1
        if kind == "charge":
            charges[customer_id, amount] += 1
        elif kind == "payment":
            debits[reference] = amount
    claims: dict[int, list[int]] = defaultdict(list)
    lines = (
        "SELECT seat_id, reservation_id FROM reservations_reservationseat WHERE released_at IS NULL"
    )
    for seat_id, reservation_id in connection.execute(lines):
        claims[seat_id].append(reservation_id)
    payments = "SELECT reservation_id, id, customer_id, amount, status FROM payments_payment"
    reservations = "SELECT id, status, payment_id FROM reservations_reservation"
    return Books(
        payments={row[0]: row[1:] for row in connection.execute(payments)},
        reservations={row[0]: row[1:] for row in connection.execute(reservations)},
        entries=entries,
        debits=debits,
        charges=charges,
        claims=claims,
    )


def audit(connection: "psycopg.Connection[Any]", witness: Witness) -> list[str]:
    """Return where the database contradicts what clients were told."""
    books = read_books(connection)
    cancellations = {call.subject: call for call in witness.calls_of("cancel")}
    findings = []
    for call in witness.calls_of("pay"):
        cancellation = cancellations.get(call.subject)
        if call.outcome == "acknowledged":
            findings += check_purchase(books, call, cancellation)
        else:
            findings += check_unconfirmed(books, call)
    for call in witness.calls_of("charge"):
        findings += check_charge(books, call)
    for call in cancellations.values():
        findings += check_cancellation(books, call)
    known = {call.subject for call in witness.calls_of("pay")}
    findings += [f"reservation {r}: paid, but nobody asked" for r in books.payments.keys() - known]
    return findings


def check_purchase(books: Books, call: Call, cancellation: Call | None) -> Iterator[str]:
    """An acknowledged purchase is there, paid once, and its seats are its own until given back."""
    who = f"reservation {call.subject}, acknowledged as payment {call.answer['id']}"
    payment = books.payments.get(call.subject)
    if payment is None:
        yield f"{who}: no payment"
        return
    payment_id, customer_id, amount, status = payment
    told = (call.answer["id"], call.customer_id, call.total)
    if (payment_id, customer_id, amount) != told:
        yield f"{who}: the payment is {payment_id} of {customer_id} over {amount}"
    reference = f"payment:{call.answer['id']}"
    if books.entries["payment", reference] != 1 or books.debits[reference] != -call.total:
        yield f"{who}: {books.entries['payment', reference]} debits, {books.debits.get(reference)}"
    stands = books.reservations.get(call.subject) == ("confirmed", payment_id)
    if not stands and (cancellation is None or cancellation.outcome == "refused"):
        yield f"{who}: {books.reservations.get(call.subject)}"
    if stands and status != "succeeded":
        yield f"{who}: the payment is {status}"
    if stands:
        for seat_id in sorted(call.seat_ids):
            if books.claims.get(seat_id) != [call.subject]:
                yield f"{who}: seat {seat_id} is claimed by {books.claims.get(seat_id)}"


def check_unconfirmed(books: Books, call: Call) -> Iterator[str]:
    """A refused payment took nothing; one without an answer took all of it or nothing."""
    who = f"reservation {call.subject}, payment {call.outcome} ({call.status})"
    payment = books.payments.get(call.subject)
    if payment is None:
        return
    if call.outcome == "refused":
        yield f"{who}: there is payment {payment[0]}"
    reference = f"payment:{payment[0]}"
    if books.entries["payment", reference] != 1 or books.debits[reference] != -call.total:
        yield f"{who}: {books.entries['payment', reference]} debits, {books.debits.get(reference)}"


def check_charge(books: Books, call: Call) -> Iterator[str]:
    """An acknowledged charge is in the ledger once, a refused one not; without an answer once at most."""
    found = books.charges[call.customer_id, call.subject]
    allowed = {"acknowledged": {1}, "refused": {0}, "unknown": {0, 1}}[call.outcome]
    if found not in allowed:
        yield f"charge of {call.subject} by {call.customer_id}, {call.outcome}: {found} in the ledger"


def check_cancellation(books: Books, call: Call) -> Iterator[str]:
    """An acknowledged cancellation has ended the reservation and given back what was paid, once."""
    who = f"reservation {call.subject}, cancellation {call.outcome}"
    status, _ = books.reservations.get(call.subject, ("absent", None))
    payment = books.payments.get(call.subject)
    if call.outcome == "acknowledged" and status != "cancelled":
        yield f"{who}: it is {status}"
    if payment is None:
        return
    refunds = books.entries["refund", f"payment:{payment[0]}"]
    if refunds != (status == "cancelled") or (payment[3] == "refunded") != (status == "cancelled"):
        yield f"{who}: it is {status}, the payment {payment[3]}, with {refunds} refunds"
