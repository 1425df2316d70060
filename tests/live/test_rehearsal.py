"""A whole rehearsal, small, against a real server: it buys, measures, proposes, and leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.core.models import StaffAction
from apps.payments.models import Payment
from config.rehearsal.journey import KINDS
from config.rehearsal.removal import list_rehearsals
from tests.factories import PerformanceFactory, RoomFactory, make_seats
from tests.integrity import buy
from tests.live.conftest import database_url
from tests.rehearsal.test_removal import count_rows, read_all

ROOT = Path(__file__).resolve().parents[2]
# So many requests a minute from one address: the rehearsal sends more, and is not counted.
ADDRESS_LIMIT = 20
START_S = 30


@pytest.fixture
def server_environment():
    return {"THROTTLE_ENABLED": "1", "THROTTLE_ADDRESS_PER_MINUTE": str(ADDRESS_LIMIT)}


@pytest.fixture
def command(server, settings):
    """What starts `rehearse_onsale` against the server, on the same database."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "DEBUG": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_ONLY": "0",
    }

    def start(*arguments):
        words = [sys.executable, "manage.py", "rehearse_onsale", "--server", server, *arguments]
        return subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )  # fmt: skip

    return start


@pytest.fixture
def house(fences, server, seats):
    """Somebody who bought before: nothing of theirs may change."""
    buy(seats[:2], now=timezone.now())


def wait_for(condition, what):
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def seats(server):
    """Seats on sale now, in the room `main`."""
    RoomFactory(slug="main")
    return make_seats(PerformanceFactory(at=timezone.now()), 4)


def test_a_whole_rehearsal(house, command, server, tmp_path):
    counts, contents = count_rows(), read_all()
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "html")}
    process = command(
        "--customers", "60", "--seats", "100", "--steps", "2", "--step-seconds", "2", "--json",
        "--report-json", str(files["json"]), "--report-html", str(files["html"]),
    )  # fmt: skip
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert json.loads(files["json"].read_text()) == report
    # It was played, through HTTP: everybody did everything, nothing failed, and no limit was met.
    kinds = {row["kind"]: row for row in report["requests"]}
    assert set(kinds) == set(KINDS) - {"leave"}
    assert kinds["pay"]["outcomes"].keys() == {"201"}
    assert sum(row["count"] for row in report["requests"]) > ADDRESS_LIMIT
    assert not any("429" in outcome for row in kinds.values() for outcome in row["outcomes"])
    assert [step["people"] for step in report["steps"]][:2] == [1, 2]
    assert sum(row["purchases"] for row in report["seconds"]) == kinds["pay"]["count"]
    assert report["line"]["people"]
    assert report["line"]["waits"]
    assert report["knee"]["purchases_per_second"] > 0
    assert report["proposal"]["capacity"] >= 1
    # Both checks were whole, and what is left are the records alone.
    assert {when: check["broken"] for when, check in report["integrity"].items()} == {
        "before_removal": 0,
        "after_removal": 0,
    }
    assert report["removal"]["removed"]["payments_payment"] == kinds["pay"]["count"]
    assert (report["removal"]["left"], report["removal"]["kept"]) == ({}, [])
    assert count_rows() == counts
    assert read_all() == contents
    actions = list(StaffAction.objects.order_by("pk").values_list("action", flat=True))
    assert (actions[0], actions[-1]) == ("begin_rehearsal", "remove_rehearsal")
    # Others who come from the same address are still counted: the pass is the rehearsal's alone.
    answers = {httpx.get(f"{server}/api/v1/concerts").status_code for _ in range(ADDRESS_LIMIT * 5)}
    assert answers == {200, 429}
    page = files["html"].read_text()
    assert "Copyright (c) 2014-2024 Chart.js Contributors" in page
    assert not any(f'{name}="http' in page for name in ("src", "href"))


def test_ctrl_c_stops_it_and_it_still_cleans_up_and_reports(house, command):
    counts = count_rows()
    process = command("--customers", "60", "--seats", "100", "--step-seconds", "60", "--json")
    try:
        wait_for(Payment.objects.filter(customer__rehearsal__isnull=False).exists, "nobody bought")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    report = json.loads(out)
    assert report["stopped"]
    assert sum(row["purchases"] for row in report["seconds"]) >= 1
    assert report["removal"]["left"] == {}
    assert count_rows() == counts


def test_what_a_killed_one_left_the_next_removes_and_one_runs_at_a_time(house, command):
    counts = count_rows()
    process = command("--customers", "60", "--seats", "100", "--step-seconds", "60")
    try:
        wait_for(Payment.objects.filter(customer__rehearsal__isnull=False).exists, "nobody bought")
        second = command("--clean")
        _out, err = second.communicate(timeout=60)
        assert (second.returncode, "Another rehearsal is running" in err) == (1, True)
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert len(list_rehearsals()) == 1
    # Its players go with it, so nothing is bought any more.
    third = command("--clean")
    out, err = third.communicate(timeout=60)
    assert (third.returncode, out) == (0, "1 rehearsals removed\n"), err
    assert not User.objects.exclude(rehearsal=None).exists()
    assert count_rows() == counts
