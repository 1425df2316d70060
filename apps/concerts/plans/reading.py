"""A plan from a file of its seats, CSV or JSON; what is wrong is told with its line."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from apps.concerts import limits
from apps.concerts.layout import Spot
from apps.concerts.plans.drawing import DrawnSeat, ListedSeat, put_in_order, require_seats
from apps.core.errors import InvalidRequest

# The texts of a seat, each as long as its column in the database.
TEXTS = {"section": 50, "row": 20, "number": 20, "grade": 50}
PLACES = ("x", "y")
COLUMNS = (*TEXTS, *PLACES)


def read_plan_file(content: bytes) -> list[DrawnSeat]:
    """Return the seats of a file in house order. JSON begins with “[” or “{”; all else is CSV.

    Raise `InvalidRequest` with what is wrong, up to `PLAN_FILE_PROBLEMS_MAX` of it.
    """
    if len(content) > limits.PLAN_FILE_BYTES_MAX:
        _refuse(_("The file is too large."))
    text = _decode(content)
    entries = _read_json(text) if text.lstrip()[:1] in ("[", "{") else _read_csv(text)
    reading = _Reading()
    seats = [seat for place, entry in entries if (seat := reading.read(place, entry))]
    reading.refuse()
    if not seats:
        _refuse(_("The file has no seats."))
    require_seats(len(seats))
    return put_in_order(seats)


def _refuse(*problems: str) -> NoReturn:
    errors = [{"field": "file", "code": "invalid", "detail": problem} for problem in problems]
    raise InvalidRequest(errors=errors)


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _refuse(_("Line %(line)s: the file is not UTF-8.") % {"line": line})


def _read_csv(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each row with its line. Raise `InvalidRequest` where the columns are not those of a plan."""
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        _check_columns(header)
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            place = _("Line %(line)s") % {"line": rows.line_num}
            if len(row) != len(header):
                told = _("%(place)s: it has %(count)s cells, the first line has %(columns)s.")
                _refuse(told % {"place": place, "count": len(row), "columns": len(header)})
            yield place, dict(zip(header, (cell.strip() for cell in row), strict=True))
    except csv.Error as error:
        _refuse(_("Line %(line)s: %(error)s") % {"line": rows.line_num, "error": error})


def _check_columns(header: list[str]) -> None:
    problems = [
        _("Line 1: the column “%(name)s” is missing.") % {"name": name}
        for name in COLUMNS
        if name not in header
    ]
    for name in dict.fromkeys(header):
        if name not in COLUMNS:
            problems.append(_("Line 1: the column “%(name)s” is unknown.") % {"name": name})
        elif header.count(name) > 1:
            problems.append(_("Line 1: the column “%(name)s” is there twice.") % {"name": name})
    if problems:
        _refuse(*problems[: limits.PLAN_FILE_PROBLEMS_MAX])


def _read_json(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each seat of `[{"section": …}, …]`, or of `{"seats": […]}`, with its number."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        told = _("Line %(line)s, column %(column)s: %(error)s")
        _refuse(told % {"line": error.lineno, "column": error.colno, "error": error.msg})
    except RecursionError:
        _refuse(_("The file is nested too deeply."))
    seats = document.get("seats") if isinstance(document, dict) else document
    if not isinstance(seats, list):
        _refuse(_("The file should be a list of seats, or have one named “seats”."))
    for index, entry in enumerate(seats, start=1):
        place = _("Seat %(number)s") % {"number": index}
        if not isinstance(entry, dict):
            _refuse(
                _("%(place)s: it should be an object with the fields of a seat.") % {"place": place}
            )
        yield place, entry


@dataclass
class _Reading:
    """One reading: collects what is wrong with the seats, and knows those that were there before."""

    problems: list[str] = field(default_factory=list)
    seen: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def read(self, place: str, entry: Mapping[str, Any]) -> ListedSeat | None:
        """Return the seat, or None and keep what is wrong with it."""
        known = len(self.problems)
        texts = {name: self._read_text(place, name, entry.get(name)) for name in TEXTS}
        x, y = (self._read_number(place, name, entry.get(name)) for name in PLACES)
        if len(self.problems) > known:
            self._stop_when_enough()
            return None
        key = (texts["section"], texts["row"], texts["number"])
        first = self.seen.setdefault(key, place)
        if first is not place:
            told = _("%(place)s: seat %(seat)s is there already: %(first)s.")
            seat = f"{texts['section']} {texts['row']}-{texts['number']}"
            self.problems.append(told % {"place": place, "seat": seat, "first": first})
            self._stop_when_enough()
        return ListedSeat(
            texts["section"], texts["grade"], Spot((), texts["row"], texts["number"], x, y)
        )

    def refuse(self) -> None:
        """Raise `InvalidRequest` where something is wrong."""
        if self.problems:
            _refuse(*self.problems)

    def _stop_when_enough(self) -> None:
        if len(self.problems) >= limits.PLAN_FILE_PROBLEMS_MAX:
            self.problems.append(_("The rest of the file was not looked at."))
            self.refuse()

    def _read_text(self, place: str, name: str, value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            self._note(place, name, _("it is missing"))
            return ""
        value = value.strip()
        longest = TEXTS[name]
        if len(value) > longest:
            self._note(place, name, _("it has more than %(most)s characters") % {"most": longest})
        elif not value.isprintable():
            self._note(place, name, _("it has characters that cannot be shown"))
        return value

    def _read_number(self, place: str, name: str, value: Any) -> float:
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise ValueError
            number = float(value)
        except (ValueError, OverflowError):
            number = float("nan")
        if not isfinite(number):
            self._note(place, name, _("it should be a number, is “%(value)s”") % {"value": value})
        elif abs(number) > limits.COORDINATE_MAX:
            most = f"{limits.COORDINATE_MAX:,}"
            self._note(place, name, _("it is further away than %(most)s") % {"most": most})
        return number

    def _note(self, place: str, name: str, what: str) -> None:
        told = _("%(place)s, %(name)s: %(what)s.") % {"place": place, "name": name, "what": what}
        self.problems.append(told)
