"""The admin's sign-in form."""

from typing import Any

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from apps.accounts.attempts import counted_attempt
from apps.core.clock import read_clock
from apps.core.errors import TooManyRequests
from apps.core.throttles import address_of, count_sign_in


class SignInForm(AuthenticationForm):
    """Signs staff in, under the limits of every other sign-in."""

    def clean(self) -> dict[str, Any]:
        """Check e-mail address and password, unless there were too many sign-ins."""
        assert self.request is not None, "the admin's view gives it"
        email, password = (self.cleaned_data.get(name) for name in ("username", "password"))
        if not (email and password):
            return super().clean()  # nothing to check: the fields have their errors
        try:
            count_sign_in(self.request)
            with counted_attempt(email=email, address=address_of(self.request), now=read_clock()):
                return super().clean()
        except TooManyRequests as error:
            raise ValidationError(error.detail, code=error.code) from error
