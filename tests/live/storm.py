"""A crowd that plays an on-sale through HTTP, each customer from the line to the payment, or away."""

import asyncio
import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

# A line for each request would be most of the work.
logging.getLogger("httpx").setLevel(logging.WARNING)

CONNECTIONS = 64
# Who waits asks again when told to, within this time; who finds every seat held looks again after that.
POLL_MAX_S = 30.0
LOOK_S = 3.0
# These alone use the outer half of the connections: on a slow machine they would else come between
# those inside and their deadlines, as in life, where each has a connection of their own, they do not.
OUTSIDE = ("join", "poll")
SEATS_WANTED_MAX = 4

# Shares of the customers.
DOUBLE_CLICKS = 0.3
PAYS_FIRST = 0.2  # and charges when the wallet turns out to be too low
GIVES_BACK = 0.15
WALKS_AWAY = 0.1


def is_in_use(answer: httpx.Response) -> bool:
    """Say whether the answer only tells that the same request is still running."""
    return answer.status_code == 409 and answer.json()["code"] == "idempotency_key_in_use"


@dataclass
class Log:
    """Every answer: how many by request, status and code; and how long each request took."""

    answers: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    took_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, name: str, answer: httpx.Response, took_s: float) -> None:
        code = answer.json()["code"] if answer.status_code >= 400 else ""
        self.answers[name, answer.status_code, code] += 1
        self.took_s[name].append(took_s)

    def count(self, name: str, status: int) -> int:
        return sum(
            n for (told, code, _), n in self.answers.items() if (told, code) == (name, status)
        )

    def faults(self) -> dict[tuple[str, int, str], int]:
        """Return the answers that say that we could not: 5xx, `busy` among them."""
        return {told: n for told, n in self.answers.items() if told[1] >= 500}

    def percentile(self, name: str, share: float) -> float:
        """Return within how many milliseconds that share of the requests was answered."""
        ordered = sorted(self.took_s[name])
        return 1_000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    def describe(self) -> Iterator[str]:
        yield f"{sum(self.answers.values())} requests"
        for name in sorted(self.took_s):
            told = ", ".join(
                f"{n} × {status} {code}".strip()
                for (of, status, code), n in sorted(self.answers.items())
                if of == name
            )
            p50, p99 = self.percentile(name, 0.5), self.percentile(name, 0.99)
            yield f"{name:8} p50 {p50:6.0f} ms  p99 {p99:6.0f} ms  {told}"


