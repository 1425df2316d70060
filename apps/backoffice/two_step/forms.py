"""The forms that ask for codes."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

CODE_LENGTH_MAX = 32


class CodeForm(forms.Form):
    """Asks for a code of the authenticator that is set up, or for a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=CODE_LENGTH_MAX,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        ),
        help_text=_(
            "The six digits that your authenticator shows now, or one of your recovery codes."
        ),
    )

    def __init__(self, *args: Any, focus: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if focus:
            self.fields["code"].widget.attrs["autofocus"] = True


class SetUpForm(forms.Form):
    """Asks for the first code of a new authenticator."""

    code = forms.CharField(
        label=_("Code of the new authenticator"),
        max_length=CODE_LENGTH_MAX,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}
        ),
        help_text=_("The six digits that it shows now: they prove that it works."),
    )


class ReplaceForm(SetUpForm):
    """Asks for a code of the authenticator before, too."""

    current_code = forms.CharField(
        label=_("Code of the authenticator until now"),
        max_length=CODE_LENGTH_MAX,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("Or one of your recovery codes."),
    )
    field_order = ("current_code", "code")
