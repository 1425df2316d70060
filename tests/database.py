"""A pytest plugin: an embedded PostgreSQL of the tests' own, unless DATABASE_URL names another.

It is loaded with `-p` before Django reads its settings, because they say where the server is.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from config.embedded.postgres import EmbeddedPostgres

# Nothing of a test need survive a power cut.
SPEED_OVER_DURABILITY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
CONNECTIONS = {"max_connections": "200"}

_data_dir: Path | None = None
_server: EmbeddedPostgres | None = None

os.environ["DEBUG"] = "1"
os.environ["THROTTLE_ENABLED"] = "0"
# A busy machine must not add lines to the logs that tests read.
os.environ["SLOW_QUERY_MS"] = "0"
if not os.environ.get("DATABASE_URL"):
    _data_dir = Path(tempfile.mkdtemp(prefix="encore-tests-"))
    os.environ["DATA_DIR"] = str(_data_dir)
    _server = EmbeddedPostgres(
        _data_dir, server_settings={**SPEED_OVER_DURABILITY, **CONNECTIONS}, create_databases=True
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    if _server is not None:
        _server.start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    if _server is not None and _data_dir is not None:
        _server.stop()
        shutil.rmtree(_data_dir, ignore_errors=True)
