"""Rules that no single app can keep: who imports whom, migrations, scenarios, the order of locks."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations import RunSQL
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext

from apps.concerts.blocking import block_seats_for_staff
from apps.core.audit import Actor
from apps.payments.services import cancel_reservation, pay_reservation
from apps.queue.joining import take_place
from apps.queue.services import admit_queue, leave_line
from apps.reservations.moving import move_reservation
from apps.reservations.services import expire_holds, release_hold, reserve_hold
from apps.wallet.services import charge_wallet
from tests.factories import NOW, UserFactory
from tests.reservations.support import hold, make_hold, make_paid, make_reservation

ROOT = Path(__file__).parent.parent.parent


def test_the_import_contracts_hold():
    lint_imports = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


# Migrations


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def list_sql_migrations():
    """Return app, name and predecessor of each of our migrations that runs SQL."""
    disk = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return [
        (app, name, next(before for label, before in migration.dependencies if label == app))
        for (app, name), migration in sorted(disk.items())
        if type(migration).__module__.startswith("apps.")
        and any(isinstance(operation, RunSQL) for operation in migration.operations)
    ]


def read_catalog():
    """Return every trigger, function, constraint and index there is, by its definition."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
            UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace
            UNION ALL SELECT conrelid::regclass || ' ' || conname || pg_get_constraintdef(oid)
              FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'""")
        return {definition for (definition,) in cursor.fetchall()}


def connect_to(database):
    connection.close()
    connection.settings_dict["NAME"] = database
    ContentType.objects.clear_cache()


@pytest.fixture
def scratch_database(django_db_setup, django_db_blocker):
    """An empty database in the place of the tests' own, for the time of a test."""
    with django_db_blocker.unblock():
        own = connection.settings_dict["NAME"]
        with connection._nodb_cursor() as cursor:
            cursor.execute("CREATE DATABASE scratch")
        connect_to("scratch")
        try:
            yield
        finally:
            connect_to(own)
            with connection._nodb_cursor() as cursor:
                cursor.execute("DROP DATABASE scratch WITH (FORCE)")


def test_migrations_run_from_zero_and_those_in_sql_back_and_forth(scratch_database):
    migrations = list_sql_migrations()
    assert {app for app, _name, _before in migrations} == {
        "accounts",
        "concerts",
        "core",
        "queue",
        "reservations",
        "wallet",
    }
    assert read_catalog() == set()
    call_command("migrate", verbosity=0)
    complete = read_catalog()
    for app, _name, before in migrations:
        call_command("migrate", app, before, verbosity=0)
        assert read_catalog() != complete, app
        call_command("migrate", verbosity=0)
        assert read_catalog() == complete, app


# Scenarios

SCENARIOS = [
    "1.1.1",
    "1.2.1",
    "2.1.1",
    "2.1.2",
    "2.1.3",
    "3.1.1",
    "3.1.2",
    "3.1.3",
    "3.1.4",
    "3.2.1",
    "3.2.2",
    "3.2.3",
    "3.2.4",
    "3.2.5",
    "4.1.1",
    "4.1.2",
    "4.1.3",
    "4.1.4",
    "4.1.5",
    "5.1.1",
    "5.1.2",
    "5.1.3",
    "5.1.4",
    "6.1.1",
    "6.1.2",
    "6.1.3",
    "6.1.4",
    "6.2.1",
    "6.2.2",
    "7.1.1",
    "7.2.1",
    "8.1.1",
    "8.1.2",
    "8.1.3",
    "8.2.1",
    "8.2.2",
    "8.2.3",
    "8.3.1",
]


def list_tested_scenarios():
    """Return the numbers that tests are named by: `test_4_1_3_…` is one of 4.1.3."""
    name = re.compile(r"^ *def test_(\d)_(\d)_(\d)_\w+\(", re.MULTILINE)
    sources = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return {".".join(number) for source in sources for number in name.findall(source)}


