"""Demo data: concerts worth looking at, a customer with money, and a member of staff.

The last step of a first start makes the last of the concerts, so where that one is, all else is, and a
first start that was interrupted is completed by the next.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from apps.accounts.models import User
from apps.accounts.services import create_staff
from apps.concerts.models import Concert, Performance
from apps.core.db import transaction
from apps.payments.services import pay_reservation
from apps.queue.services import issue_token
from apps.reservations.availability import list_seats
from apps.reservations.catalogue import load_concerts, parse_concerts
from apps.reservations.selectors import count_claimed_seats
from apps.reservations.services import hold_seats, reserve_hold
from config.customers import make_customer, make_customers
from config.demo_concerts import build_concerts

FAN_EMAIL = "fan@encore.example"
FAN_PASSWORD = "encore-demo"
FAN_BALANCE = 1_000_000
STAFF_EMAIL = "staff@encore.example"

MADE_LAST = "first-snow"
NEARLY_SOLD_OUT = "jazz-salon"
# Section, row and number of the seats that are left.
SEATS_LEFT = {("나", "5", "2"), ("나", "5", "3"), ("다", "8", "5")}
BUYER_BALANCE = 500_000


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """How to sign in to the demo, with the password that it was made with, where that is known."""

    role: str
    email: str
    password: str | None


def is_loaded() -> bool:
    """Say whether nothing of the demo is missing."""
    return Concert.objects.filter(slug=MADE_LAST).exists()


def load_demo(*, password_file: Path, now: datetime) -> bool:
    """Make what is missing of the demo; return whether anything was. The staff password goes to a file."""
    if is_loaded():
        return False
    if not User.objects.filter(email=FAN_EMAIL).exists():
        make_customer(email=FAN_EMAIL, password=FAN_PASSWORD, balance=FAN_BALANCE, now=now)
    if not User.objects.filter(email=STAFF_EMAIL).exists():
        create_staff(email=STAFF_EMAIL, password=keep_password(password_file))
    concerts = build_concerts(now)
    last = concerts.pop(MADE_LAST)
    for slug in Concert.objects.filter(slug__in=concerts).values_list("slug", flat=True):
        # Loaded again it would have shows at other times as well.
        del concerts[slug]
    if concerts:
        _load(list(concerts.values()), now=now)
    sell_nearly_out(now=now)
    _load([last], now=now)
    return True


def _load(concerts: list[dict[str, Any]], *, now: datetime) -> None:
    load_concerts(parse_concerts(json.dumps({"concerts": concerts}).encode()), now=now)


def keep_password(path: Path) -> str:
    """Return the password kept in the file, made at first need, readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        fresh.touch(mode=0o600)
        fresh.write_text(f"{secrets.token_urlsafe(12)}\n")
        # A rename leaves no half a file behind, whenever this stops.
        fresh.replace(path)
    return path.read_text().strip()


def sell_nearly_out(*, now: datetime) -> None:
    """Have demo customers buy all seats of one concert but `SEATS_LEFT`, four at a time."""
    performance = Performance.objects.select_related("concert").get(concert__slug=NEARLY_SOLD_OUT)
    free = [
        seat["id"]
        for seat in list_seats([performance], now=now, include_all=False)
        if (seat["section"], seat["row"], seat["number"]) not in SEATS_LEFT
    ]
    size = performance.concert.seats_per_customer
    buyers = -(-performance.seats.count() // size)
    emails = [f"audience{number:02}@encore.example" for number in range(1, buyers + 1)]
    customers = make_customers(emails=emails, balance=BUYER_BALANCE, now=now).ids
    for email in emails:
        customer_id = customers[email]
        # Who has bought in a first start that was interrupted needs no more.
        if free and not count_claimed_seats(customer_id, performance.pk, now=now):
            buy_seats(customer_id, performance, free[:size], now=now)
            del free[:size]


def buy_seats(
    customer_id: int, performance: Performance, seat_ids: list[int], *, now: datetime
) -> None:
    """Take a customer from the line to the payment, in one commit."""
    with transaction():
        entry = issue_token(
            customer_id=customer_id, room_slug=performance.concert.room, now=now
        ).status.entry
        hold = hold_seats(
            entry_id=entry.pk,
            concert_id=performance.concert_id,
            date=performance.date,
            seat_ids=seat_ids,
            now=now,
        )
        reserve_hold(entry_id=entry.pk, hold_id=hold.pk, now=now)
        pay_reservation(entry_id=entry.pk, reservation_id=hold.pk, now=now)


def list_sign_ins(*, password_file: Path) -> list[SignIn]:
    """Return how to sign in as the demo's customer and staff, with the passwords they began with."""
    passwords = {FAN_EMAIL: FAN_PASSWORD, STAFF_EMAIL: _read_password(password_file)}
    roles = {FAN_EMAIL: "customer", STAFF_EMAIL: "staff"}
    existing = set(User.objects.filter(email__in=passwords).values_list("email", flat=True))
    return [
        SignIn(role=roles[email], email=email, password=password)
        for email, password in passwords.items()
        if email in existing
    ]


def _read_password(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return None
