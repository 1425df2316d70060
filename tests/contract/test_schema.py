"""The OpenAPI schema: valid, whole, and what the API really answers."""

import json
import os
import re
from copy import deepcopy
from datetime import timedelta

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.core.problems import CONTENT_TYPE as PROBLEM
from apps.queue.models import Presence
from tests.factories import QueueEntryFactory

# The tables of the API's contract: its endpoints, and its error codes by status.
ENDPOINTS = [
    "",
    "POST /auth/login",
    "POST /auth/refresh",
    "POST /queue/tokens",
    "GET /queue/tokens/current",
    "DELETE /queue/tokens/current",
    "GET /queue/rooms/{slug}",
    "GET /queue/receipt-keys",
    "GET /concerts",
    "GET /concerts/{concert_id}",
    "GET /concerts/{concert_id}/dates",
    "GET /concerts/{concert_id}/dates/{date}/seats",
    "POST /concerts/{concert_id}/dates/{date}/holds",
    "GET /holds",
    "GET /holds/{hold_id}",
    "DELETE /holds/{hold_id}",
    "POST /reservations",
    "GET /reservations",
    "GET /reservations/{reservation_id}",
    "POST /reservations/{reservation_id}/cancel",
    "POST /payments",
    "GET /payments",
    "GET /payments/{payment_id}",
    "GET /wallet",
    "POST /wallet/charges",
    "GET /wallet/entries",
    "",
][1:-1]
CODES = [
    "",
    "400 invalid_request",
    "401 not_authenticated invalid_access_token invalid_credentials",
    "402 insufficient_balance",
    "403 queue_token_required queue_token_invalid queue_token_expired queue_not_admitted",
    "403 wrong_waiting_room",
    "404 concert_not_found seat_not_found hold_not_found reservation_not_found payment_not_found",
    "404 room_not_found",
    "409 date_not_bookable sale_stopped seat_unavailable seat_limit_exceeded seat_already_reserved",
    "409 reservation_already_paid reservation_not_cancellable waiting_room_closed idempotency_key_in_use",
    "410 hold_expired",
    "422 idempotency_key_reused",
    "429 too_many_requests too_many_failed_sign_ins too_many_lapsed_holds",
    "503 busy",
    "",
][1:-1]
PUBLIC = {
    "POST /auth/login",
    "POST /auth/refresh",
    "GET /queue/rooms/{slug}",
    "GET /queue/receipt-keys",
    "GET /concerts",
    "GET /concerts/{concert_id}",
}
# It reads no database.
NEVER_BUSY = {"GET /queue/receipt-keys"}
RETRIED = [
    endpoint for endpoint in ENDPOINTS if re.search(r"holds$|reserv|payments$|charges", endpoint)
]


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture(scope="module")
def strict(schema):
    """The schema with every field that it does not name forbidden, but for problems' own fields."""

    def close(value):
        if isinstance(value, dict):
            if "properties" in value:
                value.setdefault("additionalProperties", False)
            for inner in value.values():
                close(inner)
        elif isinstance(value, list):
            for inner in value:
                close(inner)

    closed = deepcopy(schema)
    parts = closed["components"]["schemas"]
    close({name: part for name, part in parts.items() if name != "ProblemOutput"})
    return closed


def list_operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path.removeprefix('/api/v1')}", operation


def assert_valid(document, part, value, about):
    validator = OAS31Validator({**part, "components": document["components"]})
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    assert not problems, (about, problems, value)


