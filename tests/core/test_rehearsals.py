"""A rehearsal's pass lets its requests by the count of their address, and nobody else's."""

import pytest
from django.core import signing
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.core.rehearsals import HEADER, LIFETIME, sign_pass

pytestmark = pytest.mark.django_db

CONCERTS, WALLET = "/api/v1/concerts", "/api/v1/wallet"


@pytest.fixture(autouse=True)
def two_for_an_address(settings):
    settings.THROTTLE_ENABLED = True
    settings.THROTTLE_ADDRESS_PER_MINUTE = 2
    settings.THROTTLE_CUSTOMER_PER_MINUTE = 1_000


def look(shown):
    """Return the answers to three requests that show this pass."""
    client = APIClient(headers={} if shown is None else {HEADER: shown})
    return [client.get(CONCERTS).status_code for _request in range(3)]


def sign_at(monkeypatch, age_s):
    """Return a pass that was signed so long ago."""
    now = signing.time.time()
    with monkeypatch.context() as past:
        past.setattr(signing.time, "time", lambda: now - age_s)
        return sign_pass("rehearsal-x")


def test_without_a_pass_an_address_is_counted():
    assert look(None) == [200, 200, 429]


def test_with_one_it_is_not():
    assert look(sign_pass("rehearsal-x")) == [200, 200, 200]


def test_a_pass_is_good_for_hours_and_not_for_longer(monkeypatch):
    life_s = LIFETIME.total_seconds()
    assert look(sign_at(monkeypatch, life_s - 60)) == [200, 200, 200]
    assert look(sign_at(monkeypatch, life_s + 60)) == [200, 200, 429]


@pytest.mark.parametrize(
    "forge",
    [
        lambda: "",
        lambda: "rehearsal-x",
        lambda: "x" * 5_000,
        lambda: "é:ü:ß",
        lambda: sign_pass("rehearsal-x")[:-1],
        lambda: sign_pass("rehearsal-x").replace("rehearsal-x", "rehearsal-y"),
        # Signed by the same key, but for something else.
        lambda: signing.TimestampSigner(salt="another").sign("rehearsal-x"),
        lambda: signing.TimestampSigner(key="k" * 50, salt="encore.rehearsal").sign("rehearsal-x"),
    ],
)  # fmt: skip
def test_a_forged_pass_is_none(forge):
    assert look(forge()) == [200, 200, 429]


def test_another_installations_pass_is_none(settings):
    shown = sign_pass("rehearsal-x")
    settings.SECRET_KEY = "another" * 10
    assert look(shown) == [200, 200, 429]


def test_customers_are_counted_all_the_same(sign_in, customer, settings):
    settings.THROTTLE_CUSTOMER_PER_MINUTE = 2
    client = sign_in(customer)
    headers = {HEADER: sign_pass("rehearsal-x")}
    answers = [client.get(WALLET, headers=headers).status_code for _request in range(3)]
    assert answers == [200, 200, 429]


def test_sign_ins_are_counted_all_the_same(settings):
    settings.THROTTLE_LOGIN_PER_MINUTE = 2
    client = APIClient(headers={HEADER: sign_pass("rehearsal-x")})
    body = {"email": "a@b.example", "password": "x"}
    answers = [client.post("/api/v1/auth/login", body).status_code for _request in range(3)]
    assert answers == [401, 401, 429]


def test_a_pass_asks_the_database_nothing():
    with CaptureQueriesContext(connection) as captured:
        APIClient().get("/api/v1/nowhere")
        APIClient(headers={HEADER: sign_pass("x")}).get("/api/v1/nowhere")
    assert len(captured) == 0
