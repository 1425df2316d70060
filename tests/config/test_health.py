"""`/healthz` and `/readyz`."""

import logging
import socket
import time
from datetime import timedelta

import psycopg
import pytest
from django.db import OperationalError

from apps.core.heartbeats import record_heartbeat
from config import readiness
from tests.factories import NOW

SWEEPS = ("admit_queue", "expire_queue", "expire_holds", "refund_called_off")


def fail():
    raise OperationalError("password of the database: hunter2")


@pytest.fixture
def all_is_well(db, clock_at_now, monkeypatch):
    monkeypatch.setitem(readiness.CHECKS, "broker", lambda: "")
    for name in SWEEPS:
        record_heartbeat(name=name, now=NOW)


class TestHealthz:
    def test_the_process_serves_without_asking_anybody(self, client):
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_it_is_only_looked_at(self, client, path):
        assert client.post(path).status_code == 405

    def test_head_is_a_look(self, client):
        assert client.head("/healthz").status_code == 200

    def test_it_is_answered_by_address_and_without_https(self, client, settings):
        settings.SECURE_SSL_REDIRECT = True
        settings.ALLOWED_HOSTS = ["tickets.example"]
        assert client.get("/healthz", headers={"Host": "10.0.0.7:8000"}).status_code == 200


@pytest.mark.usefixtures("all_is_well")
class TestReadyz:
    def test_all_is_well(self, client):
        answer = client.get("/readyz")
        assert answer.status_code == 200
        checks = {"database": "ok", "broker": "ok", "sweeps": "ok"}
        assert answer.json() == {"status": "ok", "checks": checks}

    @pytest.mark.parametrize("name", ["database", "broker", "sweeps"])
    def test_what_fails_is_named_and_logged_and_not_explained(
        self, client, monkeypatch, caplog, name
    ):
        monkeypatch.setitem(readiness.CHECKS, name, fail)
        answer = client.get("/readyz")
        body = answer.json()
        assert (answer.status_code, body["status"]) == (503, "not ready")
        assert body["checks"] == {"database": "ok", "broker": "ok", "sweeps": "ok"} | {
            name: "failed"
        }
        assert b"hunter2" not in answer.content
        (record,) = [record for record in caplog.records if record.name == "config.health"]
        assert record.levelno == logging.WARNING
        assert name in record.getMessage()

    def test_sweeps_that_have_stopped_are_named(self, client, clock_at_now):
        clock_at_now.move(seconds=14)
        record_heartbeat(name="expire_queue", now=clock_at_now.now)
        assert client.get("/readyz").status_code == 200
        clock_at_now.move(seconds=1)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert (
            answer.json()["checks"]["sweeps"]
            == "silent: admit_queue, expire_holds, refund_called_off"
        )

    def test_one_check_may_be_asked_for_alone(self, client, clock_at_now):
        clock_at_now.now += timedelta(days=1)
        answer = client.get("/readyz", {"check": "database"})
        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "checks": {"database": "ok"}}
        answer = client.get("/readyz", {"check": ["database", "sweeps"]})
        assert answer.status_code == 503
        assert set(answer.json()["checks"]) == {"database", "sweeps"}

    @pytest.mark.parametrize("name", ["x", "", "Database", "\0"])
    def test_an_unknown_check_is_refused(self, client, name):
        answer = client.get("/readyz", {"check": name})
        assert answer.status_code == 400
        assert answer.json()["checks"] == "database, broker, sweeps"


def test_postgresql_as_the_broker_is_asked_for_a_connection(settings):
    assert settings.BROKER_IS_PGMQ
    assert readiness.check_broker() == ""


def test_postgresql_as_the_broker_that_refuses_is_told_at_once(settings, tmp_path):
    with socket.socket(socket.AF_UNIX) as bound:
        # Bound and not listened to: every connection is refused.
        bound.bind(str(tmp_path / ".s.PGSQL.5432"))
        settings.BROKER_CONNINFO = f"host={tmp_path} dbname=encore_broker"
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            readiness.check_broker()
    assert time.monotonic() - began < readiness.BROKER_TIMEOUT_S


def test_another_broker_is_asked_for_a_connection(monkeypatch, settings):
    settings.BROKER_IS_PGMQ = False
    asked = []

    class Broker:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            asked.append("closed")

        def ensure_connection(self, **limits):
            asked.append(limits)

    def connect(*, connect_timeout):
        asked.append(connect_timeout)
        return Broker()

    monkeypatch.setattr(readiness.current_app, "connection_for_write", connect)
    assert readiness.check_broker() == ""
    timeout_s, limits, closed = asked
    assert (timeout_s, limits, closed) == (2, {"max_retries": 1, "timeout": 2}, "closed")
