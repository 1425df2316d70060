"""Who asks: the customer of the access token in `Authorization: Bearer …`."""

from dataclasses import dataclass

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts import services, tokens
from apps.core.throttles import count_customer


@dataclass(frozen=True)
class TokenCustomer:
    """The customer whom an access token names. That they still exist is for a permission to say."""

    pk: int
    is_authenticated: bool = True


class AccessTokenAuthentication(BaseAuthentication):
    """Checks the token's signature, without a look-up of our own customers, and counts their requests:
    permissions that read the database come after it."""

    def authenticate(self, request: Request) -> tuple[TokenCustomer, str] | None:
        """Return the customer, None without a token. Raise `InvalidAccessToken`, `TooManyRequests`."""
        # Not `headers`, which would first be made of all that the request has.
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        if tokens.is_from_provider(token):
            claims = tokens.read_provider_token(token)
            customer_id = services.admit_provider_customer(claims=claims)
        else:
            customer_id = tokens.read_access_token(token)
        count_customer(customer_id)
        return TokenCustomer(customer_id), token


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the access token for the API schema."""

    target_class = AccessTokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the security scheme."""
        return build_bearer_security_scheme_object(
            header_name="Authorization", token_prefix="Bearer", bearer_format="JWT"
        )
