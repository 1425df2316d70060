"""Limits that stand in two places are the same in both."""

import json
import re

from django.conf import settings
from django.utils import translation

from apps.core.errors import Busy
from apps.core.limits import BUSY_RETRY_SECONDS
from apps.core.problems import RequestTooLarge, encode_json, problem_body
from config.health import PATHS
from tests.deployment import files

NGINX = (files.DEPLOY / "nginx/templates/default.conf.template").read_text()
PGBOUNCER = (files.DEPLOY / "pgbouncer/pgbouncer.ini").read_text()


def setting(name):
    (value,) = re.findall(rf"^{name} = (\S+)$", PGBOUNCER, flags=re.MULTILINE)
    return value


def test_pgbouncer_sets_what_encore_asks_for():
    (query,) = re.findall(r"connect_query='(.*)'", PGBOUNCER)
    assert dict(re.findall(r"SET (\w+) = (\w+)", query)) == {
        **settings.PLANNER,
        "lock_timeout": str(settings.LOCK_TIMEOUT_MS),
        "statement_timeout": str(settings.STATEMENT_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(settings.IDLE_IN_TRANSACTION_TIMEOUT_MS),
    }


def test_what_pgbouncer_opens_postgresql_takes():
    services = files.read_compose()["services"]
    (most,) = re.findall(r"max_connections=(\d+)", " ".join(services["postgres"]["command"]))
    reserved = 3
    assert int(setting("max_db_connections")) < int(most) - reserved
    each = int(setting("default_pool_size")) + int(setting("reserve_pool_size"))
    replicas = files.find_manifest("Deployment", "pgbouncer")["spec"]["replicas"]
    assert each * replicas < int(most) - reserved


def test_nginx_takes_the_bodies_that_encore_takes():
    (size,) = re.findall(r"^    client_max_body_size (\d+)m;", NGINX, flags=re.MULTILINE)
    assert int(size) * 1024 * 1024 == settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def test_nginx_waits_longer_than_the_database_lets_a_statement_run():
    (seconds,) = re.findall(r"^    proxy_read_timeout (\d+)s;", NGINX, flags=re.MULTILINE)
    assert int(seconds) * 1000 > settings.STATEMENT_TIMEOUT_MS


def test_nginx_answers_for_itself_as_encore_does():
    bodies = {body["code"]: body for body in map(json.loads, re.findall(r"'(\{.*\})'", NGINX))}
    with translation.override("en"):
        expected = [
            json.loads(encode_json(problem_body(kind, {}))) for kind in (Busy, RequestTooLarge)
        ]
    assert bodies == {body["code"]: body for body in expected}
    assert f'Retry-After "{BUSY_RETRY_SECONDS}"' in NGINX


def test_nginx_shows_customers_no_operators_pages():
    hidden = re.findall(r"location = (\S+) \{ return 404; \}", NGINX)
    assert sorted(hidden) == sorted(set(PATHS) - {"/healthz"})
