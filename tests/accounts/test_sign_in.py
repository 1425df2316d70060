"""Signing in with e-mail and password, renewing it, and what an access token opens."""

import base64
import json
from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from apps.accounts.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
WALLET = "/api/v1/wallet"
PASSWORD = " 오늘도 콘서트 "


@pytest.fixture
def member():
    return User.objects.create_user("haneul@encore.example", PASSWORD)


@pytest.fixture
def anybody():
    return APIClient(raise_request_exception=False)


def sign_in(client, *, email="haneul@encore.example", password=PASSWORD):
    return client.post(LOGIN, {"email": email, "password": password})


def ask_with(authorization):
    client = APIClient(raise_request_exception=False)
    return client.get(WALLET, HTTP_AUTHORIZATION=authorization)


def assert_refused(response, code, status=401):
    assert (response.status_code, response.json()["code"]) == (status, code)


def segment(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_sign_in_answers_tokens_that_open_the_api(anybody, member):
    answer = sign_in(anybody)
    assert answer.status_code == 200
    tokens = answer.json()
    assert set(tokens) == {"access", "refresh", "expires_in"}
    assert tokens["expires_in"] == settings.ACCESS_TOKEN_MINUTES * 60
    assert ask_with(f"Bearer {tokens['access']}").status_code == 200
    assert ask_with(f"bearer {tokens['access']}").status_code == 200


@pytest.mark.parametrize("email", ["HANEUL@Encore.Example", "  haneul@encore.example  "])
def test_the_case_of_an_email_does_not_matter(anybody, member, email):
    assert sign_in(anybody, email=email).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "wrong"},
        {"password": PASSWORD.strip()},
        {"email": "nobody@encore.example"},
        {"email": "no e-mail at all"},
        {"email": "ＨＡＮＥＵＬ@encore.example"},
    ],
)
def test_wrong_credentials_are_refused(anybody, member, wrong):
    assert_refused(sign_in(anybody, **wrong), "invalid_credentials")
    member.refresh_from_db()
    assert member.last_login is None


def test_a_disabled_user_cannot_sign_in(anybody, member):
    User.objects.update(is_active=False)
    assert_refused(sign_in(anybody), "invalid_credentials")


def test_who_has_no_password_cannot_sign_in(anybody):
    User.objects.create_user("provided@encore.example")
    assert_refused(sign_in(anybody, email="provided@encore.example"), "invalid_credentials")
    assert_refused(
        sign_in(anybody, email="provided@encore.example", password="!"), "invalid_credentials"
    )


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "password"}),
        ({"email": "haneul@encore.example"}, {"password"}),
        ({"email": "haneul@encore.example", "password": ""}, {"password"}),
        ({"email": 7, "password": True}, {"email", "password"}),
        ({"email": "a" * 255, "password": "b" * 129}, {"email", "password"}),
    ],
)
def test_a_malformed_sign_in_names_its_fields(anybody, body, fields):
    answer = anybody.post(LOGIN, body)
    assert_refused(answer, "invalid_request", 400)
    assert {error["field"] for error in answer.json()["errors"]} == fields


def test_a_refresh_token_answers_new_tokens(anybody, member):
    first = sign_in(anybody).json()
    answer = anybody.post(REFRESH, {"refresh": first["refresh"]})
    assert answer.status_code == 200
    renewed = answer.json()
    assert renewed["expires_in"] == first["expires_in"]
    assert ask_with(f"Bearer {renewed['access']}").status_code == 200
    assert anybody.post(REFRESH, {"refresh": renewed["refresh"]}).status_code == 200


def test_a_new_password_ends_the_refresh_tokens_of_the_old_one(anybody, member):
    refresh = sign_in(anybody).json()["refresh"]
    member.set_password("새 비밀번호")
    member.save()
    assert_refused(anybody.post(REFRESH, {"refresh": refresh}), "invalid_access_token")
    assert sign_in(anybody, password="새 비밀번호").status_code == 200


def test_a_disabled_user_cannot_refresh(anybody, member):
    refresh = sign_in(anybody).json()["refresh"]
    User.objects.update(is_active=False)
    assert_refused(anybody.post(REFRESH, {"refresh": refresh}), "invalid_access_token")


