"""What a player does: from the line to the payment, as the API tells them to."""

import random
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from config.rehearsal.client import NO_ANSWER, Answer, Ask
from config.rehearsal.plan import SEATS_EACH

# In the order in which a customer meets them.
KINDS = ("token", "poll", "dates", "seats", "hold", "reserve", "pay", "leave")
# What is asked again, so many times: who was busy, or said nothing.
TRIES = 3
HOLD_TRIES = 8

Steps = Generator[Ask, Answer, "Any"]


class GaveUp(Exception):
    """The player was refused what they needed."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """Who plays: a customer's number in the rehearsal, and their access token."""

    number: int
    access: str


def play(ticket: Ticket, concert_id: int) -> Generator[Ask, Answer, float | None]:
    """Yield the requests of one customer; return the seconds that all answers inside took together, or
    None where nothing was bought."""
    player = _Player(ticket, concert_id)
    try:
        yield from player.enter()
        took_s: float | None = yield from player.buy()
    except GaveUp:
        # Whoever is out, or was never in, is told so, which is no matter.
        yield from player.leave()
        return None
    return took_s


class _Player:
    def __init__(self, ticket: Ticket, concert_id: int) -> None:
        self.ticket = ticket
        self.concert_id = concert_id
        self.headers = {"Authorization": f"Bearer {ticket.access}"}
        self.chance = random.Random(ticket.number)  # noqa: S311  it only spreads players over seats
        self.inside_s = 0.0

    def enter(self) -> Steps:
        """Take a place in line, and ask as often as told to, until inside."""
        body = {"concert_id": self.concert_id}
        answer = yield from self.insist("token", "POST", "/queue/tokens", body)
        self.headers["X-Queue-Token"] = answer.data["token"]
        while answer.data["status"] != "admitted":
            answer = yield from self.insist(
                "poll", "GET", "/queue/tokens/current", after_s=answer.data["poll_after_seconds"]
            )
        # What the line took is no part of what buying takes.
        self.inside_s = 0.0

    def buy(self) -> Generator[Ask, Answer, float]:
        """Choose a date and seats, hold, reserve and pay; return the seconds of all answers."""
        base = f"/concerts/{self.concert_id}/dates"
        dates = yield from self.insist("dates", "GET", base)
        if not dates.data["results"]:
            raise GaveUp
        date = self.chance.choice(dates.data["results"])["date"]
        seats = yield from self.insist("seats", "GET", f"{base}/{date}/seats")
        wanted = self.choose(seats.data["results"])
        hold = yield from self.hold(f"{base}/{date}/holds", wanted)
        yield from self.click("reserve", "/reservations", {"hold_id": hold.data["id"]})
        yield from self.click("pay", "/payments", {"reservation_id": hold.data["id"]})
        return self.inside_s

    def choose(self, free: list[Any]) -> list[int]:
        """Return seats that are free, one behind the other."""
        if len(free) < SEATS_EACH:
            raise GaveUp
        first = self.chance.randrange(len(free) - SEATS_EACH + 1)
        return [seat["id"] for seat in free[first : first + SEATS_EACH]]

    def hold(self, path: str, wanted: list[int]) -> Steps:
        """Hold seats, or what is offered instead where somebody was faster."""
        for attempt in range(HOLD_TRIES):
            answer = yield from self.click(
                "hold", path, {"seat_ids": wanted}, name=f"hold-{attempt}", refused=True
            )
            if answer.status == 201:
                return answer
            offered = (answer.data or {}).get("alternatives") or []
            if answer.code != "seat_unavailable" or not offered:
                break
            wanted = self.chance.choice(offered)
        raise GaveUp

    def leave(self) -> Steps:
        """Give the place in line back."""
        if "X-Queue-Token" in self.headers:
            yield Ask(
                kind="leave",
                method="DELETE",
                path="/queue/tokens/current",
                headers=dict(self.headers),
            )

    def click(
        self, kind: str, path: str, body: Any, *, name: str = "", refused: bool = False
    ) -> Steps:
        """Send a POST with a key, so that to send it again does nothing twice."""
        return (yield from self.insist(kind, "POST", path, body, key=name or kind, refused=refused))

    def insist(
        self,
        kind: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        after_s: float = 0.0,
        refused: bool = False,
    ) -> Steps:
        """Ask, and again where the server was busy or silent. Raise `GaveUp` on any other refusal, unless
        the caller takes one."""
        headers = {**self.headers, **({"Idempotency-Key": key} if key else {})}
        ask = Ask(kind=kind, method=method, path=path, headers=headers, body=body, after_s=after_s)
        for _attempt in range(TRIES):
            answer = yield ask
            self.inside_s += answer.took_s
            if 200 <= answer.status < 300 and answer.data is not None:
                return answer
            if answer.status not in (NO_ANSWER, 429, 503):
                break
            ask = replace(ask, after_s=_read_pause(answer))
        if refused:
            return answer
        raise GaveUp


def _read_pause(answer: Answer) -> float:
    """Return after how many seconds to ask again, at the most a minute."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 60.0) if text.isdigit() else 1.0
