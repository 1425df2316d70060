"""Access and refresh tokens: our own (HS256) and, where set up, those of an identity provider."""

from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

import jwt
from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.utils import aware_utcnow, datetime_from_epoch

from apps.accounts.errors import InvalidAccessToken
from apps.accounts.models import User
from apps.core.errors import Busy
from apps.core.limits import ID_MAX

# Changes with the password: a refresh token dies with the password that it was given for.
PASSWORD_CLAIM = "pwd"
SUBJECT_LENGTH_MAX = 255
# How many tokens a process remembers to have verified: some 30 MB, when so many are in use.
VERIFIED_TOKENS_MAX = 50_000
PROVIDER_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


def issue_tokens(user: User) -> dict[str, Any]:
    """Return a new pair of tokens and how many seconds the access token lasts."""
    refresh = RefreshToken.for_user(user)
    access = refresh.access_token
    refresh[PASSWORD_CLAIM] = user.get_session_auth_hash()
    return {
        "access": str(access),
        "refresh": str(refresh),
        "expires_in": int(access.lifetime.total_seconds()),
    }


def issue_access_token(customer_id: int, *, lifetime: timedelta) -> str:
    """Return an access token of its own that is good for `lifetime`, for rehearsals."""
    token = AccessToken()
    token.set_exp(lifetime=lifetime)
    token["sub"] = str(customer_id)
    return str(token)


def read_access_token(token: str) -> int:
    """Return the customer id that our own access token names, by its signature alone.

    Raise `InvalidAccessToken` when it is bad or expired.
    """
    try:
        customer_id, expires_at = _verify_access_token(token)
    except TokenError as error:
        raise InvalidAccessToken from error
    if expires_at <= aware_utcnow():
        raise InvalidAccessToken
    return customer_id


# Whoever waits asks again and again with one token. To check its signature each time was a fifth of
# what a poll costs.
@lru_cache(maxsize=VERIFIED_TOKENS_MAX)
def _verify_access_token(token: str) -> tuple[int, datetime]:
    """Return whom a token names and when it expires. Raise `TokenError` or `InvalidAccessToken`."""
    verified = AccessToken(token)  # type: ignore[arg-type]
    return _read_subject(verified), datetime_from_epoch(verified["exp"])


def read_refresh_token(token: str) -> tuple[int, str]:
    """Return the customer id and the password claim of a refresh token. Raise `InvalidAccessToken`."""
    try:
        refresh = RefreshToken(token)  # type: ignore[arg-type]
    except TokenError as error:
        raise InvalidAccessToken from error
    return _read_subject(refresh), str(refresh.payload.get(PASSWORD_CLAIM, ""))


def _read_subject(token: Any) -> int:
    subject = str(token.payload.get("sub", ""))
    if not (subject.isascii() and subject.isdigit() and 0 < int(subject[:20]) <= ID_MAX):
        raise InvalidAccessToken
    return int(subject)


def is_from_provider(token: str) -> bool:
    """Say whether the token claims to be from the identity provider; nothing is verified yet."""
    if not settings.JWT_ISSUER:
        return False
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return False
    return claims.get("iss") == settings.JWT_ISSUER


def read_provider_token(token: str) -> dict[str, Any]:
    """Return the verified claims of an identity provider's access token.

    Raise `InvalidAccessToken` when it is bad, expired or for somebody else's service, and `Busy` when
    the provider's keys cannot be had.
    """
    try:
        key = read_provider_keys().get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=PROVIDER_ALGORITHMS,
            issuer=settings.JWT_ISSUER,
            audience=settings.JWT_AUDIENCE,
            options={"require": ["exp", "sub"]},
        )
    except (jwt.InvalidTokenError, jwt.PyJWKClientError) as error:
        raise InvalidAccessToken from error
    subject = claims["sub"]
    if not 1 <= len(subject) <= SUBJECT_LENGTH_MAX or "\0" in subject:
        raise InvalidAccessToken
    return claims


def read_provider_keys() -> jwt.PyJWKClient:
    """Return the provider's keys, fetched where they are older than five minutes.

    Raise `Busy` where the provider gives none: that says nothing about anybody's token.
    """
    keys = _provider_keys(settings.JWT_JWKS_URL)
    try:
        keys.get_signing_keys()
    except (jwt.PyJWTError, ValueError, OSError) as error:
        raise Busy from error
    return keys


@cache
def _provider_keys(url: str) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(url, lifespan=300, timeout=5)
