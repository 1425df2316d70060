"""Traces, as a real collector gets them from a real web server and a real worker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.db import connection

from apps.accounts.models import User
from tests.running.collector import Collected, Told, collect
from tests.running.encore import ROOT, find_free_port, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "p4ssw0rd-of-a-customer"
EMAIL = "haneul@encore.example"
QUERY = "s3cret-in-a-query"
HEADERS = {
    "Authorization": "Bearer t0ken-in-a-header",
    "X-Queue-Token": "qu3ue-token",
    "Idempotency-Key": "idempot3ncy-key",
    "User-Agent": "us3r-agent",
    "Cookie": "sessionid=s3ssion",
}
SECRETS = [PASSWORD, EMAIL, QUERY, "t0ken", "qu3ue", "idempot3ncy", "us3r", "s3ssion", "127.0.0.1"]
# Whoever calls has begun a trace already.
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CALLER_ID = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{CALLER_ID}-01"
SENDER = """
import config.wsgi
from apps.queue.tasks import admit_queue
from config.tracing import tracer
with tracer.start_as_current_span("sender"):
    admit_queue.delay()
"""
# Less than the ten seconds for which the exporter would try by itself.
END_LIMIT_S = 9
LOADED = ["config.tracing", "google.protobuf", "opentelemetry.sdk.trace"]


class Processes:
    """Encore's programs on the tests' database, in a folder of their own, whose broker is a folder."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        (folder / "data_in").mkdir()
        (folder / "data_out").symlink_to("data_in")
        database = connection.settings_dict
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DATA_DIR": str(folder),
            "DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}",
            "CELERY_BROKER_URL": "filesystem://localhost",
            "DEBUG": "1",
            # Nothing is sent but at the end.
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            **variables,
        }
        self.running: list[subprocess.Popen[bytes]] = []
        self.port = find_free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        program = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env=self.environment
        )
        self.running.append(program)
        return program

    def start_web(self) -> subprocess.Popen[bytes]:
        return self.start(
            *("-m", "granian", "--interface", "wsgi", "--no-ws", "--port", str(self.port)),
            *("--workers", "1", "--blocking-threads", "1"),
            "config.wsgi:application",
        )

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start(
            *("-m", "celery", "-A", "config", "--quiet", "worker"),
            *("--pool", "threads", "--concurrency", "2", "--without-mingle", "--without-gossip"),
        )

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def end(self) -> None:
        """Ask all of them to end, and wait until they have."""
        for program in self.running:
            program.send_signal(signal.SIGTERM)
        for program in self.running:
            program.wait(timeout=30)


@pytest.fixture
def collected() -> Iterator[Collected]:
    with collect() as collected:
        yield collected


@pytest.fixture
def make(tmp_path: Path) -> Iterator[type[Processes]]:
    made: list[Processes] = []

    def make(**variables: str) -> Processes:
        made.append(Processes(tmp_path, **variables))
        return made[-1]

    yield make
    for program in (program for processes in made for program in processes.running):
        program.kill()
        program.wait()


def statements_of(spans: list[Told], span: Told) -> list[str]:
    return [one.attributes["db.query.text"] for one in spans if one.parent_id == span.span_id]


def test_a_request_and_a_task_are_told_with_their_statements_and_no_secret(
    collected, make, settings
):
    # The web server knows no others.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    User.objects.create_user(EMAIL, PASSWORD)
    processes = make(OTEL_EXPORTER_OTLP_ENDPOINT=collected.address)
    processes.start_web()
    processes.start_worker()
    sender = processes.start("-c", SENDER)
    wait_until(processes.answers, seconds=60, what="the web server")
    signed_in = httpx.post(
        f"{processes.address}/api/v1/auth/login?token={QUERY}",
        json={"email": EMAIL, "password": PASSWORD},
        headers={**HEADERS, "traceparent": TRACEPARENT, "X-Request-ID": "mine"},
        timeout=30,
    )
    assert signed_in.status_code == 200
    httpx.request("BREW", f"{processes.address}/api/v1/nowhere", headers=HEADERS, timeout=30)
    assert sender.wait(timeout=60) == 0
    ran = processes.folder / "data_in"
    wait_until(lambda: not list(ran.iterdir()), seconds=60, what="the task was taken")
    assert [span.name for span in collected.spans] == ["sender"]
    processes.end()

    (request,) = collected.find(name="POST /api/v1/auth/login")
    assert (request.trace_id, request.parent_id) == (TRACE_ID, CALLER_ID)
    assert request.attributes["url.path"] == "/api/v1/auth/login"
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["encore.request_id"] == "mine"
    assert request.service == "encore"
    asked = statements_of(collected.spans, request)
    assert any('FROM "accounts_user"' in sql and "%s" in sql for sql in asked)

    (unknown,) = collected.find(name="HTTP /^api/[\\s\\S]*$")
    assert unknown.attributes["http.response.status_code"] == 404

    (task,) = collected.find(name="run apps.queue.tasks.admit_queue")
    (sent,) = collected.find(name="sender")
    assert (task.trace_id, task.parent_id) == (sent.trace_id, sent.span_id)
    assert any('FROM "queue_' in sql for sql in statements_of(collected.spans, task))

    # The probes are no traces, and nothing stands alone but what begins one.
    assert not collected.find(url_path="/healthz")
    assert {span.name for span in collected.spans if not span.parent_id} == {"sender", unknown.name}
    assert [secret for secret in SECRETS if secret.encode() in collected.raw] == []


def test_a_collector_that_is_gone_holds_nothing_up(make):
    # Nobody listens on port 9.
    processes = make(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:9/v1/traces")
    web = processes.start_web()
    wait_until(processes.answers, seconds=60, what="the web server")
    assert httpx.get(f"{processes.address}/api/v1/concerts", timeout=30).status_code == 200
    began = time.monotonic()
    processes.end()
    assert time.monotonic() - began < END_LIMIT_S
    assert web.returncode == 0


@pytest.mark.parametrize(
    ("variables", "loaded"),
    [
        ({"OTEL_SERVICE_NAME": "tickets"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
    ],
)
def test_it_is_loaded_where_somebody_is_named_to_send_to(make, variables, loaded):
    processes = make(**variables)
    # redis-py looks by itself whether the SDK's metrics are there.
    script = "import sys, config.wsgi; print(*sorted({TRACING} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script.replace("TRACING", str(LOADED)[1:-1])],
        env=processes.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == (LOADED if loaded else [])
