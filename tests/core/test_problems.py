"""Errors as `application/problem+json`: one code each, the right status, the headers that belong to it."""

import importlib
import json
import logging
import pkgutil

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client
from django.utils import translation
from rest_framework.test import APIClient

import apps
from apps.core import errors
from apps.core.problems import problem_response, status_of
from apps.wallet import selectors, services
from tests.core.contents import read_contents

WALLET = "/api/v1/wallet"
CHARGES = f"{WALLET}/charges"

# The table of errors of the API's contract.
CONTRACT = {
    400: ["invalid_request"],
    401: ["not_authenticated", "invalid_access_token", "invalid_credentials"],
    402: ["insufficient_balance"],
    403: [
        "queue_token_required",
        "queue_token_invalid",
        "queue_token_expired",
        "queue_not_admitted",
        "wrong_waiting_room",
    ],
    404: [
        "concert_not_found",
        "seat_not_found",
        "hold_not_found",
        "reservation_not_found",
        "payment_not_found",
        "room_not_found",
        "not_found",
    ],
    409: [
        "date_not_bookable",
        "sale_stopped",
        "seat_unavailable",
        "seat_limit_exceeded",
        "seat_already_reserved",
        "reservation_already_paid",
        "reservation_not_cancellable",
        "waiting_room_closed",
        "idempotency_key_in_use",
    ],
    410: ["hold_expired"],
    422: ["idempotency_key_reused"],
    429: ["too_many_requests"],
    503: ["busy"],
}
PROMISED_FIELDS = {
    "invalid_request": {"errors"},
    "insufficient_balance": {"balance", "required", "currency"},
    "queue_token_expired": {"reason"},
    "queue_not_admitted": {"position", "estimated_wait_seconds", "poll_after_seconds"},
    "wrong_waiting_room": {"room"},
    "seat_unavailable": {"seat_ids", "alternatives"},
    "seat_limit_exceeded": {"limit"},
    "seat_already_reserved": {"reservation_id"},
    "hold_expired": {"expired_at"},
}


def find_errors(kind=errors.DomainError):
    for module in pkgutil.walk_packages(apps.__path__, "apps."):
        if module.name.endswith((".errors", ".problems")):
            importlib.import_module(module.name)
    for child in kind.__subclasses__():
        yield from find_errors(child)
        if hasattr(child, "code"):
            yield child


ERRORS = {kind.code: kind for kind in find_errors()}


def make(kind):
    if issubclass(kind, errors.TooManyRequests):
        return kind(retry_after_seconds=7)
    return kind(**kind.example)


def assert_problem(answer, status, code):
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"urn:encore:problem:{code}"
    assert body["title"]
    assert body["detail"]
    assert answer["Cache-Control"] == "no-store"


class TestEveryError:
    def test_no_two_share_a_code(self):
        codes = [kind.code for kind in set(find_errors())]
        assert sorted(codes) == sorted(set(codes))

    @pytest.mark.parametrize(
        ("status", "code"), [(status, code) for status in CONTRACT for code in CONTRACT[status]]
    )
    def test_the_contract_is_kept(self, status, code):
        assert status_of(ERRORS[code]) == status
        assert set(ERRORS[code].example) == PROMISED_FIELDS.get(code, set())

    @pytest.mark.parametrize("code", ERRORS)
    def test_each_is_a_whole_problem(self, code):
        answer = problem_response(make(ERRORS[code]))
        status = status_of(ERRORS[code])
        assert 400 <= status < 600
        answer.json = lambda: json.loads(answer.content)  # as the test client's answers have it
        assert_problem(answer, status, code)
        assert set(ERRORS[code].example) <= set(answer.json())

    @pytest.mark.parametrize("code", ERRORS)
    def test_each_is_told_in_korean_and_in_english(self, code):
        told = {}
        for language in ("ko", "en"):
            with translation.override(language):
                kind = ERRORS[code]
                told[language] = (str(kind.title), str(kind.detail))
        assert told["en"][0].isascii()
        assert told["ko"] != told["en"]

    def test_the_headers_say_when_to_come_back_and_how_to_sign_in(self):
        assert problem_response(make(errors.TooManyRequests))["Retry-After"] == "7"
        assert problem_response(make(errors.Busy))["Retry-After"] == "1"
        for code in CONTRACT[401]:
            assert problem_response(make(ERRORS[code]))["WWW-Authenticate"] == "Bearer"
        other = problem_response(make(errors.NotFound))
        assert "Retry-After" not in other
        assert "WWW-Authenticate" not in other


