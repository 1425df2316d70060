"""Every text for people exists in Korean and English."""

import polib
import pytest

from tests.messages import CATALOGUES, find_problems


def test_translations_are_complete_and_compiled():
    assert CATALOGUES
    assert find_problems() == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_placeholders_survive_translation(path):
    for entry in polib.pofile(str(path)):
        assert entry.msgid.count("%(") == entry.msgstr.count("%("), entry.msgid
