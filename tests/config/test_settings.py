"""The environment: a wrong value stops the start with one line that names the variable."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kombu import Connection

from config.environment import read_flag

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s" * 50
DEPLOYED = {
    "DATABASE_URL": "postgresql://encore:secret@db.example:5433/tickets",
    "SECRET_KEY": SECRET,
    "ALLOWED_HOSTS": "tickets.example, www.tickets.example",
}
PROVIDER = {
    "JWT_JWKS_URL": "https://id.example/jwks.json",
    "JWT_ISSUER": "https://id.example/",
    "JWT_AUDIENCE": "encore",
}
INTEGERS = {
    "PORT": (1, 65_535),
    "WEB_WORKERS": (1, 256),
    "HOLD_SECONDS": (1, 86_400),
    "HOLD_LAPSES_MAX": (0, 1_000),
    "HOLD_LAPSE_MINUTES": (0, 1_440),
    "SEATS_PER_CUSTOMER": (1, 100),
    "SWEEP_SECONDS": (1, 3_600),
    "IDEMPOTENCY_HOURS": (24, 8_760),
    "ROOM_CAPACITY": (1, 1_000_000),
    "ROOM_ADMIT_PER_MINUTE": (0, 1_000_000),
    "ROOM_SESSION_SECONDS": (10, 86_400),
    "ROOM_IDLE_SECONDS": (3, 86_400),
    "ACCESS_TOKEN_MINUTES": (1, 1_440),
    "THROTTLE_CUSTOMER_PER_MINUTE": (1, 1_000_000),
    "THROTTLE_ADDRESS_PER_MINUTE": (1, 1_000_000),
    "THROTTLE_LOGIN_PER_MINUTE": (1, 1_000_000),
    "PROXY_COUNT": (0, 10),
}


@pytest.fixture
def start(tmp_path):
    """Return a runner of Python programs in an environment of nothing but what is given."""

    def run(*arguments, **variables):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATA_DIR": str(tmp_path),
            **variables,
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def read(start, *names, **variables):
    """Return the settings of these names in that environment."""
    program = (
        "import json, django.conf as c; s = c.settings;"
        f"print(json.dumps([getattr(s, n) for n in {names!r}], default=str))"
    )
    result = start("-c", program, DJANGO_SETTINGS_MODULE="config.settings", **variables)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def assert_stopped(result, *words):
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("Encore cannot start: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "http", "a whole number from 1 to 65535, not 'http'"),
        ("PORT", "1_000", "a whole number"),
        ("PORT", "80.5", "a whole number"),
        ("DEBUG", "maybe", "1 or 0, not 'maybe'"),
        ("THROTTLE_ENABLED", "2", "1 or 0"),
        ("HTTPS_ONLY", "https", "1 or 0"),
        ("CURRENCY", "won", "one of KRW, JPY"),
        ("CURRENCY", "krw", "one of KRW, JPY"),
        ("LOG_FORMAT", "xml", "one of console, json"),
        ("DATABASE_POOLER", "pgbouncer", "one of none, transaction, not 'pgbouncer'"),
        ("DATABASE_PREPARED_STATEMENTS", "never", "1 or 0, not 'never'"),
        ("TIME_ZONE", "Mars/Olympus", "an IANA time zone such as Asia/Seoul"),
        ("TIME_ZONE", "../etc/passwd", "an IANA time zone"),
        ("CACHE_URL", "memory", "a cache URL such as redis://"),
        ("CACHE_URL", "redis://cache.example:port/1", "a cache URL such as redis://"),
        ("CELERY_BROKER_URL", "nonsense", ""),
        ("DATA_DIR", "/proc/version", ""),
    ],
)
def test_a_wrong_value_stops_the_start(start, name, value, expected):
    assert_stopped(start("manage.py", "check", **{name: value}), name, expected)


TRY_EACH = """
import json, os, runpy, sys
from django.core.exceptions import ImproperlyConfigured

said = []
for name, value in json.loads(sys.argv[1]):
    os.environ[name] = value
    try:
        said.append(runpy.run_path("config/settings.py").get(name))
    except ImproperlyConfigured as error:
        said.append(str(error))
    del os.environ[name]