def test_a_deleted_user_cannot_refresh(anybody, member):
    refresh = sign_in(anybody).json()["refresh"]
    member.delete()
    assert_refused(anybody.post(REFRESH, {"refresh": refresh}), "invalid_access_token")


def make_bad_refresh_tokens():
    user = User(pk=1)
    expired = RefreshToken.for_user(user)
    expired.set_exp(lifetime=-timedelta(seconds=1))
    return {
        "an access token": str(AccessToken.for_user(user)),
        "expired": str(expired),
        "without a password claim": str(RefreshToken.for_user(user)),
        "garbage": "garbage",
    }


@pytest.mark.parametrize("kind", make_bad_refresh_tokens())
def test_bad_refresh_tokens_are_refused(anybody, kind):
    UserFactory(pk=1)
    refresh = make_bad_refresh_tokens()[kind]
    assert_refused(anybody.post(REFRESH, {"refresh": refresh}), "invalid_access_token")


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer  ", "Basic dXNlcjpwYXNz", "Token abc"]
)
def test_without_a_bearer_token_nobody_is_signed_in(authorization):
    answer = ask_with(authorization)
    assert_refused(answer, "not_authenticated")
    assert answer["WWW-Authenticate"] == "Bearer"


def sign(claims, *, key=None, algorithm="HS256"):
    return jwt.encode(claims, key or settings.SIMPLE_JWT["SIGNING_KEY"], algorithm)


def make_bad_access_tokens():
    user = User(pk=1)
    good = AccessToken.for_user(user)
    expired = AccessToken.for_user(user)
    expired.set_exp(lifetime=-timedelta(seconds=1))
    header, claims, signature = str(good).split(".")
    return {
        "expired": str(expired),
        "a refresh token": str(RefreshToken.for_user(user)),
        "another key": sign(good.payload, key="k" * 50),
        "another algorithm": sign(good.payload, algorithm="HS512"),
        "another issuer": sign({**good.payload, "iss": "somebody"}),
        "unsigned": f"{segment({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "odd algorithm": f"{segment({'alg': ['HS256']})}.{claims}.{signature}",
        "odd key id": f"{segment({'alg': 'HS256', 'kid': 5})}.{claims}.{signature}",
        "header is no object": f"{segment([])}.{claims}.{signature}",
        "claims are no object": f"{header}.{segment([])}.{signature}",
        "other claims": f"{header}.{segment({**good.payload, 'sub': '2'})}.{signature}",
        "no subject": sign({name: value for name, value in good.payload.items() if name != "sub"}),
        "subject of 0": sign({**good.payload, "sub": "0"}),
        "subject beyond 64 bits": sign({**good.payload, "sub": str(2**63)}),
        "subject with a very long number": sign({**good.payload, "sub": "0" * 19 + "1" * 5_000}),
        "subject in other digits": sign({**good.payload, "sub": "１"}),
        "text as subject": sign({**good.payload, "sub": "abc"}),
        "garbage": "garbage",
        "dots": "...",
        "letters beyond ASCII": "하.늘.색",
        "a NUL byte": "a\0b",
        "two words": "one two",
    }


@pytest.mark.parametrize("kind", make_bad_access_tokens())
def test_bad_access_tokens_are_refused(db, kind):
    UserFactory(pk=1)
    answer = ask_with(f"Bearer {make_bad_access_tokens()[kind]}")
    assert_refused(answer, "invalid_access_token")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_the_good_token_beside_the_bad_ones_is_good():
    assert ask_with(f"Bearer {AccessToken.for_user(UserFactory(pk=1))}").status_code == 200


def test_2_1_3_an_access_token_of_an_unknown_user_is_refused(member):
    token = AccessToken.for_user(member)
    member.delete()
    assert_refused(ask_with(f"Bearer {token}"), "invalid_access_token")


def test_2_1_3_an_access_token_of_a_disabled_user_is_refused(member):
    token = AccessToken.for_user(member)
    User.objects.update(is_active=False)
    assert_refused(ask_with(f"Bearer {token}"), "invalid_access_token")
