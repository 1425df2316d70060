"""The examples of docs/api-guide.md, run against a whole Encore with its demo, as a reader runs them."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.running.encore import ROOT, Encore
from tests.running.examples import Example, find_differences, read_examples, run_examples

PAGE = ROOT / "docs" / "api-guide.md"
ADDRESS = "http://127.0.0.1:8000"
# What a reader does in the back office.
OPEN_LATER = """
.venv/bin/python manage.py shell -v 0 -c "
from datetime import timedelta
from apps.core.audit import Actor
from apps.core.clock import read_clock
from apps.queue.selectors import get_room
from apps.queue.steering import steer_room
now = read_clock()
steer_room(room_id=get_room('gocheok').pk, changes={'opens_at': now + timedelta(hours=1)},
           actor=Actor(name='guide'), reason='to see a lobby', now=now)"
"""
STEPS = {"the room gocheok opens in an hour": OPEN_LATER}

# All of it is the set-up of the first test: a whole start and some sixty commands.
pytestmark = pytest.mark.timeout(300)
Answers = list[tuple[Example, str]]


@pytest.fixture(scope="module")
def encore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encore]:
    running = Encore(tmp_path_factory.mktemp("guide") / "data", settings={})
    running.start()
    yield running
    if running.process is not None:
        running.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def answers(encore: Encore) -> Answers:
    """Each example of the page with what it printed."""
    page = PAGE.read_text().replace(ADDRESS, encore.address)
    examples = read_examples(page, STEPS)
    printed = run_examples(examples, environment={"DATA_DIR": str(encore.data_dir)})
    return list(zip(examples, printed, strict=True))


def list_differences(answers: Answers) -> list[str]:
    return [
        f"{PAGE.name}:{example.line}: {difference}"
        for example, printed in answers
        for difference in find_differences(example, printed)
    ]


def test_every_answer_is_as_the_page_shows_it(answers: Answers):
    assert sum(bool(example.kind) for example, _printed in answers) > 20
    assert list_differences(answers) == []


@pytest.mark.parametrize(
    ("shown", "instead", "told"),
    [
        ('"total": 264000', '"total": 264001', "264001 is shown, 264000 came"),
        ('"end_cause": null', '"end_reason": null', "there is no end_reason"),
        ('  "currency": "KRW",\n  "held_at"', '  "held_at"', "currency is not shown"),
        ('"held_at": "2', '"held_at": "Monday, 2', "is shown"),
        ("HTTP/1.1 401 Unauthorized", "HTTP/1.1 403 Forbidden", "HTTP/1.1 403 Forbidden"),
        ("www-authenticate: Bearer", "www-authenticate: Basic", "www-authenticate"),
        ("\nwww-authenticate", "\nx-authenticate", "no such header"),
        ('"alternatives": [[', '"alternatives": [[1, 2], [', "4 are shown, 3 came"),
        ('"access": "eyJhbGci…"', '"access": "gAAAAAB…"', "gAAAAAB"),
        ("['held', 'held']", "['held', 'sold']", "sold"),
    ],
)
def test_a_stale_page_would_be_found(answers: Answers, shown: str, instead: str, told: str):
    damaged = [
        (replace(example, shown=example.shown.replace(shown, instead)), printed)
        for example, printed in answers
    ]
    assert told in "\n".join(list_differences(damaged))


def test_an_answer_that_nobody_asks_for_would_be_found():
    page = "```sh\ntrue\n```\n```json\n{}\n```\n```json\n{}\n```\n"
    with pytest.raises(ValueError, match="line 7: an answer to no commands"):
        read_examples(page)


def test_a_command_that_fails_would_be_found(tmp_path: Path):
    examples = read_examples("```sh\nfalse\necho never\n```\n")
    with pytest.raises(AssertionError):
        run_examples(examples, environment={"DATA_DIR": str(tmp_path)})
