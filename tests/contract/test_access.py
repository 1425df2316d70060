"""Whatever id, token or key of somebody else's is sent anywhere, the answer is the one for none at all.

The operations come from the schema: a new one that names something needs a case here.
"""

import json
import re
from datetime import timedelta

import pytest
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from apps.core.models import IdempotencyKey
from apps.reservations.transitions import cancel
from apps.wallet.services import charge_wallet
from tests.contract.test_schema import PUBLIC, list_operations
from tests.core.contents import read_contents
from tests.factories import NOW, QueueEntryFactory, UserFactory, make_seats
from tests.reservations.support import (
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    post_hold,
)

pytestmark = pytest.mark.django_db

NEVER = 999_999_999
# What belongs to nobody: concerts, their dates and seats, rooms.
NOBODYS = {"concert_id", "date", "slug", "seat_ids"}
# Somebody's own, and what the path or the body of each operation is for its id.
OWN = {
    "GET /holds/{hold_id}": "hold_id",
    "DELETE /holds/{hold_id}": "hold_id",
    "POST /reservations": "hold_id",
    "GET /reservations/{reservation_id}": "reservation_id",
    "POST /reservations/{reservation_id}/cancel": "reservation_id",
    "POST /payments": "reservation_id",
    "GET /payments/{payment_id}": "payment_id",
}
# What shows one's own without naming it, and what it shows to somebody who has nothing.
EMPTY = {"results": [], "next": None, "previous": None}
LISTS = {
    "GET /holds": EMPTY,
    "GET /reservations": EMPTY,
    "GET /payments": EMPTY,
    "GET /wallet/entries": EMPTY,
    "GET /wallet": {"balance": 0, "currency": "KRW"},
}
# Bodies of the operations that take a key; the ids are the victim's.
KEYED = {
    "POST /concerts/{concert_id}/dates/{date}/holds": lambda own: {"seat_ids": own["seat_ids"]},
    "POST /reservations": lambda own: {"hold_id": own["hold_id"]},
    "POST /reservations/{reservation_id}/cancel": lambda own: {},
    "POST /payments": lambda own: {"reservation_id": own["reservation_id"]},
    "POST /wallet/charges": lambda own: {"amount": 700},
}
SCHEMA = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = dict(list_operations(SCHEMA))


def headers_of(operation):
    return {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}


def ids_of(operation):
    """Return the names in the path, and the ids in the body, of an operation."""
    path = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    body = SCHEMA["components"]["schemas"].get(reference, {}).get("properties", {})
    return path | {name for name in body if re.search(r"(^|_)ids?$", name)}


BY_TOKEN = [name for name, told in OPERATIONS.items() if "X-Queue-Token" in headers_of(told)]
BY_KEY = [name for name, told in OPERATIONS.items() if "Idempotency-Key" in headers_of(told)]


class TestEveryOperationIsHere:
    def test_that_names_something(self):
        named = {name for name, told in OPERATIONS.items() if ids_of(told) - NOBODYS}
        assert named == set(OWN)

    def test_that_takes_a_key(self):
        assert set(BY_KEY) == set(KEYED)

    def test_that_lists(self):
        told = {
            name
            for name in OPERATIONS
            if name.startswith("GET") and name not in PUBLIC and not ids_of(OPERATIONS[name])
        }
        assert told == {*LISTS, "GET /queue/tokens/current"}

    def test_that_has_an_address(self):
        """None is kept out of the schema."""

        def list_paths(patterns, prefix=""):
            for pattern in patterns:
                path = prefix + str(pattern.pattern)
                if hasattr(pattern, "url_patterns"):
                    yield from list_paths(pattern.url_patterns, path)
                elif path.startswith("api/v1"):
                    yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)

        addresses = {f"/{path}" for path in list_paths(get_resolver().url_patterns)}
        assert addresses == set(SCHEMA["paths"])


@pytest.fixture
def intruder(room, clock_at_now):
    """A client of somebody who is inside and has nothing, and never sends the same again."""
    return make_client(make_inside())


def make_client(entry, *, token=None, key=None):
    client = APIClient(raise_request_exception=False)
    headers = {
        "HTTP_AUTHORIZATION": f"Bearer {AccessToken.for_user(entry.customer)}",
        "HTTP_X_QUEUE_TOKEN": token or f"token-{entry.number}",
    }
    client.credentials(**headers, **({"HTTP_IDEMPOTENCY_KEY": key} if key else {}))
    return client


def ask(client, name, own, body=None):
    """Call an operation with the ids of `own` in its path and body."""
    method, path = name.split()
    for part in re.findall(r"{(\w+)}", path):
        path = path.replace(f"{{{part}}}", str(own[part]))
    if body is None:
        body = {part: own[part] for part in ids_of(OPERATIONS[name]) if part in own}
    arguments = () if method == "GET" else (body,)
    return getattr(client, method.lower())(f"/api/v1{path}", *arguments)


def everything(answer):
    """Return all that an answer tells."""
    # Each answer has an id of its own.
    headers = {name: told for name, told in answer.headers.items() if name != "X-Request-ID"}
    return answer.status_code, sorted(headers.items()), answer.content


def read_all_but_calls():
    """Return what the database holds. That somebody called is noted whatever the answer."""
    contents = read_contents()
    contents.pop("queue_presence")
    return contents


# Ids


def make_expired(customer, seats):
    return make_hold(customer, seats, at=NOW - timedelta(minutes=5))


def make_given_back(customer, seats):
    held = make_hold(customer, seats)
    cancel(held, now=NOW)
    return held


