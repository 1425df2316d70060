"""Every text for people exists in Korean and English."""

import re

import polib
import pytest

from tests.messages import CATALOGUES, find_problems

PLACEHOLDER = re.compile(r"%\(\w+\)[ds]|{\w+}")


def wanted_of(entry):
    """Return the placeholders of the text; a plural says more than its singular."""
    return sorted(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))


def test_translations_are_complete_and_compiled():
    assert CATALOGUES
    assert find_problems() == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_placeholders_survive_translation(path):
    for entry in polib.pofile(str(path)):
        for text in (entry.msgstr_plural or {0: entry.msgstr}).values():
            assert sorted(PLACEHOLDER.findall(text)) == wanted_of(entry), entry.msgid
