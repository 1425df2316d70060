"""Rate limits: addresses always, customers too, sign-ins once more; before anything is read."""

from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from redis.exceptions import ConnectionError as RedisIsGone
from rest_framework.test import APIClient

from apps.core import throttles
from tests.core.contents import read_contents
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

WALLET = "/api/v1/wallet"
CONCERTS = "/api/v1/concerts"
LOGIN = "/api/v1/auth/login"
CURRENT = "/api/v1/queue/tokens/current"
PLENTY = 1_000


@pytest.fixture(autouse=True)
def time(settings, monkeypatch):
    """Limits that nobody reaches, and a clock that stands at the tenth second of a minute."""
    settings.THROTTLE_ENABLED = True
    settings.THROTTLE_CUSTOMER_PER_MINUTE = PLENTY
    settings.THROTTLE_ADDRESS_PER_MINUTE = PLENTY
    settings.THROTTLE_LOGIN_PER_MINUTE = PLENTY
    stopped = SimpleNamespace(now=6_010.5)
    monkeypatch.setattr(throttles, "time", SimpleNamespace(time=lambda: stopped.now))
    return stopped


@pytest.fixture
def two_for_a_customer(settings):
    settings.THROTTLE_CUSTOMER_PER_MINUTE = 2


@pytest.fixture
def two_for_an_address(settings):
    settings.THROTTLE_ADDRESS_PER_MINUTE = 2


def look(address="192.0.2.1", forwarded=None):
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    return APIClient().get(CONCERTS, REMOTE_ADDR=address, headers=headers).status_code


def assert_too_many(answer, retry_after="50"):
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert answer["Retry-After"] == retry_after
    assert answer["Content-Type"] == "application/problem+json"


# Customers


def test_a_customer_over_the_limit_is_told_when_to_come_back(
    sign_in, customer, time, two_for_a_customer
):
    client = sign_in(customer)
    assert [client.get(WALLET).status_code for _request in range(2)] == [200, 200]
    before = read_contents()
    assert_too_many(client.post(f"{WALLET}/charges", {"amount": 1}))
    assert read_contents() == before
    time.now += 49
    assert_too_many(client.get(WALLET), "1")
    time.now += 1
    assert client.get(WALLET).status_code == 200


def test_customers_are_counted_each_by_themselves(sign_in, customer, two_for_a_customer):
    client = sign_in(customer)
    assert [client.get(WALLET).status_code for _request in range(3)] == [200, 200, 429]
    assert sign_in(UserFactory()).get(WALLET).status_code == 200


def test_a_customer_is_counted_from_every_address(sign_in, customer, two_for_a_customer):
    client = sign_in(customer)
    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    answers = [client.get(WALLET, REMOTE_ADDR=address).status_code for address in addresses]
    assert answers == [200, 200, 429]


# Addresses


def test_addresses_are_counted_each_by_themselves(two_for_an_address):
    assert [look("192.0.2.1") for _request in range(3)] == [200, 200, 429]
    assert look("192.0.2.2") == 200


