"""What staff type into the search box of a list, read by its form, so that each search asks one index."""

import re

from apps.core.limits import ID_MAX

_NUMBER = re.compile(r"#?([0-9]{1,19})")
_REFERENCE = re.compile(r"([a-z]+):([0-9]{1,19})")


def read_number(text: str) -> int | None:
    """Return the number that is typed as “42” or “#42”; None where it is something else."""
    match = _NUMBER.fullmatch(text)
    return _read_id(match[1]) if match else None


def read_reference(text: str) -> tuple[str, int] | None:
    """Return kind and number of what is typed as records and the ledger write it, “payment:42”; None
    where it is something else."""
    match = _REFERENCE.fullmatch(text.lower())
    number = _read_id(match[2]) if match else None
    return (match[1], number) if match and number is not None else None


def _read_id(digits: str) -> int | None:
    number = int(digits)
    return number if number <= ID_MAX else None