print(json.dumps(said))
"""


def try_each(start, cases):
    """Return what becomes of each name and value: the setting, or the refusal."""
    result = start("-c", TRY_EACH, json.dumps(cases))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_every_number_has_its_limits(start):
    beyond = [
        (name, str(value))
        for name, (low, high) in INTEGERS.items()
        for value in (low - 1, high + 1)
    ]
    for (name, value), said in zip(beyond, try_each(start, beyond), strict=True):
        low, high = INTEGERS[name]
        assert said == f"{name} must be a whole number from {low} to {high}, not {value!r}."


def test_the_limits_themselves_are_allowed(start):
    cases = [(name, str(value)) for name, limits in INTEGERS.items() for value in limits]
    assert try_each(start, cases) == [int(value) for _name, value in cases]


@pytest.mark.parametrize(
    ("words", "truth"),
    [(("1", "true", "TRUE", "yes", " on "), True), (("0", "False", "no", "OFF"), False)],
)
def test_flags_have_several_words(monkeypatch, words, truth):
    for word in words:
        monkeypatch.setenv("FLAG", word)
        assert read_flag("FLAG", default=not truth) is truth


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///db.sqlite3",
        "mysql://db.example/encore",
        "postgresql://db.example/",
        "postgresql://db.example:port/encore",
        "db.example",
    ],
)
def test_any_other_database_is_refused(start, url):
    result = start("manage.py", "check", **{**DEPLOYED, "DATABASE_URL": url})
    assert_stopped(result, "DATABASE_URL must be a PostgreSQL URL")


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_deployment_names_its_key_and_its_hosts(start, name, value):
    variables = {key: text for key, text in DEPLOYED.items() if key != name}
    if value is not None:
        variables[name] = value
    assert_stopped(start("manage.py", "check", **variables), name)


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_so_does_the_embedded_database_with_debug_off(start, name):
    variables = {"SECRET_KEY": SECRET, "ALLOWED_HOSTS": "x.example", "DEBUG": "0"}
    del variables[name]
    assert_stopped(start("manage.py", "check", **variables), name)


def test_a_key_that_can_be_guessed_is_refused(start):
    result = start("manage.py", "check", **{**DEPLOYED, "SECRET_KEY": "secret"})
    assert_stopped(result, "SECRET_KEY", "50 characters")
    assert "'secret'" not in result.stderr


@pytest.mark.parametrize("missing", PROVIDER)
def test_an_identity_provider_is_named_wholly_or_not_at_all(start, missing):
    variables = {name: text for name, text in PROVIDER.items() if name != missing}
    assert_stopped(start("manage.py", "check", **variables), *PROVIDER)


def test_an_identity_provider_is_asked_over_http(start):
    result = start("manage.py", "check", **{**PROVIDER, "JWT_JWKS_URL": "file:///etc/passwd"})
    assert_stopped(result, "JWT_JWKS_URL")


def test_without_any_variable_it_is_a_developers_machine(start, tmp_path):
    names = ("DEBUG", "EMBEDDED_DATABASE", "HTTPS_ONLY", "ALLOWED_HOSTS", "SECRET_KEY")
    debug, embedded, https, hosts, key = read(start, *names)
    assert (debug, embedded, https) == (True, True, False)
    assert hosts == ["127.0.0.1", "localhost", "[::1]"]
    path = tmp_path / "secret_key"
    assert path.read_text() == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert read(start, "SECRET_KEY") == [key]


def test_an_empty_variable_counts_as_not_set(start):
    names = ("PORT", "CURRENCY", "DEBUG", "HOLD_SECONDS", "TIME_ZONE", "THROTTLE_ENABLED")
    empty = dict.fromkeys(names, " ")
    assert read(start, *names, **empty) == [8_000, "KRW", True, 300, "Asia/Seoul", True]


def test_a_deployment(start):
    names = ("DEBUG", "EMBEDDED_DATABASE", "HTTPS_ONLY", "SESSION_COOKIE_SECURE", "ALLOWED_HOSTS")
    *flags, hosts = read(start, *names, **DEPLOYED)
    assert flags == [False, False, True, True]
    assert hosts == ["tickets.example", "www.tickets.example"]
    (databases,) = read(start, "DATABASES", **DEPLOYED)
    database = databases["default"]
    assert (database["HOST"], str(database["PORT"]), database["NAME"]) == (
        "db.example",
        "5433",
        "tickets",
    )
    assert "lock_timeout=3000" in database["OPTIONS"]["options"]
    # Each thread keeps its connection.
    assert ("pool" in database["OPTIONS"], database["CONN_MAX_AGE"]) == (False, None)


def test_the_environment_reaches_the_settings(start):
    (sign_in,) = read(start, "SIMPLE_JWT", ACCESS_TOKEN_MINUTES="5", **DEPLOYED)
    assert sign_in["ACCESS_TOKEN_LIFETIME"] == "0:05:00"
    assert sign_in["SIGNING_KEY"] == SECRET
    assert read(start, "PROXY_COUNT", PROXY_COUNT="2", **DEPLOYED) == [2]
    assert read(start, "DEBUG", "CURRENCY", DEBUG="off", CURRENCY="JPY", **DEPLOYED) == [
        False,
        "JPY",
    ]
    assert read(start, *PROVIDER, **PROVIDER) == list(PROVIDER.values())


@pytest.mark.parametrize("url", ["pgmq://localhost", "redis://localhost/0", "amqp://localhost//"])
def test_every_broker_of_the_manual_has_its_driver(url):
    # A transport refuses to be made where its driver is not installed.
    assert Connection(url).transport.driver_type


def database_of(start, **variables):
    (databases,) = read(start, "DATABASES", **{**DEPLOYED, **variables})
    return databases["default"]


def test_a_pooler_is_told_nothing_that_it_would_not_keep(start):
    straight = database_of(start)
    pooled = database_of(
        start, DATABASE_POOLER="transaction", CELERY_BROKER_URL="redis://broker.example/0"
    )
    assert "options" not in pooled["OPTIONS"]
    assert pooled["DISABLE_SERVER_SIDE_CURSORS"]
    assert not straight["DISABLE_SERVER_SIDE_CURSORS"]
    for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        assert f"-c {limit}=" in straight["OPTIONS"]["options"]


def test_statements_are_prepared_unless_told_otherwise(start):
    assert database_of(start)["OPTIONS"]["prepare_threshold"] == 5
    without = database_of(start, DATABASE_PREPARED_STATEMENTS="0")
    assert without["OPTIONS"]["prepare_threshold"] is None


def test_behind_a_pooler_the_broker_is_another(start):
    result = start("manage.py", "check", DATABASE_POOLER="transaction", **DEPLOYED)
    assert_stopped(result, "CELERY_BROKER_URL is missing", "DATABASE_POOLER=transaction")


def test_no_wait_for_the_database_is_without_an_end(start):
    limits = ("connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count")
    options = database_of(start)["OPTIONS"]
    assert 0 < options["tcp_user_timeout"] <= 30_000
    for limit in limits:
        assert 0 < options[limit] <= 10
    # Who knows their network better says so in the URL.
    url = f"{DEPLOYED['DATABASE_URL']}?tcp_user_timeout=60000"
    assert database_of(start, DATABASE_URL=url)["OPTIONS"]["tcp_user_timeout"] == "60000"
    (conninfo,) = read(start, "BROKER_CONNINFO", **DEPLOYED)
    assert "tcp_user_timeout=10000" in conninfo
    (conninfo,) = read(start, "BROKER_CONNINFO", **{**DEPLOYED, "DATABASE_URL": url})
    assert "tcp_user_timeout=60000" in conninfo


def test_nor_is_one_for_the_cache(start):
    (caches,) = read(start, "CACHES", CACHE_URL="redis://cache.example:6379/1")
    assert caches["default"]["OPTIONS"] == {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}


def test_nor_is_one_for_the_broker(start):
    names = ("CELERY_BROKER_TRANSPORT_OPTIONS", "CELERY_BROKER_HEARTBEAT")
    redis, _heartbeat = read(start, *names, CELERY_BROKER_URL="redis://broker.example/0")
    for limit in ("socket_timeout", "socket_connect_timeout", "health_check_interval"):
        assert 0 < redis[limit] <= 10
    rabbit, heartbeat = read(start, *names, CELERY_BROKER_URL="amqp://broker.example//")
    assert (rabbit, 0 < heartbeat <= 30) == ({"confirm_publish": True}, True)