@pytest.mark.django_db
class TestThroughTheApi:
    @pytest.fixture
    def owner(self, sign_in, customer):
        return sign_in(customer)

    @pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
    @pytest.mark.parametrize(
        "path", ["/api/v1/nothing", "/api/v1/wallet/", "/api/v2/wallet", "/api/v1/", "/api/"]
    )
    def test_an_unknown_address(self, method, path):
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        assert_problem(getattr(client, method)(path), 404, "not_found")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("put", WALLET, {"GET", "HEAD", "OPTIONS"}),
            ("get", CHARGES, {"POST", "OPTIONS"}),
            ("patch", "/api/v1/reservations", {"GET", "HEAD", "POST", "OPTIONS"}),
            ("delete", "/api/v1/payments", {"GET", "HEAD", "POST", "OPTIONS"}),
        ],
    )
    def test_a_wrong_method_says_which_are_allowed(self, owner, method, path, allowed):
        answer = getattr(owner, method)(path)
        assert_problem(answer, 405, "method_not_allowed")
        assert set(answer["Allow"].split(", ")) == allowed

    @pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", "x"])
    def test_another_type_of_body(self, owner, kind):
        before = read_contents()
        answer = owner.generic("POST", CHARGES, b'{"amount": 1000}', kind)
        assert_problem(answer, 415, "unsupported_media_type")
        assert read_contents() == before

    def test_a_body_that_is_too_large(self, owner):
        before = read_contents()
        body = b'{"amount": 1000, "a": "' + b"a" * 10_000_000 + b'"}'
        answer = owner.generic("POST", CHARGES, body, "application/json")
        assert_problem(answer, 413, "request_too_large")
        assert read_contents() == before

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "nonsense"])
    def test_who_accepts_no_json_gets_a_4xx_or_json(self, owner, accept):
        answer = owner.get(WALLET, headers={"Accept": accept})
        assert answer.status_code in (200, 406)
        assert answer["Content-Type"] in ("application/json", "application/problem+json")

    def test_a_fault_of_ours_is_told_and_logged(self, owner, monkeypatch, caplog):
        def fail(*_arguments, **_keywords):
            raise ZeroDivisionError("a secret of ours")

        monkeypatch.setattr(services, "post_entry", fail)
        before = read_contents()
        answer = owner.post(CHARGES, {"amount": 1_000})
        assert_problem(answer, 500, "internal_error")
        assert b"secret" not in answer.content
        assert read_contents() == before
        (record,) = [record for record in caplog.records if record.name == "apps.core.problems"]
        assert record.levelno == logging.ERROR
        assert CHARGES in record.getMessage()
        assert record.exc_info[0] is ZeroDivisionError

    @pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_database_that_does_not_answer_is_busy(self, owner, monkeypatch, kind, method):
        def fail(*_arguments, **_keywords):
            raise kind("canceling statement due to lock timeout")

        monkeypatch.setattr(services, "post_entry", fail)
        monkeypatch.setattr(selectors, "get_wallet", fail)
        before = read_contents()
        answer = owner.get(WALLET) if method == "get" else owner.post(CHARGES, {"amount": 1_000})
        assert_problem(answer, 503, "busy")
        assert answer["Retry-After"] == "1"
        assert b"lock timeout" not in answer.content
        assert read_contents() == before

    def test_a_fault_outside_of_views_is_a_problem_too(self, monkeypatch):
        def fail(*_arguments):
            raise ZeroDivisionError

        monkeypatch.setattr("django.middleware.common.CommonMiddleware.process_request", fail)
        client = APIClient(raise_request_exception=False)
        assert_problem(client.get("/api/v1/concerts"), 500, "internal_error")
        assert client.get("/admin/")["Content-Type"].startswith("text/html")

    def test_a_foreign_host_is_refused(self):
        client = APIClient(raise_request_exception=False)
        answer = client.get("/api/v1/concerts", headers={"Host": "evil.example"})
        assert_problem(answer, 400, "invalid_request")
        answer = client.get("/admin/", headers={"Host": "evil.example"})
        assert (answer.status_code, answer["Content-Type"]) == (400, "text/html; charset=utf-8")

    @pytest.mark.parametrize(
        ("language", "title"),
        [("ko", "찾을 수 없"), ("en", "Not found"), ("fr", "찾을 수 없"), ("\0;q=x", "찾을 수 없")],
    )
    def test_messages_follow_the_language_and_codes_do_not(self, language, title):
        answer = APIClient().get("/api/v1/nothing", headers={"Accept-Language": language})
        assert_problem(answer, 404, "not_found")
        assert title in answer.json()["title"]

    def test_validation_names_each_wrong_field_with_its_place(self, buyer):
        url = "/api/v1/concerts/1/dates/2026-12-11/holds"
        answer = buyer.post(url, {"seat_ids": [1, "2", 0]})
        assert_problem(answer, 400, "invalid_request")
        places = {(error["field"], error["code"]) for error in answer.json()["errors"]}
        assert places == {("seat_ids[1]", "invalid"), ("seat_ids[2]", "min_value")}
        assert all(set(error) == {"field", "code", "detail"} for error in answer.json()["errors"])
