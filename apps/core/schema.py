"""Words for the API schema that every view uses: which problems an endpoint answers, and its headers."""

from collections import defaultdict
from typing import Any

from django.utils import translation
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from apps.core.errors import DomainError, IdempotencyKeyInUse, IdempotencyKeyReused
from apps.core.limits import IDEMPOTENCY_KEY_LENGTH_MAX
from apps.core.problems import CONTENT_TYPE, problem_body, status_of

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {
        "type": "string",
        "minLength": 1,
        "maxLength": IDEMPOTENCY_KEY_LENGTH_MAX,
        "pattern": r"^[\x21-\x7e]+$",
    },
    OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters. The same key with the same request gets the "
    "first answer again, with `Idempotent-Replayed: true`.",
)
# What every endpoint that takes the key may answer.
RETRIED = (IdempotencyKeyInUse, IdempotencyKeyReused)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The `ETag` that the client has."
)


def path_id(name: str, description: str) -> OpenApiParameter:
    """Describe an id in the path."""
    return OpenApiParameter(
        name, OpenApiTypes.INT64, OpenApiParameter.PATH, description=description
    )


class ProblemOutput(serializers.Serializer[None]):
    """An error (RFC 9457). `code` is stable; further fields depend on it."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()


def problems(*kinds: type[DomainError]) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the responses of an endpoint that may raise `kinds`, an example for each code."""
    by_status: dict[int, list[type[DomainError]]] = defaultdict(list)
    for kind in kinds:
        by_status[status_of(kind)].append(kind)
    return {
        (status, CONTENT_TYPE): OpenApiResponse(
            ProblemOutput,
            description=", ".join(f"`{kind.code}`" for kind in same_status),
            examples=[_example_of(kind) for kind in same_status],
        )
        for status, same_status in by_status.items()
    }


def _example_of(kind: type[DomainError]) -> OpenApiExample:
    with translation.override("en"):
        body: dict[str, Any] = {
            name: str(value) if name in ("title", "detail") else value
            for name, value in problem_body(kind, kind.example).items()
        }
    return OpenApiExample(
        kind.code,
        body,
        response_only=True,
        media_type=CONTENT_TYPE,
        status_codes=[str(status_of(kind))],
    )