def test_every_scenario_has_a_test_that_is_named_by_it():
    tested = list_tested_scenarios()
    assert sorted(set(SCENARIOS) - tested) == []
    assert sorted(tested - set(SCENARIOS)) == []


# The order of locks

TURNSTILE, ENTRY, SEAT = "queue_turnstile", "queue_queueentry", "concerts_seat"
RESERVATION, PAYMENT, WALLET = "reservations_reservation", "payments_payment", "wallet_wallet"
RANKS = [TURNSTILE, ENTRY, SEAT, RESERVATION, PAYMENT, WALLET]
LINE, LEDGER = "reservations_reservationseat", "wallet_walletentry"

# Which lock lets somebody write which rows. New rows of a ranked table are nobody else's yet.
LOCK_FOR_UPDATE = {table: table for table in RANKS} | {LINE: RESERVATION}
LOCK_FOR_INSERT = {LINE: SEAT, LEDGER: WALLET, PAYMENT: RESERVATION, RESERVATION: SEAT}

# What goes with the row that is locked: who is there to call, and which segments to count again.
DERIVED = ("queue_presence", "queue_departure", "queue_segment")

LOCKING = re.compile(
    r' ORDER BY "(\w+)"\."(?:id|customer_id|room_id)" ASC.* FOR NO KEY UPDATE OF "\1"'
)
WRITING = re.compile(r'(INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')


def list_locks(statements):
    """Return the tables whose rows are locked, each once, in order.

    Assert that every lock is taken in order of the primary key and `FOR NO KEY UPDATE`, the ranks
    upwards, and that whatever is written was locked before.
    """
    locked = []
    for sql in statements:
        if re.search(r" FOR (NO KEY )?(UPDATE|SHARE)", sql):
            lock = LOCKING.search(sql)
            assert lock, f"not the lock of lock_rows: {sql}"
            locked.append(lock[1])
        elif write := WRITING.match(sql):
            assert write[1] != "DELETE FROM" or write[2] in DERIVED, sql
            needed = (LOCK_FOR_UPDATE if write[1] == "UPDATE" else LOCK_FOR_INSERT).get(write[2])
            assert needed is None or needed in locked, f"written before it was locked: {sql}"
    assert locked == sorted(locked, key=RANKS.index)
    return list(dict.fromkeys(locked))


def capture(act, **kwargs):
    with CaptureQueriesContext(connection) as captured:
        act(now=NOW, **kwargs)
    return [query["sql"] for query in captured]


def hold_over(entry, customer, seats):
    make_hold(UserFactory(), seats[:2], at=NOW - timedelta(minutes=5))
    return capture(lambda now: hold(entry, seats[:1], now=now))


def reserve(entry, customer, seats):
    held = make_hold(customer, seats[:1])
    return capture(reserve_hold, entry_id=entry.pk, hold_id=held.pk)


def release(entry, customer, seats):
    held = make_hold(customer, seats[:1])
    return capture(release_hold, entry_id=entry.pk, hold_id=held.pk)


def pay(entry, customer, seats):
    reservation = make_reservation(customer, seats[:1])
    charge_wallet(customer_id=customer.pk, amount=10_000, now=NOW)
    return capture(pay_reservation, entry_id=entry.pk, reservation_id=reservation.pk)


def cancel_pending(entry, customer, seats):
    reservation = make_reservation(customer, seats[:1])
    return capture(cancel_reservation, customer_id=customer.pk, reservation_id=reservation.pk)


def cancel_paid(entry, customer, seats):
    reservation = make_paid(customer, seats[:1])
    return capture(cancel_reservation, customer_id=customer.pk, reservation_id=reservation.pk)


def sweep(entry, customer, seats):
    make_hold(customer, seats[:1], at=NOW - timedelta(minutes=5))
    return capture(expire_holds)


def block(entry, customer, seats):
    return capture(
        block_seats_for_staff,
        performance_id=seats[0].performance_id,
        seat_ids=[seat.pk for seat in seats],
        actor=Actor(name="op"),
        reason="x",
    )


