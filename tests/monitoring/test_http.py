"""What is counted of the requests: by view, method and class of status, in few series."""

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import ResolverMatch

from apps.core.db import BUSY_REASONS
from apps.core.errors import Busy
from apps.core.problems import problem_response
from apps.queue import services
from config.metrics.http import REGISTRY, CountRequests, HttpMetrics

COUNTER = "django_http_responses_total_by_status_view_method_total"
HISTOGRAM = "django_http_requests_latency_seconds_by_view_method"
POLL = "/api/v1/queue/tokens/current"


class Counted:
    """How much was counted since."""

    def __init__(self):
        self.before = self.read()

    @staticmethod
    def read():
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
        }

    def since(self, name):
        return {
            labels: value - self.before.get((name_, labels), 0)
            for (name_, labels), value in self.read().items()
            if name_ == name and value != self.before.get((name_, labels), 0)
        }


@pytest.fixture
def counted():
    HttpMetrics.get_instance()
    return Counted()


def ask(method="GET", *, route="concerts", status=200, answer=None):
    """Send a request through the middleware, to a view at `route`."""

    def view(request):
        if route is not None:
            request.resolver_match = ResolverMatch(view, (), {}, route=route)
        return answer or HttpResponse(status=status)

    return CountRequests(view)(RequestFactory().generic(method, "/a/secret/7"))


class TestSeries:
    def test_a_request_is_one_answer_and_one_latency(self, counted):
        ask()
        ask()
        assert counted.since(COUNTER) == {("2xx", "/concerts", "GET"): 2}
        assert counted.since(f"{HISTOGRAM}_count") == {("/concerts", "GET"): 2}

    @pytest.mark.parametrize(("status", "told"), [(201, "2xx"), (404, "4xx"), (503, "5xx")])
    def test_the_class_of_the_status(self, counted, status, told):
        ask(status=status)
        assert counted.since(COUNTER) == {(told, "/concerts", "GET"): 1}

    @pytest.mark.parametrize(
        ("route", "view"),
        [
            ("api/v1/concerts/<int:concert_id>", "/api/v1/concerts/<int:concert_id>"),
            ("admin/queue/queueentry/<path:object_id>/change/", "/admin"),
            (r"^api/[\s\S]*$", "other"),
            (None, "other"),
            ("", "/"),
        ],
    )
    def test_the_view_is_its_address_in_the_code(self, counted, route, view):
        ask(route=route)
        assert counted.since(COUNTER) == {("2xx", view, "GET"): 1}

    def test_made_up_methods_and_addresses_make_no_series(self, client, counted):
        for number in range(20):
            ask(f"X{number}")
            client.generic("GET", f"/nothing/{number}")
            client.generic("GET", f"/api/nothing/{number}")
        assert set(counted.since(COUNTER)) == {
            ("2xx", "/concerts", "other"),
            ("4xx", "other", "GET"),
        }

    def test_an_error_that_no_view_caught(self, client, counted, monkeypatch):
        def fail(*_args, **_kwargs):
            raise ZeroDivisionError

        monkeypatch.setattr("apps.storefront.views.render", fail)
        client.raise_request_exception = False
        assert client.get("/").status_code == 500
        assert counted.since(COUNTER) == {("5xx", "/", "GET"): 1}

    def test_no_other_metric_of_django_prometheus_is_kept(self, counted):
        names = {metric.name for metric in REGISTRY.collect()}
        assert names == {COUNTER.removesuffix("_total"), HISTOGRAM, "encore_lock_timeouts"}

    def test_probes_are_not_counted(self, client, counted, db):
        for path in ("/healthz", "/readyz", "/metrics"):
            client.get(path)
        assert counted.since(COUNTER) == {}


@pytest.mark.django_db
class TestBusy:
    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            ("55P03", "lock_timeout"),
            ("40P01", "deadlock"),
            ("57014", "statement_timeout"),
            ("53300", "connection"),
            ("08006", "connection"),
            ("57P01", "connection"),
            ("53100", "other"),
        ],
    )
    def test_by_what_postgresql_said(self, sign_in, customer, counted, monkeypatch, state, reason):
        """PostgreSQL raises the real error, inside a real request."""

        def be_busy(*_args, **_kwargs):
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")

        monkeypatch.setattr(services, "issue_token", be_busy)
        answer = sign_in(customer).post("/api/v1/queue/tokens", {})
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert reason not in answer.content.decode()
        assert counted.since("encore_lock_timeouts_total") == {(reason,): 1}

    def test_busy_for_another_reason_and_the_same_from_a_transaction(self, counted):
        ask(answer=problem_response(Busy()))
        assert counted.since("encore_lock_timeouts_total") == {("other",): 1}
        assert counted.since(COUNTER) == {("5xx", "/concerts", "GET"): 1}

    def test_what_is_unavailable_otherwise_is_not_busy(self, counted):
        ask(status=503)
        assert counted.since("encore_lock_timeouts_total") == {}

    def test_every_reason_counts_from_nothing(self, counted):
        told = {labels for name, labels in Counted.read() if name == "encore_lock_timeouts_total"}
        assert told == {(reason,) for reason in BUSY_REASONS}
