"""Passwords in the environment are never written, whatever fails: not by the programs that start, not by
the worker, not by the supervisor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "p4ssw0rd"
# Nobody listens on port 9.
ADDRESS = f"encore:{PASSWORD}@127.0.0.1:9"
SETTINGS = {
    "DATABASE_URL": f"postgresql://{ADDRESS}/tickets",
    "CACHE_URL": f"redis://{ADDRESS}/1",
    "CELERY_BROKER_URL": f"redis://{ADDRESS}/0",
    "SECRET_KEY": PASSWORD * 10,
    "ALLOWED_HOSTS": "tickets.example",
    "HTTPS_ONLY": "0",
}
CELERY = ("-m", "celery", "-A", "config")


@pytest.fixture
def run(tmp_path):
    """Return a runner of programs that returns all they wrote, to their end or to the word in it."""

    def run(*arguments, until="", **variables):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(tmp_path),
            **SETTINGS,
            **variables,
        }
        with subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as program:
            written = ""
            for line in program.stdout:
                written += line
                if until and until in line:
                    program.kill()
        return written

    return run


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("manage.py", "expire_holds"), "refused"),
        (("manage.py", "migrate"), "refused"),
        (("manage.py", "up", "--no-demo"), "refused"),
        ((*CELERY, "worker", "--pool", "threads", "--loglevel", "DEBUG"), "redis://"),
        ((*CELERY, "beat", "--pidfile=", "--loglevel", "DEBUG"), "refused"),
    ],
    ids=["sweep", "migrate", "supervisor", "worker", "beat"],
)
def test_what_cannot_be_reached_is_told_without_its_password(run, arguments, word, log_format):
    written = run(*arguments, until=word, LOG_FORMAT=log_format)
    assert word in written
    assert PASSWORD not in written


@pytest.mark.parametrize("program", [("manage.py", "check"), (*CELERY, "beat")])
@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", f"postgresql://encore:{PASSWORD}%zz@db.example/tickets"),
        ("DATABASE_URL", f"postgresql://encore:{PASSWORD}/x@db.example/tickets"),
        ("DATABASE_URL", f"mysql://encore:{PASSWORD}@db.example/tickets"),
        ("CACHE_URL", f"redis://:{PASSWORD}/x@cache.example/1"),
        ("CELERY_BROKER_URL", f"redis://:{PASSWORD}/x@broker.example/1"),
        ("JWT_JWKS_URL", f"https://id:{PASSWORD}/x@id.example/jwks"),
    ],
)
def test_a_malformed_address_is_told_without_its_password(run, program, name, url):
    written = run(*program, **{name: url})
    assert f"{name} must be a" in written
    assert PASSWORD not in written


@pytest.mark.parametrize("broker", [SETTINGS["CELERY_BROKER_URL"], ""], ids=["redis", "pgmq"])
def test_celerys_report_of_all_settings_tells_no_password(run, broker):
    written = run(*CELERY, "report", CELERY_BROKER_URL=broker)
    assert "CELERY_BROKER_URL: '********'" in written
    assert "ROOM_CAPACITY: 500" in written
    assert PASSWORD not in written
