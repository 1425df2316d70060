"""`Idempotency-Key`: a request that is sent again gets its first answer again, and has one effect."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.db import transaction
from apps.core.errors import IdempotencyKeyInUse, IdempotencyKeyReused, InvalidRequest
from apps.core.limits import IDEMPOTENCY_KEY_LENGTH_MAX
from apps.core.media import encode_json
from apps.core.models import IdempotencyKey

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


def answer_once(
    request: Request, *, now: datetime, status: int, act: Callable[[], Any]
) -> Response:
    """Answer `status` with what `act` returns, once for each key: a repetition gets the kept answer.

    `act` runs in one transaction with the keeping of its answer; an error keeps nothing, so the same
    key may be tried again. Without the header `act` simply runs. Keys belong to the customer and are
    kept `IDEMPOTENCY_HOURS`. Raise `InvalidRequest`, `IdempotencyKeyInUse` and `IdempotencyKeyReused`.
    """
    key = read_key(request)
    # Also where no field is looked at: a malformed body is refused before anything is done.
    digest = digest_request(request)
    with transaction():
        if key is None:
            return Response(act(), status=status)
        customer_id = cast(int, request.user.pk)
        lock_key(customer_id=customer_id, key=key)
        kept = IdempotencyKey.objects.filter(customer_id=customer_id, key=key).first()
        if kept and kept.created_at > now - timedelta(hours=settings.IDEMPOTENCY_HOURS):
            if bytes(kept.request_digest) != digest:
                raise IdempotencyKeyReused
            return Response(
                orjson.loads(kept.body), status=kept.status, headers={REPLAYED_HEADER: "true"}
            )
        answer = act()
        IdempotencyKey.objects.update_or_create(
            customer_id=customer_id,
            key=key,
            defaults={
                "request_digest": digest,
                "path": request.path,
                "status": status,
                "body": encode_json(answer).decode(),
                "created_at": now,
            },
        )
    return Response(answer, status=status)


def read_key(request: Request) -> str | None:
    """Return the key of the request, None without one. Raise `InvalidRequest` when it is malformed."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not VISIBLE_ASCII.fullmatch(key) or len(key) > IDEMPOTENCY_KEY_LENGTH_MAX:
        raise InvalidRequest.of(
            HEADER, "invalid", _("The key must be 1 to 255 visible ASCII characters.")
        )
    return key


def lock_key(*, customer_id: int, key: str) -> None:
    """Claim the key until the transaction ends. Raise `IdempotencyKeyInUse` when somebody has it.

    An advisory lock and not the row itself: a second request must be refused at once, where an
    insert would wait for the first one's commit.
    """
    digest = hashlib.blake2b(f"{customer_id}:{key}".encode(), digest_size=8).digest()
    lock_id = int.from_bytes(digest, "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_id])
        if not cursor.fetchone()[0]:
            raise IdempotencyKeyInUse


def digest_request(request: Request) -> bytes:
    """Return the SHA-256 of what makes two requests the same: method, path and the body's meaning."""
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(
        b"\n".join([str(request.method).encode(), request.path.encode(), body])
    ).digest()
