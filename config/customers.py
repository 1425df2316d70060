"""Making customers with money: accounts and wallets together, in one transaction."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email

from apps.accounts import services as accounts
from apps.core.db import transaction
from apps.wallet import services as wallet
from apps.wallet.limits import BALANCE_MAX

EMAIL_LENGTH_MAX = 254


@dataclass(frozen=True, kw_only=True)
class CustomerBatch:
    """Customers by e-mail with their ids, and how many of them, and of their wallets, are new."""

    ids: dict[str, int]
    customers_made: int
    wallets_opened: int


def make_customer(*, email: str, password: str | None, balance: int, now: datetime) -> int:
    """Make one customer with `balance` (in the minor unit) and return the id. Raise `EmailTaken`."""
    with transaction():
        customer = accounts.create_customer(email=email, password=password)
        if balance:
            wallet.charge_wallet(customer_id=customer.pk, amount=balance, now=now)
    return customer.pk


def make_customers(
    *, emails: Sequence[str], balance: int, now: datetime, rehearsal: str | None = None
) -> CustomerBatch:
    """Make the customers that do not exist, and a wallet with `balance` for those who have none.

    Without a balance nobody gets a wallet: it is made at first need. Those of a `rehearsal` go with it.
    """
    with transaction():
        made = accounts.create_customers(emails=emails, rehearsal=rehearsal)
        ids = accounts.lock_customers(emails=emails)
        opened = 0
        if balance:
            opened = wallet.open_wallets(customer_ids=list(ids.values()), balance=balance, now=now)
    return CustomerBatch(ids=ids, customers_made=made, wallets_opened=opened)


def read_email(text: str) -> str:
    """Return an e-mail address that an operator typed. Raise `CommandError` where it is none."""
    email = text.strip()
    try:
        validate_email(email)
    except ValidationError:
        raise CommandError(f"EMAIL must be an e-mail address, not {text!r}.") from None
    if len(email) > EMAIL_LENGTH_MAX:
        raise CommandError(f"EMAIL must have at most {EMAIL_LENGTH_MAX} characters.")
    return email


def read_balance(text: str | int) -> int:
    """Return a balance that an operator typed. Raise `CommandError` where no wallet can hold it."""
    return read_number(text, name="--balance", minimum=0, maximum=BALANCE_MAX)


def read_number(text: str | int, *, name: str, minimum: int, maximum: int) -> int:
    """Return a whole number that an operator typed. Raise `CommandError` outside the limits."""
    typed = str(text).strip()
    # No number in the limits has more digits than the greatest.
    if re.fullmatch(rf"-?[0-9]{{1,{len(str(maximum))}}}", typed):
        number = int(typed)
        if minimum <= number <= maximum:
            return number
    raise CommandError(f"{name} must be a whole number from {minimum} to {maximum}, not {typed!r}.")
