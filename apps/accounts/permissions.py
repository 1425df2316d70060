"""Who may ask at all."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts.errors import InvalidAccessToken, NotAuthenticated
from apps.accounts.selectors import is_known_customer


def require_signed_in(request: Request) -> int:
    """Return the id of the customer who signed in. Raise `NotAuthenticated`."""
    if request.user is None:
        raise NotAuthenticated
    customer_id: int = request.user.pk
    return customer_id


def require_known_customer(customer_id: int) -> None:
    """Raise `InvalidAccessToken` where the customer is gone or disabled."""
    if not is_known_customer(customer_id):
        raise InvalidAccessToken


class KnownCustomer(BasePermission):
    """Lets in customers who are signed in, exist and are not disabled."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True, or raise `NotAuthenticated` or `InvalidAccessToken`."""
        require_known_customer(require_signed_in(request))
        return True
