"""From the bytes of a concert file to its entries, or to everything that is wrong with it."""

import json
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from apps.concerts import limits
from apps.concerts.concert_file.cross_checks import cross_check
from apps.concerts.concert_file.entries import ConcertFile, RoomT
from apps.concerts.concert_file.explanations import GIVEN_TWICE, explain_error
from apps.concerts.concert_file.problems import ConcertFileError, Problem

# More digits than any limit has; Python itself refuses to read some thousands of them.
_DIGITS_MAX = 1_000


def read_concert_file(path: Path, *, room: type[RoomT]) -> ConcertFile[RoomT]:
    """Return what the file at `path` says; `room` is the model of a concert's `room`.

    Raise `ConcertFileError` with everything that is wrong.
    """
    if path.is_dir():
        raise _error("is a directory; name the file in it")
    try:
        with path.open("rb") as file:
            content = file.read(limits.FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise _error("does not exist") from None
    except OSError as error:
        raise _error(f"cannot be read: {error.strerror}") from error
    return parse_concert_file(content, room=room)


def parse_concert_file(content: bytes, *, room: type[RoomT]) -> ConcertFile[RoomT]:
    """Return what the content of a file says. Raise `ConcertFileError` as `read_concert_file` does."""
    if len(content) > limits.FILE_BYTES_MAX:
        raise _error(f"is too large: at most {limits.FILE_BYTES_MAX:,} bytes are read")
    document = _parse_json(_decode(content))
    model = cast(type[ConcertFile[RoomT]], ConcertFile[room])  # type: ignore[valid-type]
    problems = list(cross_check(document))
    try:
        file = model.model_validate(document)
    except ValidationError as error:
        problems += [explain_error(details, model) for details in error.errors(include_url=False)]
    if problems:
        raise ConcertFileError(sorted(problems, key=_reading_order))
    return file


def _error(message: str) -> ConcertFileError:
    return ConcertFileError([Problem(place=(), message=message)])


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _error(
            f"is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}"
        ) from None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_build_object,
            parse_int=lambda digits: int(digits[:_DIGITS_MAX]),
        )
    except json.JSONDecodeError as error:
        raise _error(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise _error("is nested too deeply") from None


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for name, _value in pairs:
            if name in seen:
                fields[name] = GIVEN_TWICE
            seen.add(name)
    return fields


def _reading_order(problem: Problem) -> list[tuple[bool, int, str]]:
    return [
        (isinstance(part, int), part if isinstance(part, int) else 0, str(part))
        for part in problem.place
    ]
