"""Customers who buy, cancel and come back. They retry as good clients do, each request with its one key."""

import base64
import itertools
import json
import random
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import httpx

from tests.faults.concert import CONCERT
from tests.faults.witness import Call, Kind, Witness

ANSWER_WITHIN_S = 10.0
# Longer than any fault and its recovery; who is not answered by then is counted as "unknown".
PATIENCE_S = 120.0
ATTEMPTS_FOR_SEATS = 3
# Of the requests for money that got no answer at all, this share is never sent again.
ABANDONED_SHARE = 0.3
UNDONE_SHARE = 0.15

# Each charge has an amount of its own, so that the ledger shows which request it came from.
_amounts = itertools.count(200_001)


class Stopped(Exception):
    """The load is to end, or patience has."""


class Buyer:
    """One customer. `addresses` are the servers to choose from; it may change meanwhile.

    Who is `loyal` stays with a server until it gives no answer or a busy one, as a browser does; others
    choose one for each request.
    """

    def __init__(
        self,
        *,
        access: str,
        addresses: Sequence[str],
        witness: Witness,
        stop: threading.Event,
        loyal: bool = False,
    ) -> None:
        claims = access.split(".")[1]
        self.customer_id = int(json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])
        self.addresses = addresses
        self.address = ""
        self.loyal = loyal
        self.witness = witness
        self.stop = stop
        self.random = random.Random(self.customer_id)
        self.owned: list[int] = []
        self.http = httpx.Client(
            headers={"Authorization": f"Bearer {access}"}, timeout=ANSWER_WITHIN_S
        )

    def run(self) -> None:
        """Buy until told to stop."""
        with self.http:
            while not self.stop.is_set():
                try:
                    self.visit()
                except Stopped:
                    pass
                except Exception as error:
                    self.witness.note_oddity(f"a buyer failed: {error!r}")
                    raise

    def visit(self) -> None:
        """Go from the line to the payment once, or as far as one gets."""
        if not self.enter():
            return
        reservation = self.reserve()
        if reservation is None:
            self.cancel_one_owned()
        elif self.random.random() < UNDONE_SHARE:
            self.cancel(reservation["id"])
        else:
            self.pay(reservation)
        if self.random.random() < UNDONE_SHARE:
            self.cancel_one_owned()

    def enter(self) -> bool:
        """Take a place in line and wait to be admitted; say whether it came to that."""
        self.http.headers.pop("X-Queue-Token", None)
        answer = self.send("POST", "/queue/tokens", json={})
        if answer.status_code != 201:
            # Where a clock is ahead, what is issued may be over at once.
            if code_of(answer) != "queue_token_expired":
                self.witness.note_oddity(f"no place in line: {answer.status_code} {answer.text}")
            return False
        self.http.headers["X-Queue-Token"] = answer.json()["token"]
        while answer.is_success and answer.json()["status"] == "waiting":
            if self.stop.wait(answer.json()["poll_after_seconds"]):
                return False
            answer = self.send("GET", "/queue/tokens/current")
        return answer.is_success

    def reserve(self) -> dict[str, Any] | None:
        """Hold and reserve one or two free seats of some date; None where that is not to be had."""
        concerts = self.send("GET", "/concerts").json()["results"]
        (concert,) = [c for c in concerts if c["title"].lower() == CONCERT]
        dates = self.send("GET", f"/concerts/{concert['id']}/dates")
        if not dates.is_success or not dates.json()["results"]:
            return None
        date = self.random.choice(dates.json()["results"])["date"]
        base = f"/concerts/{concert['id']}/dates/{date}"
        for _ in range(ATTEMPTS_FOR_SEATS):
            seats = self.send("GET", f"{base}/seats")
            if not seats.is_success or not seats.json()["results"]:
                return None
            free = [seat["id"] for seat in seats.json()["results"]]
            chosen = self.random.sample(free, k=min(len(free), self.random.choice((1, 2))))
            hold = self.send("POST", f"{base}/holds", json={"seat_ids": chosen}, key=new_key())
            if hold.status_code == 201:
                body = {"hold_id": hold.json()["id"]}
                reserved = self.send("POST", "/reservations", json=body, key=new_key())
                return reserved.json() if reserved.status_code == 201 else None
            if hold.json()["code"] != "seat_unavailable":
                return None
        return None

    def pay(self, reservation: dict[str, Any]) -> None:
        """Pay, after charging the wallet where it is low."""
        wallet = self.send("GET", "/wallet").json()
        while wallet["balance"] < reservation["total"]:
            amount = next(_amounts)
            self.send_for_money("charge", amount, "/wallet/charges", {"amount": amount})
            wallet = self.send("GET", "/wallet").json()
        call = self.send_for_money(
            "pay",
            reservation["id"],
            "/payments",
            {"reservation_id": reservation["id"]},
            seat_ids=frozenset(seat["id"] for seat in reservation["seats"]),
            total=reservation["total"],
        )
        if call.outcome == "acknowledged":
            self.owned.append(reservation["id"])

    def cancel_one_owned(self) -> None:
        """Give back the seats bought longest ago, for the money."""
        if self.owned:
            self.cancel(self.owned.pop(0))

    def cancel(self, reservation_id: int) -> None:
        """Cancel a reservation, paid or not."""
        self.send_for_money("cancel", reservation_id, f"/reservations/{reservation_id}/cancel", {})

    def send_for_money(
        self, kind: Kind, subject: int, path: str, body: dict[str, Any], **facts: Any
    ) -> Call:
        """Send a request that moves money or what was paid for, and remember how it ended."""
        call = Call(
            kind=kind, key=new_key(), customer_id=self.customer_id, subject=subject, **facts
        )
        self.witness.note_call(call)
        answer = self.send("POST", path, json=body, key=call.key, call=call)
        call.answered_at = time.monotonic()
        call.status, call.answer = answer.status_code, answer.json()
        call.outcome = "acknowledged" if answer.is_success else "refused"
        return call

    def send(
        self,
        method: str,
        path: str,
        *,
        json: dict[str, Any] | None = None,
        key: str | None = None,
        call: Call | None = None,
    ) -> httpx.Response:
        """Send until an answer is final: the same request, under the same key.

        Raises `Stopped` when patience ends, or where a request for money without an answer is given up.
        """
        headers = {"Idempotency-Key": key} if key else {}
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if call:
                call.attempts += 1
            url = f"{self.choose_address()}/api/v1{path}"
            try:
                answer = self.http.request(method, url, json=json, headers=headers)
            except httpx.TransportError as error:
                self.witness.note_error(type(error).__name__)
                self.address = ""
                if call and self.random.random() < ABANDONED_SHARE:
                    raise Stopped from error
                time.sleep(self.random.uniform(0.05, 0.4))
                continue
            if is_final(answer):
                return answer
            self.note_trouble(answer)
            self.address = ""
            time.sleep(float(answer.headers.get("Retry-After", self.random.uniform(0.05, 0.4))))
        self.witness.note_oddity(f"no answer within {PATIENCE_S:.0f} s: {method} {path}")
        raise Stopped

    def choose_address(self) -> str:
        """Return the server to ask."""
        if not (self.loyal and self.address in self.addresses):
            self.address = self.random.choice(list(self.addresses))
        return self.address

    def note_trouble(self, answer: httpx.Response) -> None:
        """Count an answer that asks to come back; only `busy` and a running twin are good reasons."""
        what = f"{answer.status_code} {code_of(answer)}"
        self.witness.note_error(what)
        if what not in ("503 busy", "409 idempotency_key_in_use"):
            self.witness.note_oddity(f"{what} at {answer.request.method} {answer.request.url.path}")


def is_final(answer: httpx.Response) -> bool:
    """Say whether the same request, sent again, would be answered no differently."""
    if answer.status_code >= 500:
        return False
    return code_of(answer) not in ("idempotency_key_in_use", "too_many_requests")


def code_of(answer: httpx.Response) -> str:
    """Return the `code` of a problem document, or the start of what came in its place."""
    if answer.headers.get("Content-Type") == "application/problem+json":
        return str(answer.json()["code"])
    return answer.text[:80]


def new_key() -> str:
    return uuid.uuid4().hex


class Load:
    """Buyers, each in a thread of its own, from entering the block to leaving it."""

    def __init__(
        self,
        *,
        accesses: list[str],
        addresses: Sequence[str],
        witness: Witness,
        loyal: bool = False,
    ) -> None:
        self.addresses = list(addresses)
        self.witness = witness
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=Buyer(
                    access=access,
                    addresses=self.addresses,
                    witness=witness,
                    stop=self._stop,
                    loyal=loyal,
                ).run,
                daemon=True,
            )
            for access in accesses
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=PATIENCE_S)
