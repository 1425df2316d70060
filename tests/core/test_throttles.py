"""Rate limits: customers by id, everybody else by address, sign-ins by themselves."""

from types import SimpleNamespace

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from apps.core import throttles
from tests.core.contents import read_contents
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

WALLET = "/api/v1/wallet"
CONCERTS = "/api/v1/concerts"
LOGIN = "/api/v1/auth/login"


@pytest.fixture(autouse=True)
def time(settings, monkeypatch):
    """Two requests a minute for everybody, and a clock that stands at the tenth second of one."""
    settings.THROTTLE_ENABLED = True
    settings.THROTTLE_CUSTOMER_PER_MINUTE = 2
    settings.THROTTLE_ADDRESS_PER_MINUTE = 2
    settings.THROTTLE_LOGIN_PER_MINUTE = 2
    stopped = SimpleNamespace(now=6_010.5)
    monkeypatch.setattr(throttles, "time", SimpleNamespace(time=lambda: stopped.now))
    return stopped


def trust_proxies(settings, count):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": count}


def look(address="192.0.2.1", forwarded=None):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return APIClient().get(CONCERTS, REMOTE_ADDR=address, headers=headers).status_code


def assert_too_many(answer, retry_after="50"):
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert answer["Retry-After"] == retry_after
    assert answer["Content-Type"] == "application/problem+json"


def test_a_customer_over_the_limit_is_told_when_to_come_back(sign_in, customer, time):
    client = sign_in(customer)
    assert [client.get(WALLET).status_code for _request in range(2)] == [200, 200]
    before = read_contents()
    assert_too_many(client.post(f"{WALLET}/charges", {"amount": 1}))
    assert read_contents() == before
    time.now += 49
    assert_too_many(client.get(WALLET), "1")
    time.now += 1
    assert client.get(WALLET).status_code == 200


def test_customers_are_counted_each_by_themselves(sign_in, customer):
    client = sign_in(customer)
    assert [client.get(WALLET).status_code for _request in range(3)] == [200, 200, 429]
    assert sign_in(UserFactory()).get(WALLET).status_code == 200


def test_a_customer_is_counted_from_every_address(sign_in, customer):
    client = sign_in(customer)
    addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    answers = [client.get(WALLET, REMOTE_ADDR=address).status_code for address in addresses]
    assert answers == [200, 200, 429]


def test_addresses_are_counted_each_by_themselves():
    assert [look("192.0.2.1") for _request in range(3)] == [200, 200, 429]
    assert look("192.0.2.2") == 200


def test_sign_ins_are_counted_apart_from_all_else():
    client = APIClient()
    body = {"email": "haneul@encore.example", "password": "wrong"}
    assert [client.post(LOGIN, body).status_code for _request in range(2)] == [401, 401]
    assert_too_many(client.post(LOGIN, body))
    assert_too_many(client.post("/api/v1/auth/refresh", {"refresh": "x"}))
    assert client.get(CONCERTS).status_code == 200


def test_without_proxies_of_ours_a_claimed_address_is_not_believed(settings):
    trust_proxies(settings, 0)
    claims = [f"198.51.100.{number}" for number in range(3)]
    assert [look(forwarded=claim) for claim in claims] == [200, 200, 429]


def test_behind_one_proxy_the_last_address_counts(settings):
    trust_proxies(settings, 1)
    claims = [f"198.51.100.{number}, 203.0.113.1" for number in range(3)]
    assert [look(forwarded=claim) for claim in claims] == [200, 200, 429]
    assert look(forwarded="203.0.113.2") == 200


def test_behind_two_proxies_the_last_but_one_counts(settings):
    trust_proxies(settings, 2)
    claims = [f"198.51.100.9, 203.0.113.1, 10.0.0.{number}" for number in range(3)]
    assert [look(forwarded=claim) for claim in claims] == [200, 200, 429]


def test_switched_off_nobody_is_counted(settings):
    settings.THROTTLE_ENABLED = False
    assert [look() for _request in range(5)] == [200] * 5


def test_a_window_that_ends_between_two_steps_counts_nothing(monkeypatch):
    def forget(_key):
        raise ValueError("no such key")

    monkeypatch.setattr(cache, "incr", forget)
    assert [look() for _request in range(3)] == [200] * 3


@pytest.mark.parametrize("path", ["/healthz", "/api/schema", "/api/docs"])
def test_probes_and_documents_are_not_counted(path):
    answers = {APIClient().get(path).status_code for _request in range(4)}
    assert answers == {200}
