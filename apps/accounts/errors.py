"""What can go wrong while finding out who asks."""

from django.utils.translation import gettext_lazy as _

from apps.core.errors import Conflict, TooManyRequests, Unauthenticated


class NotAuthenticated(Unauthenticated):
    """No access token came with the request."""

    code = "not_authenticated"
    title = _("Not signed in")
    detail = _("Sign in first and send the access token as “Authorization: Bearer …”.")


class InvalidAccessToken(Unauthenticated):
    """The token is bad or expired, or its user is unknown or disabled (2.1.3)."""

    code = "invalid_access_token"
    title = _("Sign-in not valid")
    detail = _("Your sign-in has expired or is not valid. Please sign in again.")


class InvalidCredentials(Unauthenticated):
    """Wrong e-mail address or password."""

    code = "invalid_credentials"
    title = _("Wrong e-mail or password")
    detail = _("The e-mail address or the password is wrong.")


class TooManyFailedSignIns(TooManyRequests):
    """Too many sign-ins with this e-mail address have failed, whether anybody has it or not."""

    code = "too_many_failed_sign_ins"
    title = _("Too many failed sign-ins")
    detail = _("Signing in with this e-mail address has failed too often. Please try again later.")


class EmailTaken(Conflict):
    """Somebody signs in with this e-mail address already."""

    code = "email_taken"
    title = _("E-mail address taken")
    detail = _("A customer with this e-mail address exists already.")
