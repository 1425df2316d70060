"""What can go wrong with codes."""

from django.utils.translation import gettext_lazy as _

from apps.core.errors import Conflict, Refused, TooManyRequests


class WrongCode(Refused):
    """The code is wrong, was used before, or is no longer good."""

    code = "wrong_code"
    title = _("Wrong code")
    detail = _("This code is wrong, or was used before. Wait for the next one and type that.")


class CodeTooSoon(TooManyRequests):
    """After wrong codes the next is heard only after a while, which grows with each."""

    code = "code_too_soon"
    title = _("Too many wrong codes")
    detail = _("There were wrong codes. Please wait a little before the next one.")


class TwoStepChanged(Conflict):
    """Another session has set up, or begun to set up, meanwhile."""

    code = "two_step_changed"
    title = _("Two-step sign-in was changed")
    detail = _("Somebody has gone on elsewhere with your account. Scan the picture once more.")


class TwoStepOff(Conflict):
    """There is nothing to remove."""

    code = "two_step_off"
    title = _("No two-step sign-in")
    detail = _("This member of staff has no two-step sign-in.")
