"""Files that commands write: there when all of it is, and not before."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from django.core.management.base import CommandError


@contextmanager
def write_whole(path: Path, *, option: str, private: bool = False) -> Iterator[TextIO]:
    """Yield a text file that gets its name when the block ends well; else what was there stays.

    A `private` one may be read by its owner alone. Raise `CommandError`, with the `option` that named
    it, where it cannot be written.
    """
    if path.is_dir():
        raise CommandError(f"{path} is a directory; {option} needs a file.")
    # Beside its final place, so that a rename puts it there, whole.
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        unfinished.touch(mode=0o600 if private else 0o666)
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