def test_an_address_is_counted_over_all_its_customers(sign_in, two_for_an_address):
    answers = [sign_in(UserFactory()).get(WALLET) for _customer in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert_too_many(answers[-1])


def test_addresses_and_customers_of_the_same_number_are_counted_apart(
    sign_in, settings, two_for_an_address
):
    settings.THROTTLE_CUSTOMER_PER_MINUTE = 1
    client = sign_in(UserFactory(pk=192))
    assert client.get(WALLET, REMOTE_ADDR="192.0.2.1").status_code == 200
    assert look("192.0.2.1") == 200
    assert client.get(WALLET, REMOTE_ADDR="192.0.2.2").status_code == 429


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/v1/queue/tokens/current"])
def test_requests_that_come_to_nothing_are_counted(two_for_an_address, path):
    client = APIClient()
    assert {client.get(path).status_code for _request in range(2)} <= {401, 404}
    assert_too_many(client.get(path))


def test_sign_ins_are_counted_by_themselves_too(settings):
    settings.THROTTLE_LOGIN_PER_MINUTE = 2
    client = APIClient()
    body = {"email": "haneul@encore.example", "password": "wrong"}
    assert [client.post(LOGIN, body).status_code for _request in range(2)] == [401, 401]
    assert_too_many(client.post(LOGIN, body))
    assert_too_many(client.post("/api/v1/auth/refresh", {"refresh": "x"}))
    assert client.get(CONCERTS).status_code == 200


# Before anything is read


def flood(client, path):
    """Return the status of the third request, and how many queries it took."""
    for _request in range(2):
        client.get(path)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        answer = client.get(path)
    return answer.status_code, len(captured)


def test_a_flood_with_a_bad_queue_token_counts_against_the_customer(
    sign_in, customer, two_for_a_customer
):
    client = sign_in(customer)
    client.credentials(**client._credentials, HTTP_X_QUEUE_TOKEN="made-up")
    assert client.get(CURRENT).json()["code"] == "queue_token_invalid"
    assert flood(client, CURRENT) == (429, 0)


def test_a_flood_with_a_bad_access_token_counts_against_the_address(two_for_an_address):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer made-up")
    assert client.get(WALLET).json()["code"] == "invalid_access_token"
    assert flood(client, WALLET) == (429, 0)


# Whose address it is


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, None, "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.66, 198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.66,,x, 198.51.100.1 ", "198.51.100.1"),
        (1, "198.51.100.1:50123", "198.51.100.1"),
        (1, "unknown", "192.0.2.1"),
        (1, "198.51.100.1,", "192.0.2.1"),
        (1, "1" * 5_000, "192.0.2.1"),
        (2, "198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "203.0.113.66, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "203.0.113.66", "192.0.2.1"),  # it has not passed both: nothing is believed
        (3, "203.0.113.66, 10.0.0.1", "192.0.2.1"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(settings, proxies, forwarded, address):
    settings.PROXY_COUNT = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", headers=headers)
    assert throttles.address_of(request) == address


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "20010db800010002"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "20010db800010002"),
        ("[2001:db8:1:2::1]", "20010db800010002"),
        ("[2001:db8:1:2::1]:443", "20010db800010002"),
        ("2001:db8:1:3::1", "20010db800010003"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("192.0.2.256", ""),
        ("2001:db8", ""),
        ("[192.0.2.1", ""),
        ("１９２.0.2.1", ""),
    ],
)
def test_a_network_is_an_ipv4_address_or_half_of_an_ipv6_one(text, network):
    assert throttles.network_of(text) == network


def test_spoofed_addresses_are_one_address(settings, two_for_an_address):
    settings.PROXY_COUNT = 1
    claims = [f"198.51.100.{number}, 203.0.113.1" for number in range(3)]
    assert [look(forwarded=claim) for claim in claims] == [200, 200, 429]
    assert look(forwarded="203.0.113.2") == 200


def test_a_subscriber_of_ipv6_is_one_address(two_for_an_address):
    hosts = [f"2001:db8:0:7:{number}::1" for number in range(3)]
    assert [look(host) for host in hosts] == [200, 200, 429]
    assert look("2001:db8:0:8::1") == 200


# Counting


def test_switched_off_nobody_is_counted(settings, sign_in, customer):
    settings.THROTTLE_ENABLED = False
    settings.THROTTLE_ADDRESS_PER_MINUTE = settings.THROTTLE_CUSTOMER_PER_MINUTE = 1
    assert [sign_in(customer).get(WALLET).status_code for _request in range(3)] == [200] * 3


def test_two_who_are_first_at_once_are_both_counted(monkeypatch, two_for_an_address):
    really_add = cache.add

    def add_late(key, *args, **kwargs):
        really_add(key, *args, **kwargs)  # somebody else was faster
        return False

    monkeypatch.setattr(cache, "add", add_late)
    assert [look() for _request in range(3)] == [200, 429, 429]


def test_without_the_cache_nobody_is_refused(monkeypatch, two_for_an_address, caplog):
    def fail(_key):
        raise RedisIsGone("nobody listens")

    monkeypatch.setattr(cache, "incr", fail)
    assert [look() for _request in range(3)] == [200] * 3
    assert "requests are not counted: nobody listens" in caplog.text


@pytest.mark.parametrize("path", ["/healthz", "/api/schema", "/api/docs"])
def test_probes_and_documents_are_not_counted(path, two_for_an_address):
    answers = {APIClient().get(path).status_code for _request in range(4)}
    assert answers == {200}


def test_who_is_refused_is_told_in_their_language(two_for_an_address):
    for _request in range(2):
        look()
    answer = APIClient().get(CONCERTS, REMOTE_ADDR="192.0.2.1", HTTP_ACCEPT_LANGUAGE="ko")
    assert "요청" in answer.json()["title"]
