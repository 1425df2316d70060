"""Rate limits: fixed windows of a minute, counted in the cache before anything reads the database.

Every request of the API counts against its address; where somebody is signed in it counts against the
customer too, as soon as the access token has said who it is, and a sign-in once more against its address.
"""

import logging
import re
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, ip_address
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.core.errors import TooManyRequests
from apps.core.problems import problem_response
from apps.core.rehearsals import is_rehearsing

logger = logging.getLogger(__name__)

WINDOW_S = 60
PREFIX = "/api/v1/"
# How many addresses a process remembers to have read: some 2 MB, when so many ask.
ADDRESSES_MAX = 10_000
# As proxies write them, some with a port: 192.0.2.1, 192.0.2.1:443, 2001:db8::1, [2001:db8::1]:443.
ADDRESS = re.compile(r"\[(?P<six>[^]]*)\](:\d+)?|(?P<four>[\d.]+)(:\d+)?|(?P<bare>[0-9a-fA-F:.]+)")


def count_addresses(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Count the API's requests against their addresses: a middleware, before tokens are looked at.

    A rehearsal plays all its customers from one address, and is not counted against it.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(PREFIX) and not is_rehearsing(request):
            try:
                count_request(
                    bucket=f"a{address_of(request)}", limit=settings.THROTTLE_ADDRESS_PER_MINUTE
                )
            except TooManyRequests as error:
                return problem_response(error)
        return get_response(request)

    return answer


def count_customer(customer_id: int) -> None:
    """Count a signed-in customer's request, wherever it comes from. Raise `TooManyRequests`."""
    count_request(bucket=f"c{customer_id}", limit=settings.THROTTLE_CUSTOMER_PER_MINUTE)


def count_sign_in(request: HttpRequest | Request) -> None:
    """Count a sign-in against its address. Raise `TooManyRequests`."""
    count_request(bucket=f"s{address_of(request)}", limit=settings.THROTTLE_LOGIN_PER_MINUTE)


class SignInThrottle(BaseThrottle):
    """Counts the sign-ins from one address."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Return True, or raise `TooManyRequests`."""
        count_sign_in(request)
        return True


def count_request(*, bucket: str, limit: int) -> None:
    """Count one request in the bucket's current minute. Raise `TooManyRequests` over `limit`."""
    if not settings.THROTTLE_ENABLED:
        return
    window, elapsed_s = divmod(int(time.time()), WINDOW_S)
    key = f"{bucket}-{window}"
    try:
        count = _increment(key)
    except choose_cache_errors() as error:
        # What only counts must not stop what sells.
        logger.warning("requests are not counted: %s", error)
        return
    if count > limit:
        raise TooManyRequests(retry_after_seconds=WINDOW_S - elapsed_s)


def choose_cache_errors() -> type[Exception]:
    """Return what is raised where the cache does not answer.

    It is asked for when something has been raised, so where the cache is no Redis, the 8 MB of its library
    are not loaded in any process.
    """
    from redis.exceptions import RedisError

    return RedisError


def _increment(key: str) -> int:
    try:
        return cache.incr(key)
    except ValueError:
        # The first of its minute. Kept for two, so that no counter ends between two steps.
        return 1 if cache.add(key, 1, timeout=2 * WINDOW_S) else cache.incr(key)


def address_of(request: HttpRequest | Request) -> str:
    """Return where a request comes from: an IPv4 address, or the /64 of an IPv6 one.

    `X-Forwarded-For` is believed as far as our own `PROXY_COUNT` proxies have written it, each an address
    at its end; of a request that has passed fewer, nothing is.
    """
    proxies = settings.PROXY_COUNT
    if proxies:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", proxies)
        if len(hops) >= proxies and (claimed := network_of(hops[-proxies])):
            return claimed
    return network_of(request.META.get("REMOTE_ADDR") or "")


@lru_cache(maxsize=ADDRESSES_MAX)
def network_of(text: str) -> str:
    """Return the IPv4 address, or the first half of the IPv6 one: a subscriber has all of a /64.
    Empty where `text` is no address."""
    written = ADDRESS.fullmatch(text.strip())
    if written is None:
        return ""
    try:
        address = ip_address(written["six"] or written["four"] or written["bare"])
    except ValueError:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or address.packed[:8].hex())
