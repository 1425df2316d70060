"""What Encore stands on: pinned exactly, each with its reason, and audited honestly."""

import re
from pathlib import Path

import pytest

from tests.audit import SERVICES, audit

ROOT = Path(__file__).parent.parent.parent
FILES = ("requirements.txt", "requirements-dev.txt")

PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[a-z,]+\])?==[0-9][0-9a-z.]*  +# (?P<why>\S.*\S)")


def list_requirements(name):
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r "))]


def find_problems(lines):
    """Return the lines that are not pinned exactly or do not say why they are there."""
    return [line for line in lines if not PINNED.fullmatch(line)]


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_and_says_why(name):
    lines = list_requirements(name)
    assert len(lines) > 10
    assert find_problems(lines) == []


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_stands_once_in_alphabetical_order(name):
    names = [PINNED.fullmatch(line)["name"].lower() for line in list_requirements(name)]
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    "line",
    [
        "celery                 # runs the sweeps",
        "celery>=5.7.0          # runs the sweeps",
        "celery==5.*            # runs the sweeps",
        "celery~=5.7.0          # runs the sweeps",
        "celery==5.7.0",
        "celery==5.7.0          #",
        "celery @ https://example.org/celery.whl  # runs the sweeps",
    ],
)
def test_a_loose_one_would_be_found(line):
    assert find_problems([line]) == [line]


def test_every_exception_from_a_security_check_has_a_reason():
    excused = re.compile(r"#\s*(?:noqa: S[0-9]+|nosec\b(?: B[0-9]+)?)(?P<reason>[^\n]*)")
    found = [
        (path.name, match[0], match["reason"].strip())
        for folder in ("apps", "config")
        for path in (ROOT / folder).rglob("*.py")
        for match in excused.finditer(path.read_text())
    ]
    assert found
    assert [(name, text) for name, text, reason in found if len(reason.split()) < 2] == []


# The audit


def told(name, **fields):
    return {"name": name, "version": "1.0", "vulns": [], **fields}


FLAW = {"id": "CVE-2026-1", "fix_versions": ["1.1"]}
UNKNOWN = {"name": "b", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        ({"pypi": [told("a"), told("b")]}, 0, "2 packages have no known vulnerability"),
        ({"pypi": [told("a", vulns=[FLAW])]}, 1, "a 1.0: CVE-2026-1, fixed in 1.1"),
        ({"pypi": [told("a", vulns=[{**FLAW, "fix_versions": []}])]}, 1, "no version yet"),
        ({"pypi": [UNKNOWN], "osv": [told("b")]}, 0, "(osv)"),
        ({"pypi": [UNKNOWN], "osv": [told("b", vulns=[FLAW])]}, 1, "b 1.0: CVE-2026-1"),
        ({"pypi": [told("a", vulns=[FLAW]), UNKNOWN]}, 1, "CVE-2026-1"),
        ({"osv": [told("a"), UNKNOWN]}, 2, "NOT AUDITED: no service knows 1 packages: b"),
        ({"pypi": [UNKNOWN]}, 2, "no service knows 1 packages: b"),
        ({}, 2, "NOT AUDITED: no vulnerability service can be reached"),
    ],
)
def test_the_audit_says_what_was_asked_and_what_was_not(answers, status, words):
    told_status, lines = audit(lambda service: answers.get(service, []))
    assert told_status == status
    assert words in "\n".join(lines)


def test_the_audit_asks_more_than_one_service():
    asked = []
    audit(lambda service: asked.append(service) or [])
    assert asked == list(SERVICES)
