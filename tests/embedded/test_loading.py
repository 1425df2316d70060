"""What each process loads: a library that it has no use for is megabytes, and part of a second of each start."""

import subprocess
import sys
from pathlib import Path

from tests.embedded.test_supervisor import ROOT

WORKER = "import celery.bin.celery, config.celery; config.celery.app.loader.init_worker()"
WEB = "import config.wsgi"
# A port that it refuses, when it has loaded what it needs.
SUPERVISOR = """
from config import command_line
try:
    command_line.run(["manage.py", "up", "--port", "0"])
except SystemExit as end:
    assert end.code == 2
"""
CHECK = """
import django
from django.core.checks import run_checks
django.setup()
assert run_checks(tags=["admin"]) == []
"""


def load(program: str, data_dir: Path) -> set[str]:
    """Return the modules that are loaded when the program has run, and the packages that they are of."""
    printed = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "DATA_DIR": str(data_dir),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return set(printed.split())


def test_worker_and_beat_load_tasks_and_no_pages(tmp_path: Path) -> None:
    loaded = load(WORKER, tmp_path)
    assert {"apps.queue.tasks", "apps.reservations.tasks", "config.tasks"} <= loaded
    assert loaded.isdisjoint(("config.urls", "import_export.admin", "redis", "pydantic"))


def test_the_web_server_loads_all_pages_before_the_first_request(tmp_path: Path) -> None:
    loaded = load(WEB, tmp_path)
    assert {"apps.storefront.views", "apps.backoffice.admin", "config.celery"} <= loaded
    assert loaded.isdisjoint(("redis", "pydantic"))


def test_the_supervisor_loads_no_apps(tmp_path: Path) -> None:
    loaded = load(SUPERVISOR, tmp_path)
    assert "config.embedded.up" in loaded
    assert loaded.isdisjoint(("celery", "django.contrib.auth", "apps.accounts.models"))


def test_the_check_of_the_admin_loads_its_pages(tmp_path: Path) -> None:
    assert "apps.backoffice.admin" in load(CHECK, tmp_path)
