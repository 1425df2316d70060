"""Access tokens of an identity provider, whose keys are fetched from a real server on this machine."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts import tokens
from apps.accounts.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

ISSUER = "https://id.example/"
AUDIENCE = "encore"
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGERS_KEY = ec.generate_private_key(ec.SECP256R1())


def make_key_set():
    rsa_key = json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key()))
    ec_key = json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key()))
    return {
        "keys": [
            {**rsa_key, "kid": "rsa", "alg": "RS256", "use": "sig"},
            {**ec_key, "kid": "ec", "alg": "ES256", "use": "sig"},
        ]
    }


class Provider(HTTPServer):
    """Serves `status` and `body`; hangs up without a word where `body` is None."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ProviderHandler)
        self.status = 200
        self.body = json.dumps(make_key_set()).encode()
        self.fetches = 0
        self.url = f"http://127.0.0.1:{self.server_port}/jwks.json"


class ProviderHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.fetches += 1
        if self.server.body is None:
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def provider(settings):
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings.JWT_JWKS_URL = server.url
    settings.JWT_ISSUER = ISSUER
    settings.JWT_AUDIENCE = AUDIENCE
    tokens._provider_keys.cache_clear()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    tokens._provider_keys.cache_clear()


def issue(*, key=RSA_KEY, algorithm="RS256", kid="rsa", without=(), **claims):
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "provider|7",
        "exp": int(time.time()) + 60,
        **claims,
    }
    for name in without:
        del claims[name]
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)


def ask(token):
    client = APIClient(raise_request_exception=False)
    return client.get("/api/v1/wallet", HTTP_AUTHORIZATION=f"Bearer {token}")


def assert_refused(token):
    answer = ask(token)
    assert (answer.status_code, answer.json().get("code")) == (401, "invalid_access_token")
    assert not User.objects.exists()


def assert_busy(token):
    answer = ask(token)
    assert (answer.status_code, answer.json().get("code")) == (503, "busy")
    assert answer["Retry-After"] == "1"
    assert not User.objects.exists()


def test_first_sight_makes_the_customer_by_subject(provider):
    token = issue(email="Haneul@Encore.example", email_verified=True, name="김하늘")
    assert ask(token).status_code == 200
    assert ask(token).status_code == 200
    user = User.objects.get()
    assert (user.subject, user.email, user.name) == (
        "provider|7",
        "haneul@encore.example",
        "김하늘",
    )
    assert not user.has_usable_password()
    assert not user.is_staff
    assert provider.fetches == 1


def test_keys_of_each_kind_are_accepted(provider):
    assert ask(issue(key=EC_KEY, algorithm="ES256", kid="ec")).status_code == 200


def test_two_subjects_are_two_customers(provider):
    assert ask(issue(sub="provider|1")).status_code == 200
    assert ask(issue(sub="provider|2")).status_code == 200
    assert User.objects.count() == 2


def test_a_claimed_email_never_opens_somebody_elses_account(provider):
    owner = UserFactory(email="haneul@encore.example")
    assert ask(issue(email="HANEUL@encore.example", email_verified=True)).status_code == 200
    newcomer = User.objects.exclude(pk=owner.pk).get()
    assert (newcomer.subject, newcomer.email) == ("provider|7", None)
    owner.refresh_from_db()
    assert (owner.email, owner.subject) == ("haneul@encore.example", None)


def test_an_unverified_email_is_not_taken_over(provider):
    assert ask(issue(email="haneul@encore.example")).status_code == 200
    assert User.objects.get().email is None


def test_a_subject_that_looks_like_an_id_is_no_id(provider):
    staff = UserFactory(is_staff=True)
    assert ask(issue(sub=str(staff.pk))).status_code == 200
    assert User.objects.exclude(pk=staff.pk).get().subject == str(staff.pk)


def test_a_disabled_customer_of_the_provider_is_refused(provider):
    ask(issue())
    User.objects.update(is_active=False)
    answer = ask(issue())
    assert (answer.status_code, answer.json().get("code")) == (401, "invalid_access_token")


