"""Tables for spreadsheets, written line by line."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

# Excel takes a file for UTF-8 where it begins with this.
_BYTE_ORDER_MARK = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """What `csv` writes to; it hands the line back."""

    def write(self, line: str) -> str:
        return line


def write_csv(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield a table as CSV, a line at a time; no text in it is taken for a formula."""
    writer = csv.writer(_Line())
    yield _BYTE_ORDER_MARK + writer.writerow(heading)
    for row in rows:
        yield writer.writerow([disarm(cell) for cell in row])


def disarm(cell: Any) -> Any:
    """Return a cell that a spreadsheet shows as it is, and does not compute."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
