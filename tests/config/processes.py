"""`python manage.py …` as an operator runs it: a process of its own, over the test database."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.live.conftest import database_url

ROOT = Path(__file__).resolve().parents[2]


def environment(**variables: str) -> Mapping[str, str]:
    """Return the settings of a process over the test database."""
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "DEBUG": "1",
        "COLUMNS": "80",
        # A busy machine is slow, and what is logged of it is no part of what is tested.
        "SLOW_QUERY_MS": "0",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }


def manage(*arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def managing(*arguments: object, **options: Any) -> "Iterator[subprocess.Popen[str]]":
    """Run a command for the time of the block."""
    variables = options.pop("variables", {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment(**variables),
        **{"text": True, **pipes, **options},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
