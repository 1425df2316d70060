"""The new code takes over from the old one during an on-sale, and gives back, and no request fails."""

import json
import re

import pytest

from tests.faults.audit import audit
from tests.running.encore import wait_until
from tests.upgrade.balancer import Balancer
from tests.upgrade.fleet import Fleet
from tests.upgrade.sale import Sale, await_sweeps
from tests.upgrade.versions import Version

pytestmark = pytest.mark.timeout(900)

BUYERS = 8
SEATS_PER_DATE = 60
PURCHASES = 12
# While the schema changes; what else the machine is busy with slows down all phases.
LONGEST_ANSWER_S = 5.0
LONGEST_GAP_S = 10.0
_TROUBLE = re.compile(r"\b(ERROR|CRITICAL|FATAL|PANIC)\b|Traceback")
# What a change says that gave way, and is tried again.
_GAVE_WAY = re.compile(r"canceling statement due to lock timeout")


def list_trouble(fleet: Fleet) -> list[str]:
    """Return the lines of all logs that tell of an error, PostgreSQL's among them."""
    logs = [*fleet.folder.glob("*.log"), fleet.server.log]
    return [
        f"{log.name}: {line}"
        for log in logs
        for line in log.read_text(errors="replace").splitlines()
        if _TROUBLE.search(line) and not _GAVE_WAY.search(line)
    ]


def go_on(fleet: Fleet, sale: Sale, phase: str) -> None:
    """Let buyers buy and sweeps run for a while as things are."""
    sale.begin(phase)
    sale.await_purchases(PURCHASES)
    await_sweeps(fleet.server.connect)


def test_new_code_takes_over_and_gives_back_and_no_request_fails(
    fleet: Fleet, old: Version, new: Version
):
    accesses = fleet.prepare(old, buyers=BUYERS, seats_per_date=SEATS_PER_DATE)
    balancer = Balancer()
    first, second = (fleet.start_web(old) for _ in range(2))
    sweepers = fleet.start_sweepers(old)
    for node in (first, second):
        balancer.add(node.address)
    with Sale(accesses=accesses, balancer=balancer) as sale:

        def replace(node, version):
            fresh = fleet.start_web(version)
            balancer.add(fresh.address)
            balancer.drain(node.address)
            fleet.stop(node)
            return fresh

        go_on(fleet, sale, "old alone")
        sale.begin("migrating")
        migrated = fleet.manage(new, "migrate", "--no-input")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        assert "Applying" in migrated.stdout, "the old version has the same schema"
        go_on(fleet, sale, "old on the new schema")
        sale.begin("replacing the first node")
        first = replace(first, new)
        go_on(fleet, sale, "one node of each")
        sale.begin("sweepers of both")
        sweepers += fleet.start_sweepers(new)
        go_on(fleet, sale, "nodes and sweepers of both")
        sale.begin("replacing the rest")
        second = replace(second, new)
        fleet.stop(*sweepers[:2])
        go_on(fleet, sale, "new alone")
        sale.begin("going back")
        first, second = replace(first, old), replace(second, old)
        back = fleet.start_sweepers(old)
        fleet.stop(*sweepers[2:])
        go_on(fleet, sale, "old again on the new schema")
        fleet.stop(*back)
    print(
        "\n"
        + json.dumps({"longest_gap_s": round(sale.longest_gap_s(), 2), **sale.report()}, indent=1)
    )
    with fleet.server.connect() as connection:
        assert audit(connection, sale.witness) == []
    checked = fleet.manage(new, "check_integrity")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not sale.witness.oddities, "\n".join(sale.witness.oddities)
    # Not one was refused a connection, told to come back, or failed.
    assert not sale.witness.errors, sale.witness.errors
    assert [answer for answer in balancer.answers if not 0 < answer.status < 500] == []
    assert list_trouble(fleet) == []
    # Whoever came while a table was changed waited for it no longer than a lock is waited for.
    waits = [answer.seconds for answer in balancer.answers if answer.phase == "migrating"]
    assert max(waits) < LONGEST_ANSWER_S
    assert sale.longest_gap_s() < LONGEST_GAP_S


def test_a_change_that_old_code_cannot_live_with_is_seen(fleet: Fleet, new: Version):
    """What the test above looks at, and the rules of migrations forbid: a column that needs a value."""
    accesses = fleet.prepare(new, buyers=BUYERS, seats_per_date=SEATS_PER_DATE)
    balancer = Balancer()
    balancer.add(fleet.start_web(new).address)
    table = "ALTER TABLE reservations_reservation"
    with Sale(accesses=accesses, balancer=balancer) as sale, fleet.server.connect() as connection:
        sale.await_purchases(1)
        assert list_trouble(fleet) == []
        assert not sale.witness.errors
        sale.begin("changed")
        connection.execute(f"{table} ADD COLUMN seat_row int NOT NULL DEFAULT 0")
        connection.execute(f"{table} ALTER COLUMN seat_row DROP DEFAULT")
        wait_until(lambda: bool(sale.witness.errors), seconds=30, what="an error")
        connection.execute(f"{table} DROP COLUMN seat_row")
    assert ("changed", "500 internal_error") in sale.witness.errors
    assert any("seat_row" in line for line in list_trouble(fleet))
    assert any(answer.status == 500 for answer in balancer.answers)
