"""The whole database, and what the product's reads make of it, against the model."""

from datetime import datetime
from typing import Any

from apps.concerts.models import Performance
from apps.core.models import IdempotencyKey
from apps.payments.models import Payment
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.selectors import get_entry, get_line_status
from apps.reservations.availability import list_free_seats, list_seats
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.selectors import public_status
from apps.wallet.models import Wallet, WalletEntry
from tests.stateful.world import World

PUBLIC_STATUS = {"reserved": "pending_payment"}


def assert_as_modelled(world: World, now: datetime) -> None:
    """Assert that rows and reads are what the model says."""
    assert_line(world, now)
    assert_reservations(world, now)
    assert_money(world)
    assert_dates(world, now)
    assert_kept_answers(world)


def same(what: str, found: Any, expected: Any) -> None:
    assert found == expected, f"{what}:\n  found    {found}\n  expected {expected}"


def assert_line(world: World, now: datetime) -> None:
    """Who is where in line, since when and until when; who is inside by the clock; the positions."""
    fields = (
        "id", "room__slug", "customer_id", "number", "place", "state", "joined_at", "admitted_at",
        "session_expires_at", "ended_at", "end_reason", "presence__last_seen_at",
    )  # fmt: skip
    found = {row[0]: row for row in QueueEntry.objects.values_list(*fields)}
    expected = {
        e.id: (
            e.id, e.room.slug, e.customer, e.number, e.number, e.state, e.joined_at, e.admitted_at,
            e.session_expires_at, e.ended_at, e.end_reason,
            None if e.state == "ended" else e.last_seen_at,
        )
        for e in world.entries
    }  # fmt: skip
    for entry_id in found | expected:
        same("entry", found.get(entry_id), expected.get(entry_id))
    for room in WaitingRoom.objects.all():
        modelled = next(r for r in world.rooms if r.slug == room.slug)
        inside = set(QueueEntry.objects.admitted(room, now).values_list("pk", flat=True))
        same("inside", inside, {e.id for e in modelled.inside() if e.is_inside(now)})
        assert len(inside) <= modelled.capacity, f"{room.slug} is over its capacity"
    for entry in world.entries:
        if entry.state == "waiting":
            status = get_line_status(get_entry(entry.id), now=now)
            same(f"position of {entry}", status.position, entry.room.position(entry))


def assert_reservations(world: World, now: datetime) -> None:
    """Every claim, its seats at their prices, and its status by the clock."""
    found = {row.pk: row for row in Reservation.objects.all()}
    same("reservations", set(found), {claim.id for claim in world.sales.claims})
    for claim in world.sales.claims:
        row = found[claim.id]
        same(
            f"{claim}",
            (
                row.customer_id, row.performance_id, row.status, row.total, row.held_at,
                row.expires_at, row.reserved_at, row.confirmed_at, row.ended_at, row.end_cause,
                row.payment_id,
            ),
            (
                claim.customer, claim.performance.id, claim.status, claim.total, claim.held_at,
                claim.expires_at, claim.reserved_at, claim.confirmed_at, claim.ended_at,
                claim.end_cause, claim.payment and claim.payment.id,
            ),
        )  # fmt: skip
        status = claim.status_at(now)
        same(f"status of {claim}", public_status(row, now=now), PUBLIC_STATUS.get(status, status))
    lines = ReservationSeat.objects.values_list("reservation_id", "seat_id", "price", "released_at")
    same(
        "lines of reservations",
        sorted(lines, key=lambda row: row[:2]),
        sorted(
            (claim.id, seat.id, seat.price, claim.ended_at)
            for claim in world.sales.claims
            for seat in claim.seats
        ),
    )
    same(
        "live claims",
        set(Reservation.objects.live(now).values_list("pk", flat=True)),
        {claim.id for claim in world.sales.claims if claim.claims_seats(now)},
    )


def assert_money(world: World) -> None:
    """Payments, balances, and every line of the ledgers."""
    payments = Payment.objects.values_list(
        "id", "reservation_id", "customer_id", "status", "amount", "paid_at", "refunded_at"
    )
    same(
        "payments",
        sorted(payments),
        sorted(
            (
                claim.payment.id, claim.id, claim.customer,
                "refunded" if claim.payment.refunded_at else "succeeded",
                claim.total, claim.payment.paid_at, claim.payment.refunded_at,
            )
            for claim in world.sales.claims
            if claim.payment
        ),
    )  # fmt: skip
    same(
        "wallets",
        dict(Wallet.objects.values_list("customer_id", "balance")),
        {customer: world.sales.balance(customer) for customer in world.sales.ledgers},
    )
    postings: dict[int, list[tuple[Any, ...]]] = {}
    entries = WalletEntry.objects.order_by("pk").values_list(
        "wallet_id", "kind", "amount", "balance_after", "created_at", "reference"
    )
    for customer, *posting in entries:
        postings.setdefault(customer, []).append(tuple(posting))
    same(
        "ledgers",
        postings,
        {
            customer: [
                (p.kind, p.amount, p.balance_after, p.at, f"payment:{p.paid_for.id}" if p.paid_for else "")
                for p in ledger
            ]
            for customer, ledger in world.sales.ledgers.items()
        },
    )  # fmt: skip


def assert_dates(world: World, now: datetime) -> None:
    """How many seats of each show are free, and from which price to which."""
    free = {
        show.id: [s.price for s in show.seats if world.sales.seat_status(s, now) == "available"]
        for show in world.sales.performances
    }
    same(
        "free seats",
        {
            show.performance.pk: (show.count, show.price_min, show.price_max)
            for show in list_free_seats(list(Performance.objects.all()), now=now)
        },
        {show: (len(prices), min(prices), max(prices)) for show, prices in free.items() if prices},
    )


def assert_seats(world: World, show: Performance, now: datetime) -> None:
    """What the list of a show's seats says of each."""
    same(
        f"seats of {show}",
        {row["id"]: row["status"] for row in list_seats([show], now=now, include_all=True)},
        {
            seat.id: world.sales.seat_status(seat, now)
            for seat in world.sales.seats
            if seat.performance.id == show.pk
        },
    )


def assert_kept_answers(world: World) -> None:
    """The answers that are kept for repeated requests, and since when."""
    same(
        "kept answers",
        {
            (customer, key): at
            for customer, key, at in IdempotencyKey.objects.values_list(
                "customer_id", "key", "created_at"
            )
        },
        {asked: kept.at for asked, kept in world.kept.items()},
    )
