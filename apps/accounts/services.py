"""Use cases of signing in and of making customers."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password

from apps.accounts import tokens
from apps.accounts.errors import EmailTaken, InvalidAccessToken, InvalidCredentials
from apps.accounts.models import User, normalise_email
from apps.core.db import lock_rows, transaction


def sign_in(*, email: str, password: str) -> dict[str, Any]:
    """Return tokens for the customer with this e-mail and password. Raise `InvalidCredentials`."""
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
    email = normalise_email(str(claims.get("email") or "")) or None
    if not claims.get("email_verified") or User.objects.filter(email=email).exists():
        email = None
    with transaction():
        user, _ = User.objects.get_or_create(
            subject=subject,
            defaults={
                "email": email,
                "name": str(claims.get("name") or "")[:100],
                "password": make_password(None),
            },
        )
    return user.pk


def create_customer(*, email: str, password: str | None, name: str = "") -> User:
    """Make one customer. Raise `EmailTaken`."""
    if User.objects.filter(email=normalise_email(email)).exists():
        raise EmailTaken
    return User.objects.create_user(email, password, name=name)


def create_staff(*, email: str, password: str) -> User:
    """Make a member of staff who may do everything. Raise `EmailTaken`."""
    if User.objects.filter(email=normalise_email(email)).exists():
        raise EmailTaken
    return User.objects.create_superuser(email, password)


def create_customers(*, emails: Sequence[str]) -> int:
    """Make the customers that do not exist yet, without a password; return how many were new."""
    wanted = [normalise_email(email) for email in emails]
    existing = set(User.objects.filter(email__in=wanted).values_list("email", flat=True))
    no_password = make_password(None)
    new = [User(email=email, password=no_password) for email in wanted if email not in existing]
    # Somebody else may be making the same: then theirs stand.
    User.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def lock_customers(*, emails: Sequence[str]) -> dict[str, int]:
    """Lock those of the customers who exist; return their ids by e-mail. The caller holds a transaction."""
    wanted = [normalise_email(email) for email in emails]
    customers = lock_rows(User.objects.filter(email__in=wanted).only("email"))
    return {customer.email: customer.pk for customer in customers if customer.email}
