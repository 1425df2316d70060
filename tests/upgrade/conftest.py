"""A PostgreSQL for several nodes, with its log kept, and what both versions are."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.upgrade.fleet import Fleet
from tests.upgrade.server import Server
from tests.upgrade.versions import Version, check_out, find_old_commit, working_tree

# A line for each request of each buyer would bury what a failing test has to say.
logging.getLogger("httpx").setLevel(logging.WARNING)

ROOM_CAPACITY = 6


@pytest.fixture(scope="session")
def new() -> Version:
    return working_tree()


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return check_out(find_old_commit(), folder=tmp_path_factory.mktemp("old"))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """An empty database, and whatever a test starts on it."""
    server = Server(tmp_path / "database")
    server.start()
    try:
        fleet = Fleet(server, folder=tmp_path, room_capacity=ROOM_CAPACITY)
        try:
            yield fleet
        finally:
            fleet.stop(*fleet.nodes)
    finally:
        server.stop()
