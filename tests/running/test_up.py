"""`make run`, as a newcomer meets it. The tests go on from one another, on one running Encore."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running.encore import ROOT, Encore, wait_until

SECOND_START_SECONDS = 15
PURCHASE = re.compile(r"```sh\n(API=.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def encore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encore]:
    running = Encore(tmp_path_factory.mktemp("up") / "data")
    running.start()
    yield running
    if running.process is not None:
        running.end(signal.SIGKILL)


@pytest.fixture(autouse=True)
def _still_running(encore: Encore) -> None:
    if encore.process is None:
        encore.start()


class Fan:
    """A customer who signs in and buys through the API."""

    def __init__(self, encore: Encore, email: str) -> None:
        manage(encore, "create_customer", email, "--password", "secret-enough")
        self.http = httpx.Client(base_url=encore.api, timeout=20)
        signed_in = self.http.post(
            "/auth/login", json={"email": email, "password": "secret-enough"}
        ).json()
        self.http.headers["Authorization"] = f"Bearer {signed_in['access']}"

    def join(self) -> str:
        """Take a place in the room `main` and return whether it is `waiting` or `admitted`."""
        issued = self.http.post("/queue/tokens", json={}).json()
        self.http.headers["X-Queue-Token"] = issued["token"]
        return issued["status"]

    def poll(self) -> str:
        """Return `waiting`, `admitted`, or the error's reason."""
        answer = self.http.get("/queue/tokens/current").json()
        return answer.get("reason") or answer["status"]

    def hold(self, concert: dict, seat_id: int) -> httpx.Response:
        url = f"/concerts/{concert['id']}/dates/{concert['first_date']}/holds"
        return self.http.post(url, json={"seat_ids": [seat_id]})

    def list_free_seats(self, concert: dict) -> list[int]:
        url = f"/concerts/{concert['id']}/dates/{concert['first_date']}/seats"
        return [seat["id"] for seat in self.http.get(url).json()["results"]]


def manage(encore: Encore, *arguments: str) -> str:
    """Run a command as an operator would, beside the running Encore."""
    environment = {"DATA_DIR": str(encore.data_dir), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def read_purchase(encore: Encore, readme: str) -> str:
    match = PURCHASE.search((ROOT / readme).read_text())
    assert match is not None
    return match[1].replace("http://127.0.0.1:8000", encore.address)


def test_postgresql_is_that_of_the_environment(encore: Encore):
    (postmaster,) = encore.find_processes("postgres", "-D")
    program = Path(f"/proc/{postmaster}/exe").readlink()
    assert program.is_relative_to(Path(sys.prefix).resolve())


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_the_readmes_purchase_works_when_pasted(encore: Encore, readme: str):
    script = read_purchase(encore, readme)
    printed = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert printed[0] == "pending_payment"
    assert printed[1].isdigit()
    assert printed[2:] == ["confirmed", "confirmed", "queue_token_expired"]


def test_with_worker_and_beat_frozen_time_goes_on(encore: Encore):
    concert = httpx.get(f"{encore.api}/concerts").json()["results"][0]
    first, second = Fan(encore, "first@encore.example"), Fan(encore, "second@encore.example")
    frozen = list(encore.find_processes("celery"))
    assert len(frozen) >= 2
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert first.join() == "admitted"
        assert second.join() == "waiting"
        seat_id = first.list_free_seats(concert)[0]
        hold = first.hold(concert, seat_id)
        assert hold.status_code == 201
        # The first falls silent; the second keeps asking, and goes in when the first is out.
        wait_until(lambda: second.poll() == "admitted", seconds=30, what="the room moves")
        assert first.poll() == "idle"
        wait_until(
            lambda: seat_id in second.list_free_seats(concert), seconds=30, what="the hold runs out"
        )
        taken_over = second.hold(concert, seat_id)
        assert taken_over.status_code == 201
        assert taken_over.json()["held_at"] >= hold.json()["expires_at"]
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    second.http.delete("/queue/tokens/current")
    wait_until(encore.is_ready, seconds=40, what="ready again")


def test_after_a_kill_nothing_is_left_and_the_data_is_kept(encore: Encore):
    Fan(encore, "kept@encore.example")
    encore.end(signal.SIGKILL)
    assert encore.start() < SECOND_START_SECONDS
    signed_in = httpx.post(
        f"{encore.api}/auth/login",
        json={"email": "kept@encore.example", "password": "secret-enough"},
    )
    assert signed_in.status_code == 200


def test_ctrl_c_stops_all(encore: Encore):
    assert encore.end(signal.SIGINT) == 0
