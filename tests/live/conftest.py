"""A real web server on a free port of this machine, over the test database."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """Return where the test database is."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password")
    query = urlencode({name: parameters[name] for name in names if parameters.get(name)})
    return f"postgresql:///{parameters['dbname']}?{query}"


@pytest.fixture
def server_environment() -> dict[str, str]:
    """Settings of the server that a module wants otherwise than they are."""
    return {}


@pytest.fixture
def server(
    transactional_db: None, settings: Any, server_environment: dict[str, str]
) -> Iterator[str]:
    """Yield the address of a granian with two workers, as `manage.py up` starts it."""
    port = find_free_port()
    environment = {
        **os.environ,
        "DEBUG": "0",
        "DATABASE_URL": database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_ONLY": "0",
        **server_environment,
    }
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "2", "--blocking-threads", "1", "--no-ws",
        "--workers-kill-timeout", "5",
        "config.wsgi:application",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        wait_until_up(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_until_up(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended by itself"
        try:
            if httpx.get(f"{address}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("the server did not answer in time")
