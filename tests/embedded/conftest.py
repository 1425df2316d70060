"""What every test of processes starts from."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _the_end_of_a_terminal_is_noticed() -> Iterator[None]:
    """Undo what `nohup` asks for: whoever is started with it inherits that, and Encore respects it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
