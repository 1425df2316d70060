"""Serializer fields that take JSON types at their word: a number is no text, a text no number."""

from typing import Any, cast

from rest_framework import serializers
from rest_framework.fields import SkipField, empty
from rest_framework.request import Request

from apps.core.limits import ID_MAX


class WholeNumberField(serializers.IntegerField):
    """A JSON whole number; texts, fractions and booleans are refused."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number. Raise `ValidationError` for anything that is no whole number."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class IdField(WholeNumberField):
    """An id: a whole number within 64 bits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=ID_MAX, **kwargs)


class TextField(serializers.CharField):
    """A JSON text; numbers are refused."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text. Raise `ValidationError` for anything that is no text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


def read_field(request: Request, name: str, serializer: type[serializers.Serializer[Any]]) -> Any:
    """Return the body's member of a name as the serializer's field of that name reads it; None where it
    is not there and need not be.

    Raise `ValidationError` as the serializer would, which copies and binds its fields for each request:
    that took longer than looking for the seats.
    """
    body = cast(dict[str, Any], request.data)  # our parser returns nothing else
    try:
        return serializer._declared_fields[name].run_validation(body.get(name, empty))
    except SkipField:
        return None
    except serializers.ValidationError as error:
        raise serializers.ValidationError({name: error.detail}) from error
