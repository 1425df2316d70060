"""What customers ask for about seats and money: as the model, the services and the API know it."""

from collections.abc import Sequence
from typing import Any

from apps.payments.services import cancel_reservation, pay_reservation
from apps.reservations.services import hold_seats, release_hold, reserve_hold
from apps.wallet.services import charge_wallet
from tests.stateful.comparison import same
from tests.stateful.driving import Request, in_json
from tests.stateful.line import Entry
from tests.stateful.sales import Claim, Payment, Performance, Seat
from tests.stateful.world import World


def hold(world: World, entry: Entry, show: Performance, seats: Sequence[Seat]) -> Request:
    seat_ids = [seat.id for seat in seats]

    def accept(claim: Claim, found: Any) -> None:
        if isinstance(found, dict):
            claim.id = found["id"]
            same("hold", found["expires_at"], in_json(claim.expires_at))
            same("seats held", sorted(seat["id"] for seat in found["seats"]), sorted(seat_ids))
        else:
            claim.id = found.pk

    return Request(
        name="hold",
        customer=entry.customer,
        entry=entry,
        predict=lambda now: world.sales.hold(entry, show, seats, now),
        serve=lambda now: hold_seats(
            entry_id=entry.id,
            concert_id=show.concert.id,
            date=show.date,
            seat_ids=seat_ids,
            now=now,
        ),
        path=f"/concerts/{show.concert.id}/dates/{show.date}/holds",
        body={"seat_ids": seat_ids},
        status=201,
        accept=accept,
    )


def reserve(world: World, entry: Entry, claim: Claim) -> Request:
    return Request(
        name="reserve",
        customer=entry.customer,
        entry=entry,
        predict=lambda now: world.sales.reserve(entry, claim, now),
        serve=lambda now: reserve_hold(entry_id=entry.id, hold_id=claim.id, now=now),
        path="/reservations",
        body={"hold_id": claim.id},
        status=201,
        accept=lambda _claim, found: accept_reservation(claim, found, "pending_payment"),
    )


def accept_reservation(claim: Claim, found: Any, status: str) -> None:
    if isinstance(found, dict):
        same(
            "reservation",
            (found["id"], found["status"], found["total"], found["expires_at"]),
            (claim.id, status, claim.total, in_json(claim.expires_at)),
        )


def release(world: World, entry: Entry, claim: Claim) -> Request:
    """By the service alone: the API's answer has no body to keep."""
    return Request(
        name="release",
        customer=entry.customer,
        entry=entry,
        predict=lambda now: world.sales.release(entry, claim, now),
        serve=lambda now: release_hold(entry_id=entry.id, hold_id=claim.id, now=now),
        path="",
        body={},
        status=204,
        accept=lambda _expected, _found: None,
    )


def pay(world: World, entry: Entry, claim: Claim) -> Request:
    def accept(payment: Payment, found: Any) -> None:
        balance = world.sales.balance(claim.customer)
        if isinstance(found, dict):
            payment.id = found["id"]
            same("paid", (found["amount"], found["balance"]), (claim.total, balance))
            accept_reservation(claim, found["reservation"], "confirmed")
        else:
            payment.id = found.payment.pk
            same("paid", (found.payment.amount, found.balance), (claim.total, balance))

    return Request(
        name="pay",
        customer=entry.customer,
        entry=entry,
        predict=lambda now: world.sales.pay(entry, claim, now),
        serve=lambda now: pay_reservation(entry_id=entry.id, reservation_id=claim.id, now=now),
        path="/payments",
        body={"reservation_id": claim.id},
        status=201,
        accept=accept,
    )


def cancel(world: World, customer: int, claim: Claim) -> Request:
    return Request(
        name="cancel",
        customer=customer,
        entry=None,
        predict=lambda now: world.sales.cancel(customer, claim, now),
        serve=lambda now: cancel_reservation(
            customer_id=customer, reservation_id=claim.id, now=now
        ),
        path=f"/reservations/{claim.id}/cancel",
        body={},
        status=200,
        accept=lambda _claim, found: accept_reservation(claim, found, "cancelled"),
    )


def charge(world: World, customer: int, amount: int) -> Request:
    def accept(balance: int, found: Any) -> None:
        charged = found["balance"] if isinstance(found, dict) else found[0].balance
        same("charged", charged, balance)

    return Request(
        name="charge",
        customer=customer,
        entry=None,
        predict=lambda now: world.sales.charge(customer, amount, now),
        serve=lambda now: charge_wallet(customer_id=customer, amount=amount, now=now),
        path="/wallet/charges",
        body={"amount": amount},
        status=201,
        accept=accept,
    )
