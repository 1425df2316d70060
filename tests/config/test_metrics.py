"""`/metrics`: what the guard knows, for those who may read it. The rest stands in `tests/monitoring/`."""

from datetime import timedelta

import pytest

from apps.concerts.services import stop_sales
from apps.core.heartbeats import record_heartbeat
from apps.core.models import IntegrityFinding
from config import guard
from config.metrics.database import COLLECTOR
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_kept():
    COLLECTOR.forget()


def read(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.content.decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def find(invariant, **fields):
    IntegrityFinding.objects.create(
        invariant=invariant, subject="a:1", detail="", found_at=NOW, seen_at=NOW, **fields
    )


def test_nothing_is_broken_and_nobody_has_looked(client):
    values = read(client)
    of_the_guard = {
        *(f'encore_integrity_broken{{invariant="{invariant}"}}' for invariant in range(1, 10)),
        "encore_sales_stopped",
        "encore_guard_last_run_timestamp_seconds",
    }
    assert {float(values[name]) for name in of_the_guard} == {0}


def test_what_the_guard_has_found(client, performance):
    find(1)
    find(3)
    find(3, gone_at=NOW)
    stop_sales(reasons={performance.concert_id: "a"}, now=NOW)
    record_heartbeat(name=guard.NAME, now=NOW + timedelta(seconds=1))
    values = read(client)
    assert float(values['encore_integrity_broken{invariant="1"}']) == 1
    assert float(values['encore_integrity_broken{invariant="2"}']) == 0
    assert float(values['encore_integrity_broken{invariant="3"}']) == 1
    assert float(values["encore_sales_stopped"]) == 1
    seen = float(values["encore_guard_last_run_timestamp_seconds"])
    assert seen == NOW.timestamp() + 1


class TestWhoMayRead:
    @pytest.mark.parametrize(
        ("address", "status"),
        [("127.0.0.1", 200), ("::1", 200), ("10.0.0.7", 404), ("", 404), ("unix:", 404)],
    )
    def test_without_a_token_this_machine_alone(self, client, address, status):
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == status

    def test_behind_a_proxy_everybody_is_from_this_machine_so_nobody_may(self, client, settings):
        forwarded = {"X-Forwarded-For": "203.0.113.5"}
        assert client.get("/metrics", headers=forwarded).status_code == 404
        settings.PROXY_COUNT = 1
        assert client.get("/metrics").status_code == 404

    @pytest.mark.parametrize(
        ("shown", "status"),
        [
            ("Bearer a-token", 200),
            ("Bearer other", 404),
            ("bearer a-token", 404),
            ("a-token", 404),
            ("Bearer é", 404),
            ("", 404),
        ],
    )
    def test_with_a_token_whoever_shows_it(self, client, settings, shown, status):
        settings.METRICS_TOKEN = "a-token"
        settings.PROXY_COUNT = 1
        answer = client.get("/metrics", headers={"Authorization": shown}, REMOTE_ADDR="203.0.113.5")
        assert answer.status_code == status
        if status == 404:
            assert b"encore" not in answer.content

    def test_this_machine_shows_the_token_too(self, client, settings):
        settings.METRICS_TOKEN = "a-token"
        assert client.get("/metrics").status_code == 404

    def test_it_is_only_looked_at(self, client):
        assert client.post("/metrics").status_code == 405
