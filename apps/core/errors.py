"""What can go wrong, by category. Each app names its own errors under one of these; HTTP is not known here."""

from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class DomainError(Exception):
    """Something that a caller did or wants cannot be. Nothing is written when one is raised.

    `code` is stable, for programs; `title` and `detail` are for people; the keyword arguments of an
    instance are the fields that the code promises.
    """

    code: ClassVar[str]
    title: ClassVar[str | Promise]
    detail: str | Promise
    # Names of the fields with an example each: the API schema shows them.
    example: ClassVar[dict[str, Any]] = {}

    def __init__(self, detail: str | Promise | None = None, **fields: Any) -> None:
        if detail is not None:
            self.detail = detail
        self.fields = fields
        super().__init__(self.code)


class Invalid(DomainError):
    """The request is malformed."""


class Unauthenticated(DomainError):
    """It is not known who asks."""


class PaymentNeeded(DomainError):
    """Money is missing."""


class Refused(DomainError):
    """The caller may not, or not yet."""


class Missing(DomainError):
    """There is no such thing, or it is somebody else's."""


class Conflict(DomainError):
    """The thing is in a state that does not allow it."""


class Over(DomainError):
    """The time for it is over."""


class Mismatch(DomainError):
    """The request contradicts an earlier one."""


class TooMany(DomainError):
    """The caller asks too often."""


class Overloaded(DomainError):
    """The service did not answer in time."""


class InvalidRequest(Invalid):
    """The request is malformed; `errors` lists each wrong field."""

    code = "invalid_request"
    title = _("Invalid request")
    detail = _("The request has errors. Correct the fields named in “errors” and send it again.")
    example = {
        "errors": [{"field": "amount", "code": "required", "detail": "This field is required."}]
    }

    @classmethod
    def of(cls, field: str, code: str, detail: str | Promise) -> "InvalidRequest":
        """Return the error of one field."""
        return cls(errors=[{"field": field, "code": code, "detail": detail}])


class NotFound(Missing):
    """There is nothing at this address."""

    code = "not_found"
    title = _("Not found")
    detail = _("There is nothing at this address.")


class Busy(Overloaded):
    """A lock or the database did not answer in time."""

    code = "busy"
    title = _("Busy")
    detail = _("Many people are asking for the same thing right now. Please try again in a moment.")


class TooManyRequests(TooMany):
    """Over the rate limit; `retry_after_seconds` later it may be tried again."""

    code = "too_many_requests"
    title = _("Too many requests")
    detail = _("Requests arrive too often. Please wait a moment and try again.")

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class IdempotencyKeyReused(Mismatch):
    """The key came before with another request."""

    code = "idempotency_key_reused"
    title = _("Idempotency key reused")
    detail = _("This Idempotency-Key was sent before with a different request. Use a new key.")


class IdempotencyKeyInUse(Conflict):
    """The first request with the key is still running."""

    code = "idempotency_key_in_use"
    title = _("Request still in progress")
    detail = _("The first request with this Idempotency-Key is still being processed.")
