"""The form by which staff adjust a balance, in the unit that people count in."""

import uuid
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision
from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.core.confirmation import ReasonForm
from apps.wallet.limits import BALANCE_MAX

_REFERENCE = RegexValidator(r"^adjustment:[0-9a-f]{32}$")


class AmountField(forms.DecimalField):
    """An amount of money, with or without commas between the thousands; its value is in the minor unit."""

    def __init__(self, *, currency: str, **kwargs: Any) -> None:
        self.minor_digits = get_currency_precision(currency)
        limit = Decimal(BALANCE_MAX).scaleb(-self.minor_digits)
        super().__init__(
            decimal_places=self.minor_digits, min_value=-limit, max_value=limit, **kwargs
        )

    def to_python(self, value: Any) -> Any:
        """Return the number that was typed."""
        typed = value.replace(",", "") if isinstance(value, str) else value
        return super().to_python(typed)

    def clean(self, value: Any) -> Any:
        """Return the amount in the minor unit. Raise `ValidationError`."""
        amount = super().clean(value)
        return int(amount.scaleb(self.minor_digits))


class AdjustForm(ReasonForm):
    """How much, and why. The reference is the form's own: sent twice, it books once."""

    field_order = ("amount", "reason", "reference")
    reference = forms.CharField(widget=forms.HiddenInput(), validators=[_REFERENCE])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        currency = self.initial["currency"]
        self.fields["amount"] = AmountField(
            currency=currency,
            label=_("Amount (%(currency)s)") % {"currency": currency},
            widget=UnfoldAdminTextInputWidget(
                attrs={"inputmode": "text", "autocomplete": "off", "dir": "ltr"}
            ),
            help_text=_("Into the wallet; with a minus sign before it, out of the wallet: -5000."),
        )
        self.order_fields(self.field_order)


def make_reference() -> str:
    """Return a reference that no form has had yet."""
    return f"adjustment:{uuid.uuid4().hex}"
