"""Who may ask at all."""

from typing import Any, cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts.errors import InvalidAccessToken, NotAuthenticated
from apps.accounts.selectors import is_known_customer


def customer_id_of(request: Request) -> int:
    """Return the id of the customer who signed in. Raise `NotAuthenticated` where nobody did."""
    if request.user is None:
        raise NotAuthenticated
    return cast(int, request.user.pk)


def require_known_customer(customer_id: int) -> None:
    """Raise `InvalidAccessToken` where the customer is gone or disabled."""
    if not is_known_customer(customer_id):
        raise InvalidAccessToken


class KnownCustomer(BasePermission):
    """Lets in customers who are signed in, exist and are not disabled."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True, or raise `NotAuthenticated` or `InvalidAccessToken`."""
        require_known_customer(customer_id_of(request))
        return True
