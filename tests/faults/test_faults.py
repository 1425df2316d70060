"""Buyers, while processes are killed, connections used up and clocks wrong.

What the supervisor promises is kept in mind: it restarts a child four times within a minute, so between
deaths of one child there are pauses, as there are between an operator's mistakes.
"""

import psycopg
import pytest
from psycopg import sql

from tests.faults.audit import audit
from tests.faults.campaign import Campaign
from tests.faults.conftest import LONG, MINUTES, require_whole
from tests.faults.injections import DISK_FULL, FAULTS, WRITES_REFUSED

pytestmark = pytest.mark.timeout(MINUTES * 60 + 600 if LONG else 600)


def test_every_fault_is_survived_and_nothing_acknowledged_is_lost(aftermath: Campaign):
    assert aftermath.recoveries.keys() >= {fault.name for fault in FAULTS}
    require_whole(aftermath)


def test_a_disk_that_takes_no_more_loses_nothing(
    full_disk_aftermath: Campaign, aftermath: Campaign
):
    assert full_disk_aftermath.recoveries.keys() & {DISK_FULL.name, WRITES_REFUSED.name}
    log = full_disk_aftermath.stack.log.read_text()
    assert "No space left on device" in log or "File too large" in log
    # In the short form they are one stack, of which the test before has told.
    if full_disk_aftermath is not aftermath:
        require_whole(full_disk_aftermath)


def test_the_data_was_durable_all_the_while(aftermath: Campaign):
    with aftermath.stack.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)


def standing_purchase(campaign: Campaign) -> dict[str, object]:
    """Return an acknowledged purchase that was not given back."""
    given_back = {call.subject for call in campaign.witness.calls_of("cancel")}
    call = next(
        c for c in campaign.witness.calls_of("pay", "acknowledged") if c.subject not in given_back
    )
    return {
        "reservation": call.subject,
        "payment": call.answer["id"],
        "reference": f"payment:{call.answer['id']}",
        "seat": min(call.seat_ids),
    }


DAMAGES = {
    "payment lost": "DELETE FROM payments_payment WHERE id = %(payment)s",
    "payment of another amount": "UPDATE payments_payment SET amount = 1 WHERE id = %(payment)s",
    "debit lost": "DELETE FROM wallet_walletentry"
    " WHERE kind = 'payment' AND reference = %(reference)s",
    "debited twice": "INSERT INTO wallet_walletentry"
    " (wallet_id, kind, amount, balance_after, reference, created_at)"
    " SELECT wallet_id, kind, amount, balance_after, reference, created_at"
    " FROM wallet_walletentry WHERE kind = 'payment' AND reference = %(reference)s",
    "reservation not confirmed": "UPDATE reservations_reservation"
    " SET status = 'reserved', confirmed_at = NULL, payment_id = NULL WHERE id = %(reservation)s",
    "seat released": "UPDATE reservations_reservationseat SET released_at = now()"
    " WHERE reservation_id = %(reservation)s AND seat_id = %(seat)s",
    "seat sold twice": "INSERT INTO reservations_reservationseat (reservation_id, seat_id, price)"
    " SELECT min(id), %(seat)s, 0 FROM reservations_reservation WHERE id <> %(reservation)s",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_audit_finds_an_acknowledged_purchase_damaged(aftermath: Campaign, damage: str):
    purchase = standing_purchase(aftermath)
    with aftermath.stack.connect(superuser=True) as connection:
        assert audit(connection, aftermath.witness) == []
        with connection.transaction(force_rollback=True):
            drop_fences(connection)
            assert connection.execute(DAMAGES[damage], purchase).rowcount == 1
            assert any(
                f"reservation {purchase['reservation']}" in finding
                for finding in audit(connection, aftermath.witness)
            )
        assert audit(connection, aftermath.witness) == []


@pytest.mark.parametrize("change", [-1, 1])
def test_the_audit_finds_a_charge_lost_or_doubled(aftermath: Campaign, change: int):
    call = aftermath.witness.calls_of("charge", "acknowledged")[0]
    of_the_charge = "wallet_id = %(customer)s AND kind = 'charge' AND amount = %(amount)s"
    statement = (
        f"DELETE FROM wallet_walletentry WHERE {of_the_charge}"
        if change < 0
        else "INSERT INTO wallet_walletentry"
        " (wallet_id, kind, amount, balance_after, reference, created_at)"
        " SELECT wallet_id, kind, amount, balance_after, reference, created_at"
        f" FROM wallet_walletentry WHERE {of_the_charge}"
    )
    with (
        aftermath.stack.connect(superuser=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        drop_fences(connection)
        facts = {"customer": call.customer_id, "amount": call.subject}
        assert connection.execute(statement, facts).rowcount == 1
        assert audit(connection, aftermath.witness) == [
            f"charge of {call.subject} by {call.customer_id}, acknowledged:"
            f" {1 + change} in the ledger"
        ]


def drop_fences(connection: psycopg.Connection) -> None:
    """Take away what keeps anybody from doing such damage, until the transaction is rolled back."""
    connection.execute("SET LOCAL session_replication_role = replica")
    for index in ("wallet_entry_once_for_each_reference", "reservation_seat_claimed_once"):
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
    connection.execute(
        "ALTER TABLE reservations_reservation DROP CONSTRAINT reservation_confirmed_is_paid"
    )
