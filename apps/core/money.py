"""Amounts as people write them."""

from babel.numbers import format_currency, get_currency_precision
from django.utils.translation import get_language


def format_money(amount: int, currency: str) -> str:
    """Return `amount`, in the currency's minor unit, as the language in use writes it: “₩154,000”."""
    value = amount / 10 ** get_currency_precision(currency)
    return format_currency(value, currency, locale=(get_language() or "en").replace("-", "_"))
