"""Who has two-step sign-in, and which sessions still owe the second step."""

from django.conf import settings
from django.http import HttpRequest
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice


def has_two_step(user_id: int | None) -> bool:
    """Say whether a member of staff has set it up."""
    return TOTPDevice.objects.filter(user_id=user_id, confirmed=True).exists()


def count_recovery_codes(user_id: int) -> int:
    """Return how many recovery codes are left."""
    return StaticToken.objects.filter(device__user_id=user_id, device__confirmed=True).count()


def is_verified(request: HttpRequest) -> bool:
    """Say whether the session has taken the second step."""
    return getattr(request.user, "otp_device", None) is not None


def is_required() -> bool:
    """Say whether every member of staff must have it."""
    return bool(settings.STAFF_TWO_STEP == "required")


def owes_step(request: HttpRequest) -> bool:
    """Say whether a signed-in member of staff must take the second step first, or set it up.

    Asked of the database once a request.
    """
    if is_verified(request):
        return False
    if not hasattr(request, "two_step_owed"):
        request.two_step_owed = (  # type: ignore[attr-defined]
            is_required() or has_two_step(request.user.pk)
        )
    return bool(request.two_step_owed)  # type: ignore[attr-defined]
