"""The map of races says what is there: every fence, every race and every control."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest
from django.db import connection

from tests.concurrency.fences import FENCES, PAIRS, describe

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
# How a control takes a fence away.
TAKEN_AWAY = (
    "take_locks_away",
    "take_key_lock_away",
    "take_from_sql",
    "lock_seats_by",
    "without_unique_indexes",
    "monkeypatch.setattr",
)
# This one leaves out what the fence is: the condition of the rows to delete.
BY_HAND = {
    "test_keys.test_an_old_key_is_renewed_and_then_pruned_by_id_alone",
    # And this one runs a count that takes its marks too late.
    "test_line.test_who_leaves_during_a_count_that_takes_the_marks_last_is_never_counted",
}

RACES = sorted({name for fence in FENCES for name in fence.races})
CONTROLS = sorted({name for fence in FENCES for name in fence.controls})
FUNCTIONS = sorted({name for fence in FENCES for name in fence.made_of if ":" not in name})
IN_DATABASE = sorted({name for fence in FENCES for name in fence.made_of if ":" in name})


def find_test(name):
    module, function = name.split(".")
    return getattr(import_module(f"tests.concurrency.{module}"), function)


@pytest.mark.parametrize("name", RACES)
def test_the_race_is_there(name):
    assert callable(find_test(name))


@pytest.mark.parametrize("name", CONTROLS)
def test_the_control_takes_something_away(name):
    source = inspect.getsource(find_test(name))
    assert name in BY_HAND or any(word in source for word in TAKEN_AWAY)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_fence_is_there(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(module), attribute)


@pytest.mark.django_db
@pytest.mark.parametrize("name", IN_DATABASE)
def test_the_fence_is_in_the_database(name):
    kind, _, relation = name.partition(":")
    query = {
        "index": "SELECT indisunique FROM pg_index WHERE indexrelid = to_regclass(%s)",
        "trigger": "SELECT tgenabled = 'O' FROM pg_trigger WHERE tgname = %s",
    }[kind]
    with connection.cursor() as cursor:
        cursor.execute(query, [relation])
        assert cursor.fetchone() == (True,)


def test_every_pair_that_can_meet_has_a_fence_a_race_and_a_control():
    assert {fence.between for fence in FENCES} >= PAIRS
    assert [fence for fence in FENCES if not (fence.races and fence.controls)] == []


def test_the_document_has_the_map():
    assert describe() in DOCUMENT.read_text()
