"""`/metrics` of a real web server of two processes, behind it a real purchase: every name that the
dashboard, the rules and the alerts ask for is there, and both processes tell the same."""

import re

import httpx
import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from rest_framework_simplejwt.tokens import AccessToken

from apps.payments.tasks import refund_called_off
from apps.queue.tasks import admit_queue, expire_queue
from apps.reservations.tasks import expire_holds
from config.schedules import ensure_schedules
from config.tasks import guard_integrity
from tests.factories import PerformanceFactory, RoomFactory, UserFactory, make_seats
from tests.monitoring import names

POLL = "/api/v1/queue/tokens/current"
POLLS = 60
COUNTER = "django_http_responses_total_by_status_view_method_total"


@pytest.fixture
def metrics_folder(tmp_path):
    return tmp_path / "made" / "at the start"


@pytest.fixture
def server_environment(metrics_folder):
    return {"PROMETHEUS_MULTIPROC_DIR": str(metrics_folder)}


@pytest.fixture
def on_sale(transactional_db):
    RoomFactory()
    performance = PerformanceFactory(at=timezone.now())
    make_seats(performance, 3)
    return performance


def buy(server, performance):
    """Buy a seat, from the line to the payment, and look at the line as often as a customer may."""
    access = AccessToken.for_user(UserFactory())
    with httpx.Client(base_url=server, headers={"Authorization": f"Bearer {access}"}) as client:

        def send(method, path, body=None):
            keyed = {"Idempotency-Key": path} if method == "POST" else {}
            answer = client.request(method, path, json=body, headers=keyed)
            assert answer.is_success, answer.text
            return answer.json()

        client.headers["X-Queue-Token"] = send("POST", "/api/v1/queue/tokens", {})["token"]
        date = f"/api/v1/concerts/{performance.concert_id}/dates/{performance.date}"
        seat = send("GET", f"{date}/seats")["results"][0]["id"]
        hold = send("POST", f"{date}/holds", {"seat_ids": [seat]})
        send("POST", "/api/v1/reservations", {"hold_id": hold["id"]})
        send("POST", "/api/v1/wallet/charges", {"amount": hold["total"]})
        for _ in range(POLLS):
            # Each on a connection of its own, so that both processes answer some.
            assert httpx.get(f"{server}{POLL}", headers=client.headers).status_code == 200
        send("POST", "/api/v1/payments", {"reservation_id": hold["id"]})


def read(server):
    """Return what a server tells, as text and by name and labels."""
    answer = httpx.get(f"{server}/metrics", timeout=30)
    assert answer.status_code == 200
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    return answer.text, values


def run_sweeps():
    ensure_schedules()
    for task in (admit_queue, expire_queue, expire_holds, refund_called_off, guard_integrity):
        task()


@pytest.fixture
def bought(server, on_sale):
    run_sweeps()
    buy(server, on_sale)
    return server


def test_all_that_dashboard_and_alerts_ask_for_is_told(bought, capsys):
    text, values = read(bought)
    asked = [*names.list_rules(), *names.list_panels()]
    assert names.compare(names.read_exposition(text), asked) == []
    assert values["encore_payments_total", ("concert", names_concert(values))] == 1
    assert values["encore_admissions_total", ("room", "main")] == 1
    # The same by the command, and that one metric less would be found.
    assert names.main([f"{bought}/metrics"]) == 0
    assert "all that they name is there" in capsys.readouterr().out
    without = re.sub(r"^encore_payments_total.*\n", "", text, flags=re.MULTILINE)
    complaints = names.compare(names.read_exposition(without), asked)
    assert complaints
    assert all("no metric 'encore_payments_total'" in line for line in complaints[:1])


def names_concert(values):
    (slug,) = {dict(key[1:])["concert"] for key in values if key[0] == "encore_holds_total"}
    return slug


def test_any_process_tells_what_all_of_them_counted(bought, metrics_folder):
    key = (COUNTER, ("method", "GET"), ("status", "2xx"), ("view", POLL))
    assert {read(bought)[1][key] for _ in range(20)} == {POLLS}
    # Both have answered, so that a process alone would have told of fewer.
    assert len(list(metrics_folder.glob("counter_*.db"))) == 2