class Customer:
    """One customer, whose habits follow from their number."""

    def __init__(self, number: int, access: str, crowd: "Crowd") -> None:
        self.chance = random.Random(number)
        self.crowd = crowd
        self.headers = {"Authorization": f"Bearer {access}"}
        self.wanted = self.chance.randint(1, SEATS_WANTED_MAX)
        self.double_clicks = self.chance.random() < DOUBLE_CLICKS
        self.pays_first = self.chance.random() < PAYS_FIRST
        leaves = self.chance.random()
        self.gives_back = leaves < GIVES_BACK
        self.walks_away = GIVES_BACK <= leaves < GIVES_BACK + WALKS_AWAY
        self.keys = iter(range(1_000_000))

    async def ask(self, name: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.crowd.ask(name, method, path, self.headers, body)

    async def click(self, name: str, path: str, body: Any) -> httpx.Response:
        """Send a POST with a key, some of them twice at once; return what it came to."""
        headers = {**self.headers, "Idempotency-Key": f"{name}-{next(self.keys)}"}
        send = [self.crowd.ask(name, "POST", path, headers, body)]
        if self.double_clicks:
            send.append(self.crowd.ask(name, "POST", path, headers, body))
        answers = await asyncio.gather(*send)
        return min(answers, key=lambda answer: (is_in_use(answer), answer.status_code))

    async def play(self) -> str:
        """Play from the line to the end; return what it came to."""
        await self.join()
        while True:
            seats = await self.list_free()
            if not seats:
                if await self.is_sold_out():
                    await self.ask("leave", "DELETE", "/queue/tokens/current")
                    return "nothing left"
                await self.pause(LOOK_S)
                continue
            hold = await self.hold(seats)
            if hold is None:
                continue
            if self.walks_away:
                return "walked away"
            if self.gives_back:
                self.gives_back = False
                await self.ask("release", "DELETE", f"/holds/{hold['id']}")
                continue
            if await self.buy(hold):
                return "bought"

    async def join(self) -> None:
        """Take a place and ask as often as told to, until inside."""
        answer = await self.ask("join", "POST", "/queue/tokens", {})
        assert answer.status_code == 201, answer.text
        self.headers["X-Queue-Token"] = answer.json()["token"]
        while answer.json()["status"] != "admitted":
            await self.pause(min(answer.json()["poll_after_seconds"], POLL_MAX_S))
            answer = await self.ask("poll", "GET", "/queue/tokens/current")
            assert answer.status_code == 200, answer.text

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.chance.uniform(0.8, 1))

    async def list_free(self) -> list[int]:
        answer = await self.ask("seats", "GET", f"{self.crowd.date}/seats")
        assert answer.status_code == 200, answer.text
        return [seat["id"] for seat in answer.json()["results"]]

    async def is_sold_out(self) -> bool:
        answer = await self.ask("seats", "GET", f"{self.crowd.date}/seats?include=all")
        assert answer.status_code == 200, answer.text
        return {seat["status"] for seat in answer.json()["results"]} == {"sold"}

    async def hold(self, free: list[int]) -> Any:
        """Hold seats beside each other where that many are free, else as many as there are; then what
        is offered instead. Return the hold, None where somebody was always faster."""
        seats = self.choose(free)
        for _try in range(3):
            answer = await self.click("hold", f"{self.crowd.date}/holds", {"seat_ids": seats})
            if answer.status_code == 201:
                return answer.json()
            assert answer.json()["code"] == "seat_unavailable", answer.text
            if not answer.json()["alternatives"]:
                return None
            seats = self.chance.choice(answer.json()["alternatives"])
        return None

    def choose(self, free: list[int]) -> list[int]:
        size = min(self.wanted, len(free))
        runs = [free[n : n + size] for n in range(len(free) - size + 1)]
        beside = [run for run in runs if run[-1] - run[0] == size - 1]
        return self.chance.choice(beside or runs)

    async def buy(self, hold: Any) -> bool:
        """Reserve, charge and pay. Return False where the time was over."""
        answer = await self.click("reserve", "/reservations", {"hold_id": hold["id"]})
        if answer.status_code == 410:
            return False
        assert answer.status_code == 201, answer.text
        body = {"reservation_id": hold["id"]}
        if self.pays_first:
            self.pays_first = False
            answer = await self.click("pay", "/payments", body)
            if answer.status_code == 410:
                return False
            assert answer.status_code == 402, answer.text
        answer = await self.click("charge", "/wallet/charges", {"amount": hold["total"]})
        assert answer.status_code == 201, answer.text
        answer = await self.click("pay", "/payments", body)
        assert answer.status_code in (201, 410), answer.text
        return answer.status_code == 201


class Crowd:
    """Customers who share `CONNECTIONS` connections; `patience_s` is how long they may take in all."""

    def __init__(self, server: str, date: str, *, patience_s: float) -> None:
        self.server = server
        self.date = date
        self.patience_s = patience_s
        self.log = Log()

    async def ask(
        self, name: str, method: str, path: str, headers: dict[str, str], body: Any
    ) -> httpx.Response:
        async with self.outside if name in OUTSIDE else self.inside:
            began = time.monotonic()
            answer = await self.client.request(
                method, f"{self.server}/api/v1{path}", headers=headers, json=body
            )
            self.log.note(name, answer, time.monotonic() - began)
        return answer

    def play(self, access_tokens: list[str]) -> Counter[str]:
        """Let everybody play at once; return how many came to what."""
        return asyncio.run(self._play(access_tokens))

    async def _play(self, access_tokens: list[str]) -> Counter[str]:
        self.outside = asyncio.Semaphore(CONNECTIONS // 2)
        self.inside = asyncio.Semaphore(CONNECTIONS // 2)
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        async with (
            httpx.AsyncClient(limits=limits, timeout=60) as self.client,
            asyncio.timeout(self.patience_s),
        ):
            customers = [
                Customer(number, access, self) for number, access in enumerate(access_tokens)
            ]
            return Counter(await asyncio.gather(*[customer.play() for customer in customers]))
