"""How a rehearsal's report writes its figures."""

from datetime import UTC, datetime

from django.template import Library

register = Library()


@register.filter
def thousands(value: int) -> str:
    """Write a whole number."""
    return f"{value:,}"


@register.filter
def ms(value: float | str | None) -> str:
    """Write milliseconds, as seconds where they are many; nothing where nothing was measured."""
    if value is None or value == "":
        return ""
    number = float(value)
    return f"{number / 1_000:,.1f} s" if number >= 10_000 else f"{number:,.0f} ms"


@register.filter
def moment(text: str) -> str:
    """Write a moment of the report, in UTC."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


@register.filter
def words(name: str) -> str:
    """Write the name of a figure as words."""
    return name.replace("_", " ").capitalize()