class TestDocument:
    def test_it_is_valid_openapi_3_1(self, schema):
        assert schema["openapi"].startswith("3.1.")
        validate(schema)

    def test_it_is_made_without_a_warning(self, capsys):
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)
        assert "warning" not in capsys.readouterr().err.lower()

    def test_it_has_every_endpoint_and_no_other(self, schema):
        assert sorted(name for name, _operation in list_operations(schema)) == sorted(ENDPOINTS)

    @pytest.mark.parametrize("line", CODES)
    def test_it_has_every_error_code(self, schema, line):
        status, *codes = line.split()
        shown = {
            example["value"]["code"]
            for _name, operation in list_operations(schema)
            for example in operation["responses"]
            .get(status, {"content": {}})["content"]
            .get(PROBLEM, {"examples": {}})["examples"]
            .values()
        }
        assert set(codes) <= shown

    def test_it_tells_the_codes_that_belong_to_no_single_endpoint(self, schema):
        text = json.dumps(schema)
        codes = (
            "not_found",
            "method_not_allowed",
            "unsupported_media_type",
            "request_too_large",
            "internal_error",
        )
        assert [code for code in codes if not re.search(rf"\b{code}\b", text)] == []

    def test_every_endpoint_that_reads_the_database_may_be_busy(self, schema):
        operations = list_operations(schema)
        assert {name for name, told in operations if "503" not in told["responses"]} == NEVER_BUSY

    def test_every_operation_has_a_name_a_summary_and_its_errors(self, schema):
        names = [operation["operationId"] for _name, operation in list_operations(schema)]
        assert len(set(names)) == len(names)
        for name, operation in list_operations(schema):
            assert operation["summary"], name
            assert "429" in operation["responses"], name
            assert (operation.get("security") == [{"accessToken": []}]) == (name not in PUBLIC), (
                name
            )

    def test_headers_are_told_where_they_count(self, schema):
        for name, operation in list_operations(schema):
            headers = {
                parameter["name"]: parameter
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "header"
            }
            assert ("Idempotency-Key" in headers) == (
                name.startswith("POST") and name in RETRIED
            ), name
            in_line = any(
                example["value"]["code"] == "queue_token_required"
                for example in operation["responses"]
                .get("403", {"content": {PROBLEM: {"examples": {}}}})["content"][PROBLEM][
                    "examples"
                ]
                .values()
            )
            assert ("X-Queue-Token" in headers) == in_line, name
            assert headers.get("X-Queue-Token", {"required": True})["required"], name

    def test_every_example_is_what_the_schema_says(self, strict):
        count = 0
        for name, operation in list_operations(strict):
            bodies = [*operation["responses"].values(), operation.get("requestBody", {})]
            for body in bodies:
                for content in body.get("content", {}).values():
                    for title, example in content.get("examples", {}).items():
                        assert_valid(strict, content["schema"], example["value"], (name, title))
                        count += 1
        assert count > 100


@pytest.mark.django_db
class TestServed:
    def test_the_schema_is_served(self, client):
        answer = client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
        assert answer.status_code == 200
        served = json.loads(answer.content)
        assert set(served["paths"]) == {f"/api/v1{line.split()[1]}" for line in ENDPOINTS}

    def test_the_documents_load_from_this_host_alone(self, client):
        page = client.get("/api/docs").content.decode()
        assert not re.findall(r"""["'(](?:https?:)?//[^"')]+""", page)
        assets = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert {asset.rpartition(".")[2] for asset in assets} >= {"js", "css"}
        for asset in assets:
            assert client.get(asset).status_code == 200, asset
        assert "/api/schema" in page


