"""`Idempotency-Key`: a request that is sent again gets its first answer again, and has one effect."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from django.conf import settings
from django.db.models import BigIntegerField, CharField
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from apps.core.db import transaction
from apps.core.errors import IdempotencyKeyInUse, IdempotencyKeyReused, InvalidRequest
from apps.core.limits import IDEMPOTENCY_KEY_LENGTH_MAX
from apps.core.media import encode_json
from apps.core.models import IdempotencyKey
from apps.core.prepared import Prepared, Question, fetch_together, insert_row, new_instance

HEADER = "Idempotency-Key"
META_KEY = "HTTP_IDEMPOTENCY_KEY"
REPLAYED_HEADER = "Idempotent-Replayed"
KEPT = Prepared(
    lambda customer_id, key: IdempotencyKey.objects.filter(customer_id=customer_id, key=key),
    customer_id=BigIntegerField(),
    key=CharField(),
)
_CLAIM = "SELECT pg_try_advisory_xact_lock(%s)"
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


def answer_once(
    request: Request, *, now: datetime, status: int, act: Callable[[], Any]
) -> HttpResponse:
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
            return answer_json(encode_json(act()), status=status)
        customer_id = cast(int, request.user.pk)
        kept = claim_key(customer_id=customer_id, key=key)
        if kept and kept.created_at > now - timedelta(hours=settings.IDEMPOTENCY_HOURS):
            if bytes(kept.request_digest) != digest:
                raise IdempotencyKeyReused
            return answer_json(kept.body, status=kept.status, headers={REPLAYED_HEADER: "true"})
        body = encode_json(act()).decode()
        kept = new_instance(
            IdempotencyKey,
            customer_id=customer_id,
            key=key,
            request_digest=digest,
            path=request.path,
            status=status,
            body=body,
            created_at=now,
        )
        # One that is forgotten by now acts anew.
        insert_row(kept, in_place_of=("customer_id", "key"))
    return answer_json(body, status=status)


def answer_json(
    body: str | bytes, *, status: int, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Answer what is JSON already, without the rendering that a `Response` puts off."""
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


def read_key(request: Request) -> str | None:
    """Return the key of the request, None without one. Raise `InvalidRequest` when it is malformed."""
    key = request.META.get(META_KEY)
    if key is None:
        return None
    if not VISIBLE_ASCII.fullmatch(key) or len(key) > IDEMPOTENCY_KEY_LENGTH_MAX:
        raise InvalidRequest.of(
            HEADER, "invalid", _("The key must be 1 to 255 visible ASCII characters.")
        )
    return key


def claim_key(*, customer_id: int, key: str) -> IdempotencyKey | None:
    """Claim the key until the transaction ends, and return the answer that is kept for it. Raise
    `IdempotencyKeyInUse` when somebody has it.

    An advisory lock and not the row itself: a second request must be refused at once, where an
    insert would wait for the first one's commit.
    """
    digest = hashlib.blake2b(f"{customer_id}:{key}".encode(), digest_size=8).digest()
    lock_id = int.from_bytes(digest, "big", signed=True)
    ((claimed,),), kept = fetch_together(
        Question(_CLAIM, [lock_id]),
        KEPT.ask(customer_id=customer_id, key=key),
    )
    if not claimed:
        raise IdempotencyKeyInUse
    return next(iter(kept), None)


def digest_request(request: Request) -> bytes:
    """Return the SHA-256 of what makes two requests the same: method, path and the body's meaning."""
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(
        b"\n".join([str(request.method).encode(), request.path.encode(), body])
    ).digest()
