"""No list of the back office asks more the longer it is, and none reads a big table from end to end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.models import IntegrityFinding, StaffAction
from apps.queue.models import WaitingRoom
from apps.queue.services import ensure_main_room
from benchmarks.integrity import STATEMENTS
from benchmarks.lists import list_requests, url_of
from tests.factories import NOW, ConcertFactory, UserFactory

pytestmark = pytest.mark.django_db

QUERIES_MAX = 12
ROWS = 1_000
MANY_ROWS = 20_000
# Tables whose size nobody bounds.
BIG_TABLES = {
    "accounts_user",
    "concerts_seat",
    "payments_payment",
    "queue_queueentry",
    "reservations_reservation",
    "reservations_reservationseat",
    "wallet_wallet",
    "wallet_walletentry",
}
# Tables whose rows `fill` numbers itself; the next row gets a number behind them.
NUMBERED = ("accounts_user", "concerts_venue", "concerts_concert", "concerts_performance")
# Lists of what customers have.
BIG_LISTS = (
    "payments.payment",
    "queue.queueentry",
    "reservations.reservation",
    "wallet.wallet",
    "wallet.walletentry",
)
MODELS = sorted(model._meta.label_lower for model in admin.site._registry)


def fill(count: int, *, house: int = 500) -> None:
    """Make so many reservations with all that belongs to them, as `make bench-integrity` does."""
    ensure_main_room(now=NOW)
    parameters = {"count": count, "house": house, "turn": 100}
    with connection.cursor() as cursor:
        for table in ("wallet_wallet", "wallet_walletentry"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in STATEMENTS:
            if "session_replication_role" not in statement:
                cursor.execute(statement, parameters)
        for table in NUMBERED:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, 9 * count]
            )


@pytest.fixture
def thousands() -> None:
    """A thousand rows of every model that has many."""
    fill(ROWS)
    ConcertFactory.create_batch(60)
    WaitingRoom.objects.bulk_create(
        WaitingRoom(
            slug=f"room-{number}", name="방", capacity=1, admit_per_minute=0, session_seconds=60,
            idle_seconds=60,
        )
        for number in range(60)
    )  # fmt: skip
    StaffAction.objects.bulk_create(
        StaffAction(at=NOW, actor_name="op", action="x", subject=f"reservation:{n}", reason="x")
        for n in range(ROWS)
    )
    IntegrityFinding.objects.bulk_create(
        IntegrityFinding(invariant=1, subject=f"seat:{n}", detail="x", found_at=NOW, seen_at=NOW)
        for n in range(ROWS)
    )


def sign_in_superuser(client: Any) -> Any:
    """Return the client, signed in: after `fill`, which makes users by their numbers."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def ask(client: Any, label: str, parameters: dict[str, str]) -> CaptureQueriesContext:
    """Ask for a list as staff do; return the statements that it took."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(url_of(label), parameters)
    assert answer.status_code == 200, (label, parameters, answer.get("Location"))
    return captured


@pytest.mark.parametrize("label", MODELS)
def test_no_list_takes_more_queries_the_longer_it_is(client, thousands, label):
    sign_in_superuser(client)
    taken = {
        json.dumps(parameters, ensure_ascii=False): len(ask(client, label, parameters))
        for _how, parameters in list_requests(client, label)
    }
    assert {asked: count for asked, count in taken.items() if count > QUERIES_MAX} == {}


def find_scans(plan: dict[str, Any]) -> Iterator[str]:
    """Yield the tables that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from find_scans(part)


def list_big_scans(captured: CaptureQueriesContext) -> list[str]:
    """Return the statements that read a big table from end to end, each with its table."""
    found = []
    with connection.cursor() as cursor:
        # Told to go by an index, PostgreSQL would read one from end to end just as well.
        cursor.execute("SET LOCAL enable_seqscan = on")
        for query in captured.captured_queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute("EXPLAIN (FORMAT JSON) " + query["sql"])
                (answer,) = cursor.fetchone()
                plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
                tables = sorted(BIG_TABLES.intersection(find_scans(plan)))
                found += [f"{table}: {query['sql']}" for table in tables]
    return found


def test_no_list_of_what_customers_have_reads_a_table_from_end_to_end(client):
    """Twenty thousand reservations are enough for PostgreSQL to know better."""
    fill(MANY_ROWS, house=2_000)
    sign_in_superuser(client)
    found = {}
    for label in BIG_LISTS:
        for _how, parameters in list_requests(client, label):
            scans = list_big_scans(ask(client, label, parameters))
            if scans:
                found[label, json.dumps(parameters, ensure_ascii=False)] = scans
    assert found == {}


def test_a_scan_would_be_seen():
    """The same look at a statement that has no index finds it."""
    fill(ROWS)
    with CaptureQueriesContext(connection) as captured, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM reservations_reservation WHERE total = 1")
    (scan,) = list_big_scans(captured)
    assert scan.startswith("reservations_reservation: ")
