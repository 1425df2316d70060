"""`/auth`: signing in."""

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from apps.accounts import services
from apps.accounts.errors import InvalidAccessToken, InvalidCredentials, TooManyFailedSignIns
from apps.core.clock import read_clock
from apps.core.errors import Busy, InvalidRequest, TooManyRequests
from apps.core.fields import TextField
from apps.core.schema import problems
from apps.core.throttles import SignInThrottle, address_of

TOKENS_EXAMPLE = OpenApiExample(
    "tokens",
    {"access": "eyJhbGci…", "refresh": "eyJhbGci…", "expires_in": 1800},
    response_only=True,
)


class LoginInput(serializers.Serializer[None]):
    """An e-mail address and a password."""

    email = TextField(max_length=254)
    password = TextField(max_length=128, trim_whitespace=False)


class RefreshInput(serializers.Serializer[None]):
    """A refresh token."""

    refresh = TextField(max_length=4096)


class TokensOutput(serializers.Serializer[None]):
    """A pair of tokens."""

    access = serializers.CharField(help_text="Send it as `Authorization: Bearer …`.")
    refresh = serializers.CharField(help_text="Good for new tokens when the access token ends.")
    expires_in = serializers.IntegerField(help_text="Seconds that the access token lasts.")


@extend_schema_view(
    login=extend_schema(
        operation_id="sign_in",
        summary="Sign in",
        request=LoginInput,
        responses={
            200: TokensOutput,
            **problems(
                InvalidRequest, InvalidCredentials, TooManyRequests, TooManyFailedSignIns, Busy
            ),
        },
        examples=[TOKENS_EXAMPLE],
    ),
    refresh=extend_schema(
        operation_id="refresh_sign_in",
        summary="Get new tokens",
        request=RefreshInput,
        responses={
            200: TokensOutput,
            **problems(InvalidRequest, InvalidAccessToken, TooManyRequests, Busy),
        },
        examples=[TOKENS_EXAMPLE],
    ),
)
class SignInViewSet(ViewSet):
    """Signing in with e-mail and password. Sign-up is the identity provider's."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (SignInThrottle,)

    @action(methods=["post"], detail=False)
    def login(self, request: Request) -> Response:
        """Answer tokens for an e-mail address and a password."""
        data = LoginInput(data=request.data)
        data.is_valid(raise_exception=True)
        tokens = services.sign_in(
            **data.validated_data, address=address_of(request), now=read_clock()
        )
        return Response(tokens)

    @action(methods=["post"], detail=False)
    def refresh(self, request: Request) -> Response:
        """Answer new tokens for a refresh token."""
        data = RefreshInput(data=request.data)
        data.is_valid(raise_exception=True)
        return Response(services.refresh_sign_in(**data.validated_data))