def move_over(entry, customer, seats):
    make_hold(UserFactory(), seats[1:3], at=NOW - timedelta(minutes=5))
    return capture(
        move_reservation,
        reservation_id=make_paid(customer, seats[:1]).pk,
        from_seat_ids=[seats[0].pk],
        to_seat_ids=[seats[1].pk],
        actor=Actor(name="op"),
        reason="x",
    )


def charge(entry, customer, seats):
    charge_wallet(customer_id=customer.pk, amount=1, now=NOW)
    return capture(charge_wallet, customer_id=customer.pk, amount=1)


def join_again(entry, customer, seats):
    return capture(take_place, customer_id=customer.pk, room_slug="main", token="again")


def leave(entry, customer, seats):
    return capture(leave_line, entry_id=entry.pk)


def admit(entry, customer, seats):
    return capture(admit_queue)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("act", "locks"),
    [
        (hold_over, [ENTRY, SEAT, RESERVATION]),
        (reserve, [ENTRY, RESERVATION]),
        (release, [ENTRY, RESERVATION]),
        (pay, [ENTRY, RESERVATION, WALLET]),
        (cancel_pending, [RESERVATION]),
        (cancel_paid, [RESERVATION, PAYMENT, WALLET]),
        (sweep, [RESERVATION]),
        (block, [SEAT]),
        (move_over, [SEAT, RESERVATION]),
        (charge, [WALLET]),
        (join_again, [ENTRY]),
        (leave, [ENTRY]),
        (admit, [TURNSTILE, ENTRY]),
    ],
)
def test_locks_are_taken_in_order_and_before_anything_is_written(
    admitted, customer, seats, act, locks
):
    statements = act(admitted, customer, seats)
    assert any(WRITING.match(sql) for sql in statements)
    assert list_locks(statements) == locks


def lock_of(table, strength="NO KEY UPDATE"):
    return f'SELECT * FROM "{table}" ORDER BY "{table}"."id" ASC FOR {strength} OF "{table}"'


@pytest.mark.parametrize(
    "statements",
    [
        [lock_of(RESERVATION), lock_of(SEAT)],
        [lock_of(WALLET), lock_of(ENTRY)],
        [lock_of(SEAT, strength="UPDATE")],
        [f'SELECT * FROM "{SEAT}" FOR NO KEY UPDATE OF "{SEAT}"'],
        [f'UPDATE "{RESERVATION}" SET status = 1', lock_of(RESERVATION)],
        [lock_of(ENTRY), f'UPDATE "{LINE}" SET released_at = 1'],
        [lock_of(PAYMENT), f'INSERT INTO "{LEDGER}" VALUES (1)'],
        [lock_of(RESERVATION), f'DELETE FROM "{RESERVATION}"'],
    ],
)
def test_a_broken_order_would_be_found(statements):
    with pytest.raises(AssertionError):
        list_locks(statements)


def test_no_row_is_locked_but_by_the_one_helper():
    allowed = {"apps/core/db.py"}
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "apps").rglob("*.py")
        if re.search(r"select_for_update|FOR (NO KEY )?UPDATE|LOCK TABLE", code_of(path))
    }
    assert found == allowed


def code_of(path):
    """Return the source without docstrings and comments."""
    return re.sub(r'""".*?"""|#[^\n]*', "", path.read_text(), flags=re.DOTALL)


def test_the_clock_is_read_in_one_place():
    reading = re.compile(r"timezone\.now\(|datetime\.now\(|\bNow\(\)|utcnow\(|time\.time\(")
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "apps").rglob("*.py")
        if reading.search(code_of(path))
    }
    # Rate limits count, and access tokens expire, by the machine's own clock.
    allowed = {"apps/core/clock.py", "apps/core/throttles.py", "apps/accounts/tokens.py"}
    assert found <= allowed