@pytest.mark.django_db
class TestJourney:
    """What is really answered, from signing in to a refund, is what the schema says."""

    @pytest.fixture
    def ask(self, schema, strict, clock_at_now):
        operations = dict(list_operations(strict))
        patterns = {
            re.compile(re.sub(r"{\w+}", r"[^/]+", name)): operation
            for name, operation in sorted(operations.items(), key=lambda item: "{" in item[0])
        }

        def ask(client, method, path, body=None, status=200, **query):
            url = f"/api/v1{path}" + "".join(f"?{name}={value}" for name, value in query.items())
            answer = getattr(client, method.lower())(url, body)
            assert answer.status_code == status, answer.content
            name = f"{method} {path}"
            operation = next(
                operation for pattern, operation in patterns.items() if pattern.fullmatch(name)
            )
            declared = operation["responses"][str(status)]
            if "content" not in declared:
                assert answer.content == b"", name
                return None
            content = declared["content"][answer["Content-Type"]]
            assert_valid(strict, content["schema"], answer.json(), name)
            if status >= 400:
                self.assert_as_in_the_example(content, answer.json())
            return answer.json()

        return ask

    def assert_as_in_the_example(self, content, problem):
        examples = [example["value"] for example in content["examples"].values()]
        (example,) = [example for example in examples if example["code"] == problem["code"]]
        assert set(problem) == set(example)

    @pytest.fixture
    def shop(self, performance, seats):
        performance.refresh_from_db()
        concert = f"/concerts/{performance.concert_id}"
        return concert, f"{concert}/dates/{performance.date}", [seat.pk for seat in seats]

    def test_signing_in(self, ask):
        User.objects.create_user("haneul@encore.example", "비밀번호")
        client = APIClient()
        good = {"email": "haneul@encore.example", "password": "비밀번호"}
        tokens = ask(client, "POST", "/auth/login", good)
        ask(client, "POST", "/auth/login", {**good, "password": "x"}, 401)
        ask(client, "POST", "/auth/login", {}, 400)
        ask(client, "POST", "/auth/refresh", {"refresh": tokens["refresh"]})
        ask(client, "POST", "/auth/refresh", {"refresh": "x"}, 401)

    def test_waiting(self, ask, sign_in, customer, room):
        client = sign_in(customer)
        ask(client, "GET", "/queue/tokens/current", status=403)
        ask(client, "POST", "/queue/tokens", {"concert_id": "1"}, 400)
        ask(client, "POST", "/queue/tokens", {"concert_id": 10**9}, 404)
        type(room).objects.update(capacity=1)
        QueueEntryFactory(room=room, admitted=True)
        issued = ask(client, "POST", "/queue/tokens", {}, 201)
        assert issued["status"] == "waiting"
        client.credentials(**client._credentials, HTTP_X_QUEUE_TOKEN=issued["token"])
        ask(client, "GET", "/queue/tokens/current")
        ask(client, "GET", "/concerts/1/dates", status=403)
        ask(client, "GET", "/queue/rooms/main")
        type(room).objects.update(state="paused")
        assert ask(client, "GET", "/queue/rooms/main")["estimated_wait_seconds"] is None
        assert ask(client, "GET", "/queue/tokens/current")["estimated_wait_seconds"] is None
        ask(client, "GET", "/queue/rooms/nowhere", status=404)
        ask(client, "GET", "/queue/receipt-keys")
        ask(client, "DELETE", "/queue/tokens/current", status=204)
        ask(client, "GET", "/queue/tokens/current", status=403)
        type(room).objects.update(state="closed")
        ask(client, "POST", "/queue/tokens", {}, 409)
        ask(APIClient(), "POST", "/queue/tokens", {}, 401)

    def test_coming_before_the_opening(self, ask, sign_in, customer, room, clock_at_now):
        opens_at = clock_at_now.now + timedelta(seconds=30)
        type(room).objects.update(opens_at=opens_at)
        client = sign_in(customer)
        issued = ask(client, "POST", "/queue/tokens", {}, 201)
        assert issued["opens_at"] == opens_at.isoformat().replace("+00:00", "Z")
        assert issued["place"] is issued["position"] is None
        client.credentials(**client._credentials, HTTP_X_QUEUE_TOKEN=issued["token"])
        assert ask(client, "GET", "/queue/rooms/main")["draws"] == []
        ask(client, "GET", "/concerts/1/dates", status=403)
        clock_at_now.move(seconds=30)
        assert ask(client, "GET", "/queue/tokens/current")["status"] == "admitted"
        assert ask(client, "GET", "/queue/rooms/main")["draws"][0]["entries"] == 1

    def test_looking(self, ask, buyer, shop):
        concert, date, seats = shop
        for path in ("/concerts", concert, f"{concert}/dates", f"{date}/seats"):
            ask(buyer, "GET", path)
        every = ask(buyer, "GET", f"{date}/seats", include="all")
        assert {seat["status"] for seat in every["results"]} == {"available"}
        ask(buyer, "POST", f"{date}/holds", {"seat_ids": seats[:1]}, 201)
        changed = ask(buyer, "GET", f"{date}/seats", since=every["version"])
        assert {"held"} <= {seat["status"] for seat in changed["results"]}
        ask(buyer, "GET", f"{date}/seats", since="x", status=400)
        ask(buyer, "GET", f"{concert}/dates/2026-01-01/seats", status=409)
        ask(buyer, "GET", "/concerts/1000000000/dates", status=404)
        ask(buyer, "GET", "/concerts/1000000000", status=404)
        ask(buyer, "GET", "/concerts", limit=0, status=400)

    def test_buying_and_cancelling(self, ask, buyer, shop):
        _concert, date, seats = shop
        hold = ask(buyer, "POST", f"{date}/holds", {"seat_ids": seats[:2]}, 201)
        ask(buyer, "POST", f"{date}/holds", {"seat_ids": seats[:1]}, 409)
        ask(buyer, "GET", "/holds")
        ask(buyer, "GET", f"/holds/{hold['id']}")
        reserved = ask(buyer, "POST", "/reservations", {"hold_id": hold["id"]}, 201)
        ask(buyer, "POST", "/reservations", {"hold_id": hold["id"]}, 409)
        ask(buyer, "DELETE", f"/holds/{hold['id']}", status=409)
        ask(buyer, "POST", "/payments", {"reservation_id": reserved["id"]}, 402)
        ask(buyer, "GET", "/wallet")
        ask(buyer, "POST", "/wallet/charges", {"amount": 50_000}, 201)
        ask(buyer, "POST", "/wallet/charges", {"amount": 0}, 400)
        paid = ask(buyer, "POST", "/payments", {"reservation_id": reserved["id"]}, 201)
        assert (paid["amount"], paid["balance"]) == (20_000, 30_000)
        ask(buyer, "POST", "/payments", {"reservation_id": reserved["id"]}, 403)
        ask(buyer, "GET", f"/payments/{paid['id']}")
        ask(buyer, "GET", "/payments")
        cancelled = ask(buyer, "POST", f"/reservations/{reserved['id']}/cancel")
        assert cancelled["status"] == "cancelled"
        ask(buyer, "POST", f"/reservations/{reserved['id']}/cancel", status=409)
        ask(buyer, "GET", f"/reservations/{reserved['id']}")
        assert len(ask(buyer, "GET", "/reservations")["results"]) == 1
        assert ask(buyer, "GET", "/payments")["results"][0]["status"] == "refunded"
        kinds = [entry["kind"] for entry in ask(buyer, "GET", "/wallet/entries")["results"]]
        assert kinds == ["refund", "payment", "charge"]

    def test_being_late(self, ask, buyer, shop, clock_at_now, admitted):
        _concert, date, seats = shop
        hold = ask(buyer, "POST", f"{date}/holds", {"seat_ids": seats[:1]}, 201)
        released = ask(buyer, "POST", f"{date}/holds", {"seat_ids": seats[1:2]}, 201)
        ask(buyer, "DELETE", f"/holds/{released['id']}", status=204)
        ask(buyer, "GET", f"/holds/{released['id']}", status=404)
        Presence.objects.update(last_seen_at=clock_at_now.move(seconds=300))
        ask(buyer, "GET", f"/holds/{hold['id']}", status=410)
        ask(buyer, "POST", "/reservations", {"hold_id": hold["id"]}, 410)
        clock_at_now.move(seconds=60)
        ask(buyer, "POST", "/reservations", {"hold_id": hold["id"]}, 403)
        for path in ("/reservations/1000000000", "/payments/1000000000"):
            ask(buyer, "GET", path, status=404)
