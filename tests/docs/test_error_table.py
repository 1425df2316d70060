"""The table of docs/api-guide.md has every code that the API may answer, with its status and its fields."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator

from apps.core import errors, problems
from apps.core.errors import DomainError
from apps.core.problems import status_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api-guide.md"
APPS = ("accounts", "concerts", "payments", "queue", "reservations", "wallet")
ROW = re.compile(
    r"^\| `(?P<code>\w+)` \| (?P<status>\d{3}) \| (?P<meaning>.+) \| .+ \|$", re.MULTILINE
)
CODE = re.compile(r"`(\w+)`")
# What any address may answer, whatever its endpoint says.
ANYWHERE = (
    errors.NotFound,
    errors.TooManyRequests,
    errors.Busy,
    problems.MethodNotAllowed,
    problems.RequestTooLarge,
    problems.UnsupportedMediaType,
    problems.InternalError,
)

Told = dict[str, tuple[int, str]]


def list_kinds(base: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for kind in base.__subclasses__():
        yield from list_kinds(kind)
        if "code" in vars(kind):
            yield kind


def find_api_errors() -> list[type[DomainError]]:
    """Return the errors of the API's own schema; all others are for staff and commands."""
    for app in APPS:
        import_module(f"apps.{app}.errors")
    schema = SchemaGenerator().get_schema(request=None, public=True)
    answered = {
        code
        for path in schema["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in CODE.findall(answer["description"])
    }
    kinds = [kind for kind in list_kinds() if kind.code in answered or kind in ANYWHERE]
    assert answered <= {kind.code for kind in kinds}
    return kinds


def read_table(page: str) -> Told:
    """Return status and meaning of each code."""
    return {row["code"]: (int(row["status"]), row["meaning"]) for row in ROW.finditer(page)}


def find_problems(kinds: list[type[DomainError]], told: Told) -> list[str]:
    """Return what the table lacks, has wrong, and has too much."""
    by_code = {kind.code: kind for kind in kinds}
    found = [f"{code} is not told" for code in by_code.keys() - told.keys()]
    found += [f"{code} is never answered" for code in told.keys() - by_code.keys()]
    for code in by_code.keys() & told.keys():
        kind, (status, meaning) = by_code[code], told[code]
        if status != status_of(kind):
            found.append(f"{code} is {status_of(kind)}, not {status}")
        found += [f"{code}: no `{name}`" for name in kind.example if f"`{name}`" not in meaning]
    return sorted(found)


def test_every_code_is_told():
    kinds = find_api_errors()
    assert len(kinds) > 30
    assert find_problems(kinds, read_table(PAGE.read_text())) == []


@pytest.mark.parametrize(
    ("row", "instead", "found"),
    [
        ("| `hold_expired` | 410 |", "| hold_expired | 410 |", "hold_expired is not told"),
        ("| `hold_expired` | 410 |", "| `hold_expired` | 409 |", "hold_expired is 410, not 409"),
        ("| `hold_expired` |", "| `hold_over` |", "hold_over is never answered"),
        ("the time is over; `expired_at`", "the time is over", "hold_expired: no `expired_at`"),
    ],
)
def test_a_stale_table_would_be_found(row: str, instead: str, found: str):
    page = PAGE.read_text()
    assert row in page
    assert found in find_problems(find_api_errors(), read_table(page.replace(row, instead)))
