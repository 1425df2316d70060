"""What the parts of the model share: a refusal, and how Hypothesis prints them."""

from typing import Any


class Refused(Exception):
    """The name of the product's error, and the fields that it should have."""

    def __init__(self, name: str, **fields: Any) -> None:
        self.name = name
        self.fields = fields
        super().__init__(f"{name} {fields}")


class Brief:
    """Something that a failing sequence names by its `repr`, and not by all that is in it."""

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))
