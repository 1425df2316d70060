"""Request ids: in every answer, in every line that is logged meanwhile, and with the tasks that are sent."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from threading import Semaphore, Thread

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import task_postrun
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import path

from apps.core import request_ids
from apps.core.request_ids import HEADER, current_work, make_id
from config.celery import app as encore
from config.logs import JsonLine

ROOT = Path(__file__).resolve().parents[2]
NEW = re.compile(r"[0-9a-f]{32}")
WORKER_LIMIT_S = 30

logger = logging.getLogger("apps.somewhere")
probe = Celery("probe", broker="memory://", set_as_current=False)
probe.conf.task_ignore_result = True


@probe.task(name="probe.log_line")
def log_line(again: bool = False) -> None:
    logger.warning("in the task")
    if again:
        log_line.delay()


@probe.task(name="probe.fail")
def fail() -> None:
    raise RuntimeError("failed on purpose")


def send(request):
    logger.warning("in the view")
    log_line.delay(again=True)
    return HttpResponse()


def stream(request):
    def lines():
        logger.warning("in the middle of the answer")
        yield b"x"

    return StreamingHttpResponse(lines())


def crash(request):
    raise RuntimeError("broken on purpose")


urlpatterns = [path("send", send), path("stream", stream), path("crash", crash)]
handler500 = "apps.core.problems.answer_server_error"


@pytest.fixture
def lines():
    """The lines that are logged meanwhile, as programs would read them."""
    # A worker sets up Django, and with it the logs, when it is first made.
    probe.loader.init_worker()
    logged = []

    class Keep(logging.Handler):
        def emit(self, record):
            logged.append(json.loads(self.format(record)))

    handler = Keep()
    handler.setFormatter(JsonLine())
    logging.getLogger().addHandler(handler)
    yield logged
    logging.getLogger().removeHandler(handler)


def ids_of(lines, message):
    return [line["request_id"] for line in lines if line["message"] == message]


# Answers


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/healthz", 200),
        ("/api/v1/concerts", 200),
        ("/api/v1/wallet", 401),
        ("/api/v1/nowhere", 404),
        ("/nowhere", 404),
        ("/static/nothing.js", 404),
        ("/admin/", 302),
    ],
)
def test_every_answer_has_an_id_of_its_own(address, status):
    answers = [Client().get(address) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {status}
    ids = {answer[HEADER] for answer in answers}
    assert len(ids) == 2
    assert all(NEW.fullmatch(one) for one in ids)


def test_so_has_one_that_no_view_gives(settings):
    refused = Client().get("/api/v1/concerts", headers={"host": "stranger.example"})
    assert refused.status_code == 400
    assert NEW.fullmatch(refused[HEADER])
    settings.SECURE_SSL_REDIRECT = True
    redirected = Client().get("/api/v1/concerts")
    assert redirected.status_code == 301
    assert NEW.fullmatch(redirected[HEADER])


@pytest.mark.parametrize(
    "given",
    [
        "7b9d2c64-0f7e-4b0e-9c53-3f2a31a1f001",
        "0af7651916cd43dd8448eb211c80319c",
        "Root=1-67891233-abcdef012345678912345678",
        "a/b+c_d.e:f==",
        "x" * 64,
    ],
)
def test_a_well_formed_one_is_the_callers(given):
    assert Client().get("/healthz", headers={HEADER: given})[HEADER] == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x" * 65,
        "one\ntwo",
        "one\r\nSet-Cookie: a=b",
        "one two",
        'one"two',
        "one\u2028two",
        "예매",
        "\x1b[31m",
        "one\n",
        "-" * 8000 + "0" * 32,
    ],
)
def test_any_other_is_replaced(given):
    answer = Client().get("/healthz", headers={HEADER: given})
    assert NEW.fullmatch(answer[HEADER])


def test_ids_are_not_repeated():
    assert len({make_id() for _ in range(10_000)}) == 10_000


# Lines


@pytest.mark.urls(__name__)
def test_lines_of_a_failing_answer_have_its_id(lines):
    answer = Client(raise_request_exception=False).get("/crash", headers={HEADER: "mine"})
    assert answer.status_code == 500
    assert answer[HEADER] == "mine"
    (line,) = [line for line in lines if line["level"] == "ERROR"]
    assert line["request_id"] == "mine"
    assert "broken on purpose" in line["exc_info"]


@pytest.mark.urls(__name__)
def test_lines_while_an_answer_is_streamed_have_its_id(lines):
    answer = Client().get("/stream", headers={HEADER: "mine"})
    assert b"".join(answer.streaming_content) == b"x"
    assert ids_of(lines, "in the middle of the answer") == ["mine"]


@pytest.mark.urls(__name__)
def test_requests_at_the_same_time_keep_theirs_apart(lines):
    def ask(name):
        Client().get("/stream", headers={HEADER: name}).getvalue()

    names = [f"thread-{number}" for number in range(8)]
    threads = [Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids_of(lines, "in the middle of the answer")) == names


def test_outside_of_anything_there_is_none(lines):
    logger.warning("alone")
    assert ids_of(lines, "alone") == [None]


# Tasks


def work_off(count):
    """Run so many tasks that were sent or will be, in a real worker's threads."""
    ended = Semaphore(0)

    def note(**_kwargs):
        ended.release()

    task_postrun.connect(note)
    try:
        with start_worker(
            probe,
            pool="threads",
            concurrency=2,
            perform_ping_check=False,
            shutdown_timeout=WORKER_LIMIT_S,
        ):
            assert all(ended.acquire(timeout=WORKER_LIMIT_S) for _ in range(count))
    finally:
        task_postrun.disconnect(note)
        # The worker has made its application that of the whole process.
        encore.set_current()
        encore.set_default()


