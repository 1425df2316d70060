"""Use cases of signing in and of making customers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from apps.accounts import tokens
from apps.accounts.attempts import counted_attempt
from apps.accounts.errors import EmailTaken, InvalidAccessToken, InvalidCredentials
from apps.accounts.models import User, normalise_email
from apps.core.db import lock_rows, transaction


def sign_in(*, email: str, password: str, address: str, now: datetime) -> dict[str, Any]:
    """Return tokens for the customer with this e-mail and password, who asks from `address`.

    Raise `InvalidCredentials`, and `TooManyFailedSignIns` after too many of those, as long for an
    e-mail that nobody has as for a wrong password.
    """
    with counted_attempt(email=email, address=address, now=now):
        user = authenticate(username=normalise_email(email), password=password)
        if not isinstance(user, User):
            raise InvalidCredentials
    return tokens.issue_tokens(user)


def refresh_sign_in(*, refresh: str) -> dict[str, Any]:
    """Return new tokens for a refresh token.

    Raise `InvalidAccessToken` when it is bad, expired, or of a user who is gone, disabled or has
    another password since.
    """
    customer_id, password_claim = tokens.read_refresh_token(refresh)
    user = User.objects.filter(pk=customer_id, is_active=True).first()
    if user is None or password_claim != user.get_session_auth_hash():
        raise InvalidAccessToken
    return tokens.issue_tokens(user)


def admit_provider_customer(*, claims: Mapping[str, Any]) -> int:
    """Return the id of the identity provider's customer, made at first sight, by subject.

    The e-mail address is taken over only where the provider has verified it and nobody has it here:
    a claim must never open somebody else's account.
    """
    subject = str(claims["sub"])
    user = User.objects.filter(subject=subject).only("pk").first()
    if user is not None:
        return user.pk
    fields = {"name": read_name(claims), "password": make_password(None)}
    try:
        user, _ = User.objects.get_or_create(
            subject=subject, defaults={**fields, "email": read_verified_email(claims)}
        )
    except IntegrityError:
        # Somebody took the e-mail address between the look and the insert.
        user, _ = User.objects.get_or_create(subject=subject, defaults=fields)
    return user.pk


def read_verified_email(claims: Mapping[str, Any]) -> str | None:
    """Return the e-mail address that the provider vouches for and nobody has here, if any."""
    email = claims.get("email")
    if not claims.get("email_verified") or not isinstance(email, str):
        return None
    email = normalise_email(email)
    try:
        User._meta.get_field("email").run_validators(email)
    except ValidationError:
        return None
    return None if User.objects.filter(email=email).exists() else email


def read_name(claims: Mapping[str, Any]) -> str:
    """Return as much of the claimed name as can be stored."""
    name = claims.get("name")
    return name.replace("\0", "")[:100] if isinstance(name, str) else ""


@contextmanager
def refuse_taken_email() -> Iterator[None]:
    """Raise `EmailTaken` where the making of a user meets another with the same e-mail address."""
    try:
        yield
    except IntegrityError as error:
        raise EmailTaken from error


def create_customer(*, email: str, password: str | None, name: str = "") -> User:
    """Make one customer. Raise `EmailTaken`."""
    with refuse_taken_email(), transaction():
        return User.objects.create_user(email, password, name=name)


def create_staff(*, email: str, password: str) -> User:
    """Make a member of staff who may do everything. Raise `EmailTaken`."""
    with refuse_taken_email(), transaction():
        return User.objects.create_superuser(email, password)


def create_customers(*, emails: Sequence[str], rehearsal: str | None = None) -> int:
    """Make the customers that do not exist yet, without a password; return how many were new.

    Those of a `rehearsal` bear its name, and go with it.
    """
    wanted = [normalise_email(email) for email in emails]
    existing = set(User.objects.filter(email__in=wanted).values_list("email", flat=True))
    no_password = make_password(None)
    new = [
        User(email=email, password=no_password, rehearsal=rehearsal)
        for email in wanted
        if email not in existing
    ]
    # Somebody else may be making the same: then theirs stand.
    User.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def lock_customers(*, emails: Sequence[str]) -> dict[str, int]:
    """Lock those of the customers who exist; return their ids by e-mail. The caller holds a transaction."""
    wanted = [normalise_email(email) for email in emails]
    customers = lock_rows(User.objects.filter(email__in=wanted).only("email"))
    return {customer.email: customer.pk for customer in customers if customer.email}
