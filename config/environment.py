"""Typed reading of environment variables. A wrong value stops the start with its name and what it should be."""

import os
import re
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from config.network import CACHE_LIMITS

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off")
# Django's names of what libpq calls otherwise.
LIBPQ_OPTIONS = {
    "NAME": "dbname",
    "USER": "user",
    "PASSWORD": "password",
    "HOST": "host",
    "PORT": "port",
}

_env = environ.Env()


def is_set(name: str) -> bool:
    """Say whether the variable has a value; an empty one counts as not set."""
    return bool(os.environ.get(name, "").strip())


def read_text(name: str, default: str = "") -> str:
    """Return the text of `name`, or `default`."""
    return os.environ[name].strip() if is_set(name) else default


def read_flag(name: str, default: bool) -> bool:
    """Return the truth of `name`. Raise `ImproperlyConfigured` on any other word than 1/0, true/false, yes/no, on/off."""
    word = read_text(name).lower()
    if not word:
        return default
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {word!r}.")
    return word in TRUE_WORDS


def read_integer(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return the whole number of `name`. Raise `ImproperlyConfigured` when it is none or out of range."""
    text = read_text(name)
    if not text:
        return default
    # `int` alone would take 1_000 and digits of other scripts.
    value = int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
    if value is None or not minimum <= value <= maximum:
        raise ImproperlyConfigured(
            f"{name} must be a whole number from {minimum} to {maximum}, not {text!r}."
        )
    return value


def read_choice(name: str, default: str, choices: Sequence[str]) -> str:
    """Return the word of `name`. Raise `ImproperlyConfigured` when it is none of `choices`."""
    word = read_text(name, default)
    if word not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {word!r}.")
    return word


def read_list(name: str, default: list[str]) -> list[str]:
    """Return the comma-separated words of `name`, or `default`."""
    if not is_set(name):
        return default
    return [word.strip() for word in os.environ[name].split(",") if word.strip()]


def read_time_zone(name: str, default: str) -> str:
    """Return an IANA time zone's name. Raise `ImproperlyConfigured` when it is unknown."""
    zone = read_text(name, default)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ImproperlyConfigured(
            f"{name} must be an IANA time zone such as Asia/Seoul, not {zone!r}."
        ) from error
    return zone


def read_database(name: str) -> dict[str, Any]:
    """Return Django's settings for the PostgreSQL URL of `name`, read as libpq reads it.

    Raise `ImproperlyConfigured` for any other database.
    """
    url = read_text(name)
    expected = (
        f"{name} must be a PostgreSQL URL such as postgresql://user:password@host:5432/encore"
    )
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(f"{expected}.")
    try:
        options = conninfo_to_dict(url)
    except ProgrammingError:
        # The URL is not shown, nor what libpq says of it: either may hold a password.
        raise ImproperlyConfigured(f"{expected}.") from None
    if not re.fullmatch(r"[0-9]*", str(options.get("port") or "")):
        raise ImproperlyConfigured(f"{expected}: the port is no number.")
    if not options.get("dbname"):
        raise ImproperlyConfigured(f"{expected}: the database's name is missing.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{key: options.pop(option, "") for key, option in LIBPQ_OPTIONS.items()},
        "OPTIONS": options,
    }


def read_cache(name: str, default: str) -> dict[str, Any]:
    """Return Django's settings for the cache URL of `name`. Raise `ImproperlyConfigured` when it is no such URL."""
    url = read_text(name, default)
    try:
        urlsplit(url).port  # noqa: B018  raises ValueError where it is no number
        cache = dict(_env.cache_url_config(url))
    except Exception:
        # django-environ raises KeyError, ValueError and its own types here, by kind of mistake; what
        # they say may hold a password.
        raise ImproperlyConfigured(
            f"{name} must be a cache URL such as redis://host:6379/1 or locmemcache://."
        ) from None
    if cache["BACKEND"].endswith(".RedisCache"):
        cache["OPTIONS"] = {**CACHE_LIMITS, **cache.get("OPTIONS", {})}
    return cache


def read_url(name: str, default: str, schemes: Collection[str]) -> str:
    """Return the URL of `name`. Raise `ImproperlyConfigured` when its scheme is none of `schemes`."""
    url = read_text(name, default)
    scheme, separator, rest = url.partition("://")
    try:
        urlsplit(url).port  # noqa: B018  raises ValueError where it is no number
    except ValueError:
        separator = ""
    if url and not (separator and scheme in schemes and (rest or default == url)):
        raise ImproperlyConfigured(
            f"{name} must be a URL that begins with one of {', '.join(sorted(schemes))}, then ://."
        )
    return url
