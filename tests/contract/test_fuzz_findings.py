"""What fuzzing has found, one plain test each."""

import re

import pytest
from drf_spectacular.generators import SchemaGenerator

from apps.core.limits import ID_MAX, PAGE_SIZE_MAX
from tests.reservations.support import seats_url


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def describe(schema, method, path, name):
    """Return what the schema says of a parameter's values."""
    parameters = schema["paths"][f"/api/v1/{path}"][method]["parameters"]
    (found,) = [parameter for parameter in parameters if parameter["name"] == name]
    return found["schema"]


@pytest.mark.parametrize(
    "path", ["concerts", "holds", "reservations", "payments", "wallet/entries"]
)
def test_the_schema_tells_how_long_a_page_may_be(schema, path):
    limit = describe(schema, "get", path, "limit")
    assert (limit["minimum"], limit["maximum"]) == (1, PAGE_SIZE_MAX)


@pytest.mark.parametrize(
    "path",
    [
        "concerts/{concert_id}/dates/{date}/holds",
        "reservations",
        "reservations/{reservation_id}/cancel",
        "payments",
        "wallet/charges",
    ],
)
def test_the_schema_tells_what_an_idempotency_key_is(schema, path):
    key = describe(schema, "post", path, "Idempotency-Key")
    assert (key["minLength"], key["maxLength"]) == (1, 255)
    assert re.search(key["pattern"], "!~")
    for wrong in ("a b", "하늘", "\x7f", ""):
        assert not re.search(key["pattern"], wrong)


SEATS = "concerts/{concert_id}/dates/{date}/seats"


def test_the_schema_tells_what_a_version_is(schema, buyer, seats):
    seats[0].performance.refresh_from_db()
    version = buyer.get(seats_url(seats[0].performance)).json()["version"]
    pattern = describe(schema, "get", SEATS, "since")["pattern"]
    assert re.search(pattern, version)
    assert re.search(pattern, "812:815:812,813~1762000000000000")
    assert not re.search(pattern, "1:1:")


def test_the_schema_tells_what_a_performance_is(schema):
    performance = describe(schema, "get", SEATS, "performance")
    assert (performance["minimum"], performance["maximum"]) == (1, ID_MAX)


def test_the_schema_tells_that_each_seat_is_named_once(schema):
    seat_ids = schema["components"]["schemas"]["HoldInputRequest"]["properties"]["seat_ids"]
    assert seat_ids["uniqueItems"]
    assert (seat_ids["minItems"], seat_ids["maxItems"]) == (1, 100)
    assert (seat_ids["items"]["minimum"], seat_ids["items"]["maximum"]) == (1, ID_MAX)


@pytest.mark.parametrize("path", ["/api/%0A", "/api/v1/reservations/a%0Ab", "/api/v1/%E2%80%A8"])
def test_an_unknown_address_with_a_line_break_is_a_problem_too(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"
