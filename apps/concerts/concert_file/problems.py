"""What is wrong with a concert file: a message and its place, and how both show what the file says."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Place = tuple[str | int, ...]

_SHOWN_LENGTH_MAX = 60


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, and where: `concerts[0].performances[1].sections[0].price`."""

    place: Place
    message: str

    @property
    def written_place(self) -> str:
        """Return the place as messages have it; empty for the whole file."""
        return format_place(self.place)

    def __str__(self) -> str:
        return f"{self.written_place}: {self.message}" if self.place else self.message


class ConcertFileError(Exception):
    """A concert file cannot be loaded; `problems` names everything that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


def format_place(place: Place) -> str:
    """Return a place as it is written in messages."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"\w+", part):
            text += f".{part}"
        else:
            text += f".{json.dumps(clip_text(part))}"
    return text.removeprefix(".")


def describe_value(value: Any) -> str:
    """Return a value of the file as messages show it."""
    match value:
        case None | True | False:
            return json.dumps(value)
        case str():
            return f"the text “{clip_text(value)}”"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
    return clip_text(str(value))


def clip_text(text: str) -> str:
    """Return a text of the file in a length and in characters that any message can show."""
    shown = text if len(text) <= _SHOWN_LENGTH_MAX else f"{text[:_SHOWN_LENGTH_MAX]}…"
    return shown.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
