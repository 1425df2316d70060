"""Every operation of the schema, with requests that it allows and requests that it does not.

A few examples of each beside all boundary values; with `ENCORE_TEST_LONG=1` (`make fuzz`) some hundreds,
and what came of them is printed.
"""

import os
from collections.abc import Iterator

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from schemathesis.config import SchemathesisConfig

from config.wsgi import application
from tests.contract.fuzzing import Fuzz, Tally

LONG = os.environ.get("ENCORE_TEST_LONG") == "1"
EXAMPLES = 220 if LONG else 12
# Where a check contradicts the contract, for that operation alone.
EXCEPTIONS = [
    # A wallet may be too low for a request that is well-formed: 402.
    {
        "include-operation-id": "pay_reservation",
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "401", "402", "403", "404", "409"]
            }
        },
    },
]

schema = schemathesis.openapi.from_wsgi(
    "/api/schema",
    application,
    headers={"Accept": "application/vnd.oai.openapi+json", "Host": "localhost"},
    config=SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "generation": {
                "max-examples": EXAMPLES,
                "deterministic": not LONG,
                "database": "none",
            },
            "operations": EXCEPTIONS,
        }
    ),
)
fuzz = Fuzz()


@schema.auth()
class SignedIn(Fuzz.Auth):
    """Signs the shop's customer in."""


@schemathesis.hook
def before_call(context, case, kwargs):
    fuzz.before(case)


@schemathesis.hook
def after_call(context, case, response):
    fuzz.after(case, response)


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    yield fuzz.tally
    if LONG:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{fuzz.tally.describe()}")


@pytest.fixture
def shop(db: None, tally: Tally) -> Iterator[None]:
    """Open the shop, and see that something was achieved in it."""
    # As Django's own test client does: the end of a request is not the end of the test's transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    before = tally.count_successes()
    fuzz.open_shop()
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
    assert tally.count_successes() > before, "no request was a success"


@schema.parametrize()
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("shop")
def test_operation(case):
    # The transport reads no answer that is packed.
    case.call_and_validate(headers={"Accept-Encoding": "identity"})
