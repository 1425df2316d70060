"""A backup taken during an on-sale: what had been acknowledged is in it, and the sale goes on from it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from config.embedded.postgres import EmbeddedPostgres
from tests.faults.audit import read_books
from tests.faults.witness import Call
from tests.running.encore import OWN_SETTINGS, ROOT, Encore
from tests.upgrade.balancer import Balancer
from tests.upgrade.fleet import Fleet
from tests.upgrade.recovery import Archive
from tests.upgrade.sale import Sale, await_sweeps
from tests.upgrade.server import Server
from tests.upgrade.versions import Version

pytestmark = pytest.mark.timeout(600)

BUYERS = 6
SEATS_PER_DATE = 60
PURCHASES = 15
RESTORED = "restored"
GAP = 1_000_000


def sell(fleet: Fleet, version: Version, accesses: list[str]) -> Sale:
    """Start a web node with its sweepers and a sale; the caller enters it."""
    balancer = Balancer()
    balancer.add(fleet.start_web(version).address)
    fleet.start_sweepers(version)
    return Sale(accesses=accesses, balancer=balancer)


def acknowledged_until(sale: Sale, moment: float) -> list[Call]:
    """Return the purchases that were acknowledged by then."""
    return [
        call for call in sale.witness.calls_of("pay", "acknowledged") if call.answered_at < moment
    ]


def require_all(server: Server, database: str, purchases: list[Call], *, sale: Sale) -> None:
    """Fail unless each purchase is in the database, with its seats where nobody gave them back."""
    with server.connect(database) as connection:
        books = read_books(connection)
    cancelled = {call.subject for call in sale.witness.calls_of("cancel")}
    for call in purchases:
        assert books.payments[call.subject][0] == call.answer["id"]
        if call.subject not in cancelled:
            assert all(books.claims[seat_id] == [call.subject] for seat_id in call.seat_ids)


def require_whole(fleet: Fleet, version: Version) -> None:
    checked = fleet.manage(version, "check_integrity")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_backup_during_a_sale_is_whole_and_the_sale_goes_on_from_it(
    fleet: Fleet, new: Version, tmp_path: Path
):
    accesses = fleet.prepare(new, buyers=BUYERS, seats_per_date=SEATS_PER_DATE)
    file = tmp_path / "encore.dump"
    with sell(fleet, new, accesses) as sale:
        sale.begin("before the backup")
        sale.await_purchases(PURCHASES)
        began = time.monotonic()
        sale.begin("backing up")
        done = fleet.manage(new, "backup", str(file), "--json")
        assert done.returncode == 0, done.stderr
        sale.begin("after the backup")
        sale.await_purchases(PURCHASES)
    assert not sale.witness.errors, sale.witness.errors
    print("\n" + json.dumps({"backup": json.loads(done.stdout), **sale.report()}, indent=1))
    kept = acknowledged_until(sale, began)
    assert len(kept) >= PURCHASES
    fleet.stop(*fleet.nodes)
    # Celery's messages lie in the same database here; a backup has none, and none is missed.
    with fleet.server.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {RESTORED}")
    fleet.adopt(fleet.server, RESTORED)
    done = fleet.manage(new, "restore", str(file), "--json")
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    require_all(fleet.server, RESTORED, kept, sale=sale)
    require_whole(fleet, new)
    with sell(fleet, new, accesses) as sale:
        sale.begin("after the restore")
        sale.await_purchases(PURCHASES)
        await_sweeps(lambda: fleet.server.connect(RESTORED))
    assert not sale.witness.oddities
    assert not sale.witness.errors
    require_whole(fleet, new)
    again = fleet.manage(new, "restore", str(file))
    assert again.returncode == 1
    assert "The database is not empty" in again.stderr


def test_the_embedded_default_is_backed_up_running_and_restored_before_its_first_start(
    tmp_path: Path,
):
    file = tmp_path / "encore.dump"
    first = Encore(tmp_path / "first")
    first.start()
    try:
        assert manage(first.data_dir, "backup", str(file)).returncode == 0
    finally:
        first.end(signal.SIGTERM)
    second = Encore(tmp_path / "second")
    restored = manage(second.data_dir, "restore", str(file))
    assert restored.returncode == 0, restored.stderr
    second.start()
    try:
        # The broker's database is none of the backup's: it is made anew, and sweeps run.
        conninfo = EmbeddedPostgres(second.data_dir).conninfo()
        await_sweeps(lambda: psycopg.connect(conninfo, autocommit=True))
        assert manage(second.data_dir, "check_integrity").returncode == 0
    finally:
        second.end(signal.SIGTERM)
    # Also while nothing runs.
    assert manage(second.data_dir, "backup", str(tmp_path / "second.dump")).returncode == 0


def manage(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: v for name, v in os.environ.items() if name not in OWN_SETTINGS}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment | {"DATA_DIR": str(data_dir)},
        check=False,
        capture_output=True,
        text=True,
    )


def read_documented_statement() -> str:
    """Return the statement of docs/backup.md that leaves a gap in the numbers."""
    (statement,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/backup.md").read_text(), re.DOTALL)
    return statement


def test_a_moment_is_gone_back_to(tmp_path: Path, new: Version):
    """Point-in-time recovery: purchases acknowledged before the moment are there, later ones are not."""
    archive = Archive(tmp_path / "archive")
    server = Server(tmp_path / "database", **archive.settings())
    archive.hand_to(server)
    server.start()
    fleet = Fleet(server, folder=tmp_path, room_capacity=BUYERS)
    try:
        accesses = fleet.prepare(new, buyers=BUYERS, seats_per_date=SEATS_PER_DATE)
        with sell(fleet, new, accesses) as sale:
            sale.begin("before the base backup")
            sale.await_purchases(PURCHASES)
            base = archive.take_base_backup(server)
            sale.begin("after the base backup")
            sale.await_purchases(PURCHASES)
            target, moment = archive.read_clock(server), time.monotonic()
            sale.begin("after the target")
            sale.await_purchases(PURCHASES)
        fleet.stop(*fleet.nodes)
        archive.close(server)
    finally:
        fleet.stop(*fleet.nodes)
        server.stop()
    began = time.monotonic()
    recovered = archive.recover(base, target=target)
    try:
        print(f"\nrecovered in {time.monotonic() - began:.1f} s")
        fleet.adopt(recovered)
        kept = acknowledged_until(sale, moment)
        assert len(kept) >= PURCHASES
        require_all(recovered, "encore", kept, sale=sale)
        with recovered.connect() as connection:
            paid = read_books(connection).payments
        later = [
            c for c in sale.witness.calls_of("pay", "acknowledged") if c.first_sent_at > moment
        ]
        assert len(later) >= PURCHASES
        assert not [call for call in later if call.subject in paid]
        require_whole(fleet, new)
        with recovered.connect() as connection:
            connection.execute(read_documented_statement())
        with sell(fleet, new, accesses) as sale:
            sale.begin("after the recovery")
            sale.await_purchases(PURCHASES)
            await_sweeps(recovered.connect)
        # Nobody's number is one that somebody else was told before.
        assert min(call.subject for call in sale.witness.calls_of("pay", "acknowledged")) > GAP
        assert not sale.witness.oddities
        require_whole(fleet, new)
    finally:
        fleet.stop(*fleet.nodes)
        recovered.stop()
