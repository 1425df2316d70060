"""The queue token's header, and what every endpoint that asks for it may answer."""

from drf_spectacular.utils import OpenApiParameter

from apps.accounts.schema import SIGNED_IN
from apps.queue.errors import (
    QueueNotAdmitted,
    QueueTokenExpired,
    QueueTokenInvalid,
    QueueTokenRequired,
)
from apps.queue.permissions import HEADER

QUEUE_TOKEN = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, required=True, description="Your token in the line."
)
IN_LINE = (*SIGNED_IN, QueueTokenRequired, QueueTokenInvalid, QueueTokenExpired)
# For those inside alone.
INSIDE = (*IN_LINE, QueueNotAdmitted)
