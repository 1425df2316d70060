"""How lines are written: for people and for programs, by every process, and nothing injected."""

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.test import RequestFactory

from apps.core.request_ids import begin_work, end_work
from config.logs import ConsoleLine, JsonLine, describe_logging
from tests.running.encore import find_free_port

ROOT = Path(__file__).resolve().parents[2]
logger = logging.getLogger("apps.somewhere")


@pytest.fixture(autouse=True)
def _request():
    token = begin_work(request_id="r-1", caller="")
    yield
    end_work(token)


def write(formatter, level, message, *values, **kwargs):
    """Return what one record is written as."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    try:
        logger.log(level, message, *values, **kwargs)
    finally:
        logger.removeHandler(handler)
    return written.getvalue()


# For programs


def test_a_line_for_programs_has_these_fields():
    text = write(JsonLine(), logging.WARNING, "%d seats", 3)
    line = json.loads(text)
    assert list(line) == ["time", "level", "logger", "message", "request_id"]
    assert line["level"] == "WARNING"
    assert line["logger"] == "apps.somewhere"
    assert line["message"] == "3 seats"
    assert line["request_id"] == "r-1"
    time = datetime.fromisoformat(line["time"])
    assert time.utcoffset() == timedelta(0)
    assert abs(datetime.now(tz=time.tzinfo) - time) < timedelta(minutes=1)


def test_an_error_brings_its_traceback_in_the_same_line():
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        text = write(JsonLine(), logging.ERROR, "failed", exc_info=True)
    assert text.count("\n") == 1
    line = json.loads(text)
    assert line["exc_info"].startswith("Traceback (most recent call last)")
    assert line["exc_info"].endswith("ValueError: first\nsecond")


def test_extras_pass_but_the_request_itself():
    request = RequestFactory().get("/wallet?token=s3cret")
    extra = {"request": request, "status_code": 500, "duration_ms": 7}
    line = json.loads(write(JsonLine(), logging.ERROR, "failed", extra=extra))
    assert line["status_code"] == 500
    assert line["duration_ms"] == 7
    assert "s3cret" not in json.dumps(line)
    assert "request" not in line


@pytest.mark.parametrize("formatter", [JsonLine, ConsoleLine])
@pytest.mark.parametrize(
    "evil",
    ["a\nERROR b", "a\r\nb", "a\x1b[2Jb", "a\x00b", "a\x85b", "a\u2028b", "a\u2029b", "a\x9bb"],
)
def test_what_a_stranger_sends_ends_no_line_and_steers_no_terminal(formatter, evil):
    text = write(formatter(), logging.WARNING, "at %s", evil)
    assert text.splitlines(keepends=True) == [text]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


# For people


def test_a_line_for_people():
    text = write(ConsoleLine(), logging.WARNING, "예매 %d", 3)
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
    assert re.fullmatch(rf"{stamp} WARNING apps\.somewhere \[r-1\] 예매 3\n", text)


def test_people_see_the_traceback_below():
    try:
        raise ValueError("first")
    except ValueError:
        text = write(ConsoleLine(), logging.ERROR, "failed", exc_info=True)
    first, second, *_rest, last = text.splitlines()
    assert first.endswith("[r-1] failed")
    assert second == "Traceback (most recent call last):"
    assert last == "ValueError: first"


def test_a_record_is_the_same_for_the_next_handler():
    record = logger.makeRecord("x", logging.INFO, "f", 1, "a\nb", (), None)
    before = dict(vars(record)) | {"message": "a\nb"}
    ConsoleLine().format(record)
    assert {name: vars(record)[name] for name in before} == before
    assert not hasattr(record, "request_id")


def test_nothing_is_written_twice():
    described = describe_logging("json")
    assert [name for name, fields in described["loggers"].items() if fields.get("handlers")] == []


# The real processes


@pytest.fixture
def start(tmp_path):
    """Return a starter of programs with a database that nobody answers for."""
    programs = []

    def start(*arguments, **variables):
        program = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONUNBUFFERED": "1",
                "DATA_DIR": str(tmp_path),
                "DATABASE_URL": "postgresql://encore@127.0.0.1:9/encore",
                "DEBUG": "1",
                "LOG_FORMAT": "json",
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        programs.append(program)
        return program

    yield start
    for program in programs:
        # With what it has started.
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        program.stdout.close()


def read_until(program, word):
    """Return the lines up to one with the word in it."""
    lines = []
    for line in program.stdout:
        lines.append(line)
        if word in line:
            return lines
    raise AssertionError(f"no {word!r} in {lines}")


def start_web(start, **variables):
    # A SIGTERM at the moment at which a worker begins to wait for one is noticed with the next (1 in 30 here, as
    # "Started" is written just before): as everywhere, the worker is killed then.
    return start(
        *("-m", "granian", "--interface", "wsgi", "--port", str(find_free_port())),
        *("--workers", "1", "--blocking-threads", "1", "--no-ws", "--workers-kill-timeout", "5"),
        *("--log-config", "config/server_logs.json"),
        "config.wsgi:application",
        **variables,
    )


def test_every_line_of_the_web_server_is_json(start):
    program = start_web(start)
    lines = read_until(program, "Started worker-1")
    program.send_signal(signal.SIGTERM)
    lines += list(program.stdout)
    read = [json.loads(line) for line in lines]
    assert {line["logger"].partition(".")[0] for line in read} == {"_granian"}
    messages = " ".join(line["message"] for line in read)
    assert "Starting granian" in messages
    assert "Shutting down" in messages


def test_the_web_servers_lines_for_people_look_as_all_others(start):
    first, *_rest = read_until(start_web(start, LOG_FORMAT="console"), "Started worker-1")
    assert re.match(r"[-\d]+ [:,\d]+ INFO _granian \[-\] Starting granian", first)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--quiet", "worker", "--pool", "threads", "--without-mingle", "--without-gossip"),
        ("--quiet", "beat", "--pidfile="),
    ],
    ids=["worker", "beat"],
)
def test_every_line_of_celery_is_json(start, arguments):
    program = start(
        *("-W", "ignore", "-m", "celery", "-A", "config", *arguments),
        CELERY_BROKER_URL="redis://127.0.0.1:9/0",
    )
    lines = read_until(program, "refused")
    assert all({"time", "level", "logger", "message"} <= set(json.loads(line)) for line in lines)