STATES = [make_hold, make_reservation, make_paid, make_expired, make_given_back]


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("make", STATES)
def test_somebody_elses_is_none_at_all(intruder, performance, seats, name, make):
    theirs = make(UserFactory(), seats[:2])
    part = OWN[name]
    if part == "payment_id" and theirs.payment_id is None:
        theirs.payment_id = NEVER - 1
    own = {part: theirs.payment_id if part == "payment_id" else theirs.pk}
    before = read_all_but_calls()
    answer, of_none = ask(intruder, name, own), ask(intruder, name, {part: NEVER})
    assert answer.status_code == 404
    assert everything(answer) == everything(of_none)
    assert read_all_but_calls() == before


@pytest.mark.parametrize("name", OWN)
def test_the_owner_is_answered_otherwise(room, performance, seats, clock_at_now, name):
    """The cases above ask what their owner could have."""
    entry = make_inside()
    make = make_paid if "payment_id" in name else make_hold
    if name in ("GET /reservations/{reservation_id}", "POST /payments") or "cancel" in name:
        make = make_reservation
    mine = make(entry.customer, seats[:2])
    charge_wallet(customer_id=entry.customer_id, amount=20_000, now=NOW)
    part = OWN[name]
    own = {part: mine.payment_id if part == "payment_id" else mine.pk}
    assert ask(make_client(entry), name, own).status_code in (200, 201, 204)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_nobody_elses(intruder, performance, name):
    for make, seats in zip(STATES[:3], [[s] for s in make_seats(performance, 3)], strict=True):
        make(UserFactory(), seats)
    told = ask(intruder, name, {}).json()
    told.pop("updated_at", None)
    assert told == LISTS[name]


@pytest.mark.parametrize("name", [name for name in LISTS if LISTS[name] == EMPTY])
def test_a_page_of_somebody_elses_list_is_of_ones_own(intruder, performance, name):
    entry = make_inside()
    make = make_paid if "payments" in name or "wallet" in name else make_hold
    make = make_reservation if "reservations" in name else make
    for seat in make_seats(performance, 2):
        make(entry.customer, [seat])
    path = f"/api/v1{name.split()[1]}"
    following = make_client(entry).get(path, {"limit": 1}).json()["next"]
    assert make_client(entry).get(following).json()["results"]
    assert intruder.get(following).json()["results"] == []


# Queue tokens


@pytest.mark.parametrize("name", BY_TOKEN)
@pytest.mark.parametrize("state", ["admitted", "waiting", "ended"])
def test_somebody_elses_queue_token_is_none_at_all(
    room, performance, seats, clock_at_now, name, state
):
    entry = make_inside()
    victim = {
        "admitted": make_inside,
        "waiting": lambda: QueueEntryFactory(room=room),
        "ended": lambda: QueueEntryFactory(
            room=room, state="ended", ended_at=NOW, end_reason="left"
        ),
    }[state]()
    performance.refresh_from_db()
    held = make_hold(entry.customer, seats[:1])
    own = {
        "concert_id": performance.concert_id,
        "date": performance.date,
        "seat_ids": [seats[1].pk],
        "hold_id": held.pk,
        "reservation_id": held.pk,
    }
    before = read_contents()
    stolen = make_client(entry, token=f"token-{victim.number}")
    invented = make_client(entry, token="never-given-out")
    answer, of_none = ask(stolen, name, own), ask(invented, name, own)
    assert (answer.status_code, answer.json()["code"]) == (403, "queue_token_invalid")
    assert everything(answer) == everything(of_none)
    assert read_contents() == before


# Idempotency keys


def without_ids(content):
    """Return an answer's fields but for those that every row has anew."""
    told = json.loads(content)
    told.pop("id", None)
    if "entry" in told:
        told["entry"].pop("id")
    return told


@pytest.mark.parametrize("name", BY_KEY)
def test_somebody_elses_key_is_a_new_one(room, performance, seats, clock_at_now, name):
    """The victim has used it for the very same request, and was answered."""
    victim = make_inside()
    charge_wallet(customer_id=victim.customer_id, amount=50_000, now=NOW)
    make = make_hold if name == "POST /reservations" else make_reservation
    held = make(victim.customer, seats[:1])
    performance.refresh_from_db()
    own = {
        "concert_id": performance.concert_id,
        "date": performance.date,
        "seat_ids": [seats[1].pk],
        "hold_id": held.pk,
        "reservation_id": held.pk,
    }
    body = KEYED[name](own)
    theirs = ask(make_client(victim, key="theirs"), name, own, body)
    assert theirs.status_code in (200, 201), theirs.content
    again = ask(make_client(victim, key="theirs"), name, own, body)
    assert (again.content, again["Idempotent-Replayed"]) == (theirs.content, "true")

    first, second = make_inside(), make_inside()
    answer = ask(make_client(first, key="theirs"), name, own, body)
    fresh = ask(make_client(second, key="fresh"), name, own, body)
    assert "Idempotent-Replayed" not in answer.headers
    assert answer.status_code == fresh.status_code
    assert without_ids(answer.content) == without_ids(fresh.content)
    assert answer.content != theirs.content
    kept = IdempotencyKey.objects.get(customer_id=victim.customer_id)
    assert kept.body.encode() == theirs.content


def test_a_hold_of_the_victims_seats_is_refused_as_everybodys(intruder, performance, seats):
    make_hold(UserFactory(), seats[:1])
    before = read_all_but_calls()
    answer = post_hold(intruder, seats[:1], HTTP_IDEMPOTENCY_KEY="once")
    assert (answer.status_code, answer.json()["code"]) == (409, "seat_unavailable")
    assert "customer" not in answer.content.decode()
    assert read_all_but_calls() == before
