"""Rate limits: fixed windows of a minute, counted in the cache."""

import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.core.errors import TooManyRequests

WINDOW_S = 60


class RequestThrottle(BaseThrottle):
    """Counts a signed-in customer's requests, and those of an address that is not signed in."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return True, or raise `TooManyRequests`."""
        if settings.THROTTLE_ENABLED:
            bucket, limit = self.choose_bucket(request)
            count_request(bucket=bucket, limit=limit)
        return True

    def choose_bucket(self, request: Request) -> tuple[str, int]:
        """Return whose requests are counted, and how many a minute are allowed."""
        if request.user is not None:
            return f"customer:{request.user.pk}", settings.THROTTLE_CUSTOMER_PER_MINUTE
        return f"address:{self.get_ident(request)}", settings.THROTTLE_ADDRESS_PER_MINUTE


class SignInThrottle(RequestThrottle):
    """Counts the sign-ins from one address."""

    def choose_bucket(self, request: Request) -> tuple[str, int]:
        """Return the address, and how many sign-ins a minute are allowed."""
        return f"sign-in:{self.get_ident(request)}", settings.THROTTLE_LOGIN_PER_MINUTE


def count_request(*, bucket: str, limit: int) -> None:
    """Count one request in the bucket's current minute. Raise `TooManyRequests` over `limit`."""
    window, elapsed_s = divmod(int(time.time()), WINDOW_S)
    key = f"throttle:{bucket}:{window}"
    cache.add(key, 0, timeout=WINDOW_S)
    try:
        count = cache.incr(key)
    except ValueError:
        return  # the window ended between the two calls
    if count > limit:
        raise TooManyRequests(retry_after_seconds=WINDOW_S - elapsed_s)
