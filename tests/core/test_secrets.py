"""No secret is ever written down: not in logs, whatever their level and format, not in reports of errors."""

import io
import logging
import sys
from logging.config import DictConfigurator

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import RequestFactory
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.core.statements import time_statement
from apps.payments import services as payments
from apps.queue import services as queue
from config.logs import JsonLine
from tests.reservations.support import post_hold, post_payment, post_reservation

pytestmark = pytest.mark.django_db

PASSWORD = "p4ssw0rd-of-a-customer"
WRONG = "p4ssw0rd-mistyped"
DATABASE_PASSWORD = "p4ssw0rd-of-the-database"
LOGIN = "/api/v1/auth/login"
TOKENS = "/api/v1/queue/tokens"


@pytest.fixture(params=["console", "json"])
def log(request):
    """What is logged meanwhile, at every level, in one of our formats."""
    formatters = DictConfigurator(settings.LOGGING)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(
        formatters.configure_formatter(settings.LOGGING["formatters"][request.param])
    )
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in list(root.manager.loggerDict))]
    before = [(logger, logger.level, logger.filters, logger.disabled) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.filters, logger.disabled = [], False
    root.addHandler(handler)
    connection.force_debug_cursor = True
    yield written
    connection.force_debug_cursor = False
    root.removeHandler(handler)
    for logger, level, filters, disabled in before:
        logger.setLevel(level)
        logger.filters, logger.disabled = filters, disabled


@pytest.fixture
def database_password(monkeypatch):
    """A password where the settings have it; the tests' own database needs none."""
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", DATABASE_PASSWORD)
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", DATABASE_PASSWORD)
    monkeypatch.setattr(settings, "CELERY_BROKER_URL", f"redis://:{DATABASE_PASSWORD}@db/0")
    monkeypatch.setattr(settings, "BROKER_CONNINFO", f"host=db password={DATABASE_PASSWORD}")
    cache = {"BACKEND": "x", "LOCATION": f"redis://:{DATABASE_PASSWORD}@cache/0"}
    monkeypatch.setattr(settings, "CACHES", {**settings.CACHES, "other": cache})


def sign_in(password=PASSWORD):
    client = APIClient(raise_request_exception=False)
    return client, client.post(LOGIN, {"email": "haneul@encore.example", "password": password})


@pytest.fixture
def signed_in(room, clock_at_now):
    """A client with all its secrets, which are of our own making."""
    User.objects.create_user("haneul@encore.example", PASSWORD)
    client, answer = sign_in()
    tokens = answer.json()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
    issued = client.post(TOKENS, {}).json()
    client.credentials(**client._credentials, HTTP_X_QUEUE_TOKEN=issued["token"])
    client.secrets = [tokens["access"], tokens["refresh"], issued["token"]]
    return client


def assert_no_secret(text, *more):
    ours = (PASSWORD, WRONG, DATABASE_PASSWORD, settings.SECRET_KEY, "Bearer ")
    assert [secret for secret in (*ours, *more) if secret in text] == []


def test_the_log_would_show_a_secret(log):
    logging.getLogger("apps.anything").debug("signing in with %s", PASSWORD)
    assert PASSWORD in log.getvalue()


def test_a_purchase_tells_no_secret(log, signed_in, seats):
    signed_in.get(f"{TOKENS}/current")
    hold_id = post_hold(signed_in, seats[:1], HTTP_IDEMPOTENCY_KEY="k-hold").json()["id"]
    signed_in.post("/api/v1/wallet/charges", {"amount": 50_000})
    assert post_reservation(signed_in, hold_id).status_code == 201
    assert post_payment(signed_in, hold_id).status_code == 201
    signed_in.post("/api/v1/auth/refresh", {"refresh": signed_in.secrets[1]})
    text = log.getvalue()
    assert "INSERT INTO" in text  # every statement is there, with its values
    assert_no_secret(text, *signed_in.secrets)


def test_refusals_tell_no_secret(log, signed_in):
    for _attempt in range(11):
        sign_in(WRONG)
    signed_in.post(LOGIN, {"email": [PASSWORD], "password": {"x": PASSWORD}})
    signed_in.post(LOGIN, f'{{"password": "{PASSWORD}"', content_type="application/json")
    signed_in.post("/api/v1/auth/refresh", {"refresh": signed_in.secrets[0]})
    signed_in.post("/api/v1/wallet/charges", {"amount": PASSWORD})
    signed_in.get("/api/v1/nowhere")
    signed_in.get("/api/v1/wallet", HTTP_HOST="stranger.example")
    signed_in.delete(f"{TOKENS}/current")
    signed_in.get(f"{TOKENS}/current")
    assert_no_secret(log.getvalue(), *signed_in.secrets)


@pytest.fixture
def log_as_configured(settings):
    """What is logged meanwhile as `LOGGING` has it, every statement being slow."""
    settings.SLOW_QUERY_MS = 0.000_001
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLine())
    logging.getLogger().addHandler(handler)
    with connection.execute_wrapper(time_statement):
        yield written
    logging.getLogger().removeHandler(handler)


