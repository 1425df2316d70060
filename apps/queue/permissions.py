"""Where in line the caller is: the queue token of `X-Queue-Token`."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts.permissions import customer_id_of
from apps.core.clock import read_clock
from apps.queue.errors import QueueTokenRequired
from apps.queue.models import QueueEntry
from apps.queue.services import note_call
from apps.queue.transitions import require_admitted

HEADER = "X-Queue-Token"
META_KEY = "HTTP_X_QUEUE_TOKEN"


class HasQueueToken(BasePermission):
    """Lets in customers with a token of their own, live or ended, and notes that they called.

    Views find the entry with `entry_of`. Whether it is still in line is for the service to say, under
    its lock: a repeated request is answered although the token has ended.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True, or raise `NotAuthenticated`, `InvalidAccessToken`, `QueueTokenRequired` or
        `QueueTokenInvalid`."""
        customer_id = customer_id_of(request)
        token = request.META.get(META_KEY, "").strip()
        if not token:
            raise QueueTokenRequired
        entry = note_call(customer_id=customer_id, token=token, now=read_clock())
        request.queue_entry = entry  # type: ignore[attr-defined]
        return True


class IsAdmitted(HasQueueToken):
    """Lets in customers who are inside their room."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True, or raise also `QueueTokenExpired` or `QueueNotAdmitted`."""
        super().has_permission(request, view)
        require_admitted(entry_of(request), now=read_clock())
        return True


def entry_of(request: Request) -> QueueEntry:
    """Return the caller's entry, which `HasQueueToken` has found."""
    entry: QueueEntry = request.queue_entry  # type: ignore[attr-defined]
    return entry