def test_our_own_tokens_are_good_beside_the_providers(provider):
    provider.body = None
    assert ask(AccessToken.for_user(UserFactory())).status_code == 200
    assert provider.fetches == 0


WRONG_TOKENS = {
    "another issuer": lambda: issue(iss="https://evil.example/"),
    "no issuer": lambda: issue(without=["iss"]),
    "another audience": lambda: issue(aud="somebody else"),
    "no audience": lambda: issue(without=["aud"]),
    "expired": lambda: issue(exp=int(time.time()) - 1),
    "no end": lambda: issue(without=["exp"]),
    "not yet good": lambda: issue(nbf=int(time.time()) + 60),
    "no subject": lambda: issue(without=["sub"]),
    "a number as subject": lambda: issue(sub=7),
    "a stranger's key": lambda: issue(key=STRANGERS_KEY, algorithm="ES256", kid="ec"),
    "an unknown key": lambda: issue(kid="new"),
    "no key named": lambda: issue(kid=None),
    "another key's algorithm": lambda: issue(key=EC_KEY, algorithm="ES256", kid="rsa"),
    "a shared secret": lambda: issue(key="s" * 32, algorithm="HS256"),
    "unsigned": lambda: issue(key=None, algorithm="none"),
}


@pytest.mark.parametrize("kind", WRONG_TOKENS)
def test_wrong_tokens_are_refused(provider, kind):
    assert_refused(WRONG_TOKENS[kind]())


@pytest.mark.parametrize("subject", ["", "s" * 256, "a\0b"], ids=["empty", "too long", "NUL"])
def test_a_subject_that_cannot_be_stored_is_refused(provider, subject):
    assert_refused(issue(sub=subject))


@pytest.mark.parametrize(
    "claims",
    [
        {"email": f"{'e' * 250}@encore.example", "email_verified": True},
        {"email": "a\0b@encore.example", "email_verified": True},
        {"email": ["haneul@encore.example"], "email_verified": True},
        {"name": "n" * 500},
        {"name": "하\0늘"},
        {"name": {"first": "하늘"}},
    ],
    ids=["long e-mail", "NUL in e-mail", "list as e-mail", "long name", "NUL in name", "odd name"],
)
def test_odd_claims_about_a_customer_do_not_keep_them_out(provider, claims):
    assert ask(issue(**claims)).status_code == 200
    user = User.objects.get()
    user.full_clean(exclude=["password"] if user.email else ["password", "email"])
    assert user.subject == "provider|7"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (302, b""),
        (200, None),
        (200, b"<html>maintenance</html>"),
        (200, b"\xff\xfe"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": [{"kty": "none"}]}'),
    ],
    ids=[
        "500",
        "redirect",
        "hangs up",
        "no JSON",
        "no UTF-8",
        "no object",
        "no keys",
        "no usable key",
    ],
)
def test_a_provider_that_gives_no_keys_is_busy(provider, status, body):
    provider.status, provider.body = status, body
    assert_busy(issue())


def test_a_provider_that_is_down_is_busy(provider, settings):
    settings.JWT_JWKS_URL = "http://127.0.0.1:1/jwks.json"
    assert_busy(issue())


def test_a_provider_that_is_back_is_asked_again(provider):
    provider.status = 500
    assert_busy(issue())
    provider.status = 200
    assert ask(issue()).status_code == 200


def test_a_withdrawn_key_is_refused_once_the_key_set_is_fetched_again(provider, monkeypatch):
    assert ask(issue()).status_code == 200
    User.objects.all().delete()
    provider.body = json.dumps({"keys": make_key_set()["keys"][1:]}).encode()
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3_600)
    for module in ("jwk_set_cache", "jwks_client", "api_jwk"):
        monkeypatch.setattr(f"jwt.{module}.time", later, raising=False)
    assert_refused(issue())
