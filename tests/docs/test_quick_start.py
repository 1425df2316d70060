"""The concert file of docs/quick-start.md can be loaded. That of docs/concert-file.md: tests/config/."""

import re
from pathlib import Path

import pytest

from apps.concerts.models import Seat
from apps.reservations.catalogue import load_concerts, parse_concerts
from tests.factories import NOW

PAGE = Path(__file__).resolve().parents[2] / "docs" / "quick-start.md"
FILE = re.compile(r'```json\n(\{"concerts".*?)```', re.DOTALL)


@pytest.mark.django_db
def test_the_file_of_the_page_can_be_loaded():
    match = FILE.search(PAGE.read_text())
    assert match is not None
    load_concerts(parse_concerts(match[1].encode()), now=NOW)
    assert Seat.objects.count() == 50