@pytest.mark.urls(__name__)
def test_a_task_and_what_it_sends_have_the_id_of_the_request(lines):
    Client().get("/send", headers={HEADER: "mine"})
    request_ids._work.set(request_ids._run)
    work_off(2)
    assert ids_of(lines, "in the view") == ["mine"]
    assert ids_of(lines, "in the task") == ["mine", "mine"]


def test_tasks_that_nobody_sent_have_one_each(lines):
    sent = {log_line.delay().id, log_line.delay().id}
    work_off(2)
    assert set(ids_of(lines, "in the task")) == sent
    assert len(sent) == 2


def test_the_line_of_a_failing_task_has_its_id(lines):
    sent = fail.delay().id
    work_off(1)
    (line,) = [line for line in lines if line["logger"] == "celery.app.trace"]
    assert line["request_id"] == sent
    assert "failed on purpose" in line["exc_info"]


def test_a_task_that_runs_here_and_now_gives_the_id_back():
    token = request_ids.begin_work(request_id="mine", caller="")
    log_line.apply()
    assert current_work().request_id == "mine"
    request_ids.end_work(token)


# Commands


def test_a_run_of_a_command_has_an_id_in_all_its_lines(tmp_path):
    def run():
        # Nobody listens on port 9, so that something is logged.
        done = subprocess.run(
            [sys.executable, "manage.py", "expire_holds"],
            cwd=ROOT,
            env={
                "PATH": "/usr/bin:/bin",
                "DATA_DIR": str(tmp_path),
                "DATABASE_URL": "postgresql://encore@127.0.0.1:9/encore",
                "DEBUG": "1",
                "LOG_FORMAT": "json",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        logged = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        assert len(logged) >= 2
        (one,) = {line["request_id"] for line in logged}
        return one

    first, second = run(), run()
    assert NEW.fullmatch(first)
    assert first != second


def test_the_threads_of_a_command_have_its_id(lines):
    request_ids.name_run("manage.py rehearse")
    thread = Thread(target=logger.warning, args=["in a thread"])
    thread.start()
    thread.join()
    assert ids_of(lines, "in a thread") == [current_work().request_id]
