"""The database role of docs/security.md: with its grants alone the service does everything, and no more."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.concerts.models import Performance, Seat
from apps.core.models import StaffAction
from apps.payments.calling_off import refund_called_off
from apps.queue.services import admit_queue, expire_queue
from apps.reservations.services import expire_holds
from apps.wallet.models import WalletEntry
from config.guard import guard_integrity
from config.schedules import ensure_schedules
from tests.conftest import Clock
from tests.reservations.support import (
    dates_url,
    post_cancel,
    post_hold,
    post_payment,
    post_reservation,
    seats_url,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
STATEMENTS = re.compile(r"```sql\n(.*?)```", re.DOTALL)
# The page's names of the database, of its owner and of the service.
OWNER, SERVICE = "encore", "encore_app"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        not settings.EMBEDDED_DATABASE,
        reason="takes a role that may make roles, of one's own server",
    ),
]


def list_statements() -> list[str]:
    """Return the page's statements, for the database of the tests."""
    match = STATEMENTS.search(PAGE.read_text())
    assert match is not None
    database = connection.settings_dict["NAME"]
    text = match[1].replace("DATABASE encore", f'DATABASE "{database}"')
    return [statement.strip() for statement in text.split(";") if statement.strip()]


@pytest.fixture(scope="module")
def role() -> Iterator[None]:
    """The role, without any right. It is dropped when the transaction that grants some is over."""
    with psycopg.connect(
        host=connection.settings_dict["HOST"], dbname="postgres", user="postgres", autocommit=True
    ) as superuser:
        superuser.execute(list_statements()[0])
        superuser.execute(f"GRANT {SERVICE} TO {OWNER}")
        yield
        superuser.execute(f"DROP ROLE {SERVICE}")


@pytest.fixture
def service(role: None, fences: None, buyer: APIClient, seats: list[Seat]) -> APIClient:
    """A customer who is inside; from here on all statements are those of the role."""
    User.objects.create_superuser("boss@encore.example", "boss-secret")
    ensure_schedules()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in list_statements()[1:]:
            cursor.execute(statement)
        cursor.execute(f"SET LOCAL ROLE {SERVICE}")
    return buyer


def test_the_service_needs_no_more(
    service: APIClient, seats: list[Seat], performance: Performance, clock_at_now: Clock
):
    key = {"HTTP_IDEMPOTENCY_KEY": "key"}
    assert service.get(dates_url(performance)).status_code == 200
    assert service.get(seats_url(performance)).status_code == 200
    held = post_hold(service, seats[:2], **key)
    assert held.status_code == 201
    assert post_reservation(service, held.json()["id"]).status_code == 201
    assert service.post("/api/v1/wallet/charges", {"amount": 50_000}).status_code == 201
    assert post_payment(service, held.json()["id"]).status_code == 201
    assert post_cancel(service, held.json()["id"]).status_code == 200
    assert service.post("/api/v1/queue/tokens", {}).status_code == 201
    now = clock_at_now.move(seconds=1)
    for sweep in (admit_queue, expire_queue, expire_holds, refund_called_off):
        sweep(now=now)
    assert guard_integrity(now=now) == 0
    call_command("room", "main", "pause", "--reason", "a test")
    staff = Client()
    signed_in = {"username": "boss@encore.example", "password": "boss-secret"}
    assert staff.post("/admin/login/", signed_in).status_code == 302
    assert staff.get("/admin/").status_code == 200
    assert StaffAction.objects.filter(action="steer_room").exists()
    assert WalletEntry.objects.count() == 3


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "ALTER TABLE wallet_walletentry DISABLE TRIGGER wallet_entry_append_only",
        "ALTER TABLE concerts_seat ADD COLUMN mine int",
        "DROP TABLE queue_draw",
        "DROP INDEX reservation_seat_claimed_once",
        "TRUNCATE queue_queueentry CASCADE",
        "UPDATE wallet_walletentry SET amount = 1",
        "DELETE FROM wallet_walletentry",
        "UPDATE core_staffaction SET reason = 'another'",
        "DELETE FROM core_staffaction",
        "DELETE FROM django_migrations",
        "SET session_replication_role = replica",
    ],
)
def test_it_may_do_no_more(service: APIClient, statement: str):
    with (
        pytest.raises(ProgrammingError, match=r"must be owner|permission denied"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_without_the_grants_nothing_goes(role: None, buyer: APIClient, seats: list[Seat]):
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {SERVICE}")
    with pytest.raises(ProgrammingError, match="permission denied"):
        Seat.objects.count()