def test_slow_and_failing_requests_tell_no_secret(log_as_configured, signed_in, seats, monkeypatch):
    hold_id = post_hold(signed_in, seats[:1], HTTP_IDEMPOTENCY_KEY="k-hold-s3cret").json()["id"]
    post_reservation(signed_in, hold_id)
    monkeypatch.setattr(payments, "lock_wallet", break_down)
    answer = post_payment(signed_in, hold_id, HTTP_IDEMPOTENCY_KEY="k-pay-s3cret")
    assert answer.status_code == 500
    sign_in(WRONG)
    text = log_as_configured.getvalue()
    assert "slow statement" in text
    assert "Traceback" in text
    assert_no_secret(text, *signed_in.secrets, "s3cret", "haneul@encore.example")


def divide_by_zero(*_args, **_kwargs):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def break_down(*_args, **_kwargs):
    raise RuntimeError("broken on purpose")


def lose_the_database(*_args, **_kwargs):
    raise OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("fail", [divide_by_zero, break_down, lose_the_database])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (accounts, "authenticate"),
        (queue, "get_line_status"),
        (queue, "take_place"),
        (payments, "lock_wallet"),
    ],
)
def test_faults_tell_no_secret(log, signed_in, seats, monkeypatch, fail, module, name):
    hold_id = post_hold(signed_in, seats[:1]).json()["id"]
    post_reservation(signed_in, hold_id)
    monkeypatch.setattr(module, name, fail)
    answers = {
        sign_in()[1].status_code,
        signed_in.get(f"{TOKENS}/current").status_code,
        post_payment(signed_in, hold_id).status_code,
        signed_in.post(TOKENS, {}).status_code,
    }
    assert answers & {500, 503}
    text = log.getvalue()
    assert ("Traceback" in text) == (500 in answers)
    assert_no_secret(text, *signed_in.secrets)


# Reports: what a mail to admins would hold, and the page of a developer with DEBUG on


def report(request):
    """Return what is told of a fault in the middle of a sign-in, as text and as a page."""
    password = request.META["HTTP_X_PASSWORD"]
    credentials = {"given": password, "connection": f"postgresql://encore:{password}@db/encore"}
    try:
        raise RuntimeError(f"broken with {len(credentials)}")
    except RuntimeError:
        reporter = ExceptionReporter(request, *sys.exc_info(), is_email=True)
        return reporter.get_traceback_text() + reporter.get_traceback_html()


@pytest.fixture
def failing():
    return RequestFactory().post(
        LOGIN,
        {"password": PASSWORD},
        HTTP_AUTHORIZATION="Bearer eyJhbGci",
        HTTP_X_QUEUE_TOKEN="nV0r-queue-token",
        HTTP_X_PASSWORD=PASSWORD,
        HTTP_COOKIE="sessionid=s3ssion",
    )


def test_a_report_tells_no_secret(failing, database_password):
    text = report(failing)
    assert "broken with 2" in text
    assert "CELERY_BROKER_URL" in text
    assert "credentials" in text
    assert_no_secret(text, "eyJhbGci", "nV0r-queue-token", "s3ssion")


def test_the_page_of_a_developer_tells_none_of_the_settings(failing, database_password, settings):
    settings.DEBUG = True
    failing.META["HTTP_X_PASSWORD"] = "their own"
    text = report(failing)
    assert "their own" in text
    assert DATABASE_PASSWORD not in text
    assert settings.SECRET_KEY not in text
    for header in ("eyJhbGci", "nV0r-queue-token", "s3ssion"):
        assert header not in text


def test_djangos_own_report_would(failing, database_password):
    failing.exception_reporter_filter = SafeExceptionReporterFilter()
    text = report(failing)
    assert DATABASE_PASSWORD in text
    assert PASSWORD in text
