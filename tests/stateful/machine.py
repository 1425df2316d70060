"""Customers, staff, beat and the clock, in random order, each step compared with the model."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from apps.concerts.models import Performance
from apps.concerts.models import Seat as SeatRow
from apps.queue import services as queue
from apps.queue.models import WaitingRoom
from apps.queue.verification import verify_room
from apps.reservations.availability import list_changed_seats, read_version
from apps.reservations.services import expire_holds
from tests.conftest import Clock
from tests.factories import NOW
from tests.reservations.support import block
from tests.stateful import requests
from tests.stateful.actions import ACTIONS, RARE, Arguments, action, chosen
from tests.stateful.comparison import assert_as_modelled, assert_seats, same
from tests.stateful.driving import Driver, Request
from tests.stateful.line import Entry, Room
from tests.stateful.sales import BALANCE_MAX, Claim, Seat
from tests.stateful.sales import Performance as Show
from tests.stateful.world import World, build_world

MICROSECOND = timedelta(microseconds=1)
# While customers keep calling, no two calls are further apart: less than every idle limit.
CALLS_APART = timedelta(seconds=50)
SOON = timedelta(minutes=15)

OFF = st.sampled_from([timedelta(0), -MICROSECOND, MICROSECOND])
# By the service, or by the API, with a key or without.
WAYS = st.sampled_from(["service", "service", "api", "key a", "key b", "key c"])


class Machine(RuleBasedStateMachine):
    """Drives the product and the model, and compares them after each step; `only` some actions."""

    def __init__(
        self, clock: Clock, tally: Counter[tuple[str, str]], only: Collection[str] = ()
    ) -> None:
        super().__init__()
        self.only = only
        self.clock = clock
        self.tally = tally
        clock.now = NOW
        self.world: World = build_world()
        self.driver = Driver(self.world, tally)
        self.sent: list[tuple[Request, str]] = []
        self.shows = list(Performance.objects.order_by("pk"))
        self.version = read_version(now=NOW)
        self.known = {seat.id: "available" for seat in self.world.sales.seats}

    @property
    def now(self) -> datetime:
        return self.clock.now

    # One rule, and not a rule for each action: Hypothesis leaves rules out at random, and then few
    # examples would get from the line to a refund.
    @rule(step=st.runner().flatmap(lambda machine: machine.steps()))
    def take(self, step: tuple[str, Arguments]) -> None:
        name, arguments = step
        getattr(self, name)(**arguments)

    def steps(self) -> st.SearchStrategy[tuple[str, Arguments]]:
        """Return a strategy of what may happen next; the likeliest first, since Hypothesis prefers that."""
        chances = {
            name: action.weight if self.can(action.worth) else RARE
            for name, action in ACTIONS.items()
            if (not self.only or name in self.only) and self.can(action.needs)
        }
        likeliest_first = sorted(chances, key=lambda name: -chances[name])
        possible = [name for name in likeliest_first for _chance in range(chances[name])]
        return st.sampled_from(possible).flatmap(
            lambda name: st.tuples(st.just(name), ACTIONS[name].choices)
        )

    def has_sent(self) -> bool:
        return bool(self.sent)

    def can(self, what: str | None) -> bool:
        return what is None or bool(getattr(self, what)())

    # What to choose from: what matters oftener, so that steps come together to a purchase.

    def payers(self) -> list[int]:
        """Return who might charge a wallet: mostly those who have something to pay."""
        return self.owing() * 6 + self.world.customers

    def joiners(self) -> list[tuple[int, Room]]:
        """Return who might join where; one in some is in line there already."""
        live = {(e.customer, e.room) for e in self.world.entries if e.is_live(self.now)}
        joiners = [(c, room) for c in self.world.customers for room in self.world.rooms]
        return joiners + [who for who in joiners if who not in live] * 6

    def rooms(self) -> list[Room]:
        return self.world.rooms

    def seats(self) -> list[Seat]:
        return self.world.sales.seats

    def entries(self) -> list[Entry]:
        entries = self.world.entries
        inside = [entry for entry in entries if entry.is_inside(self.now)]
        live = [entry for entry in entries if entry.state != "ended"]
        return inside * 3 + live * 2 + entries[-3:]

    def visits(self) -> list[tuple[Entry, Show]]:
        """Return who might hold seats of what: one in some is in the wrong room."""
        shows = self.world.sales.performances
        right = [(e, s) for e in self.visitors() for s in shows if e.room.slug == s.concert.room]
        return right * 4 + [(e, s) for e in self.entries() for s in shows]

    def claims(self) -> list[Claim]:
        claims = self.world.sales.claims
        return [c for c in claims if c.claims_seats(self.now)] * 3 + claims[-3:]

    def visitors(self) -> list[Entry]:
        return [entry for entry in self.world.entries if entry.is_inside(self.now)]

    def errands(self) -> list[tuple[Entry, Claim]]:
        """Return who might do something about which claim: mostly its customer."""
        errands = [(self.own_entry(claim), claim) for claim in self.claims()]
        others = [(e, c) for e in self.world.entries[-2:] for c in self.world.sales.claims[-2:]]
        return [(entry, claim) for entry, claim in errands if entry] + others

    def own_entry(self, claim: Claim) -> Entry | None:
        room = self.world.room_of(claim.performance)
        return self.world.latest_entry(claim.customer, room)

    def errands_inside(self, status: str) -> list[tuple[Entry, Claim]]:
        """Return who is inside and has a claim that was written down with this status, perhaps overdue."""
        errands = [
            (self.own_entry(claim), claim)
            for claim in self.world.sales.claims
            if claim.status == status
        ]
        return [(entry, claim) for entry, claim in errands if entry and entry.is_inside(self.now)]

    def reservable(self) -> list[tuple[Entry, Claim]]:
        return self.errands_inside("held")

    def reserved_inside(self) -> list[tuple[Entry, Claim]]:
        return self.errands_inside("reserved")

    def lapsed(self) -> list[Entry | Claim]:
        """Return what the clock has ended and nobody has written down."""
        now = self.now
        live = [e for e in self.world.entries if e.state != "ended" and not e.is_live(now)]
        return live + [c for c in self.world.sales.claims if c.status != c.status_at(now)]

    def payable(self) -> list[tuple[Entry, Claim]]:
        balance = self.world.sales.balance
        reserved = self.reserved_inside()
        return [(e, claim) for e, claim in reserved if balance(claim.customer) >= claim.total]

    def owing(self) -> list[int]:
        """Return who is inside and cannot pay what they have reserved."""
        payable = self.payable()
        reserved = self.reserved_inside()
        return [errand[1].customer for errand in reserved if errand not in payable]

    def errands_to_reserve(self) -> list[tuple[Entry, Claim]]:
        return self.reservable() * 12 + self.errands()

    def errands_to_pay(self) -> list[tuple[Entry, Claim]]:
        return self.payable() * 12 + self.reserved_inside() * 3 + self.errands()

    def moments_soon(self) -> list[datetime]:
        """Return when the clock will next decide something: oftener over seats that are not paid."""
        unpaid = [
            c for c in self.world.sales.claims if c.status_at(self.now) in ("held", "reserved")
        ]
        moments = self.world.moments_after(self.now)
        soon = [moment for moment in moments if moment - self.now <= SOON]
        return [claim.expires_at for claim in unpaid] * 3 + soon

    def moments_far(self) -> list[datetime]:
        """Return when sales close, shows begin and kept answers are forgotten, once there is something
        that this could matter to."""
        moments = self.world.moments_after(self.now) if self.world.sales.claims else []
        return [moment for moment in moments if moment - self.now > SOON]

    # The line

    @action(3, who=chosen("joiners"))
    def join(self, who: tuple[int, Room]) -> None:
        customer, room = who

        def accept(entry: Entry, issued: queue.IssuedToken) -> None:
            entry.id, entry.token = issued.status.entry.pk, issued.token
            found = (issued.status.entry.state, issued.status.position)
            same("joined", found, (entry.state, room.position(entry)))

        self.driver.do(
            "join",
            lambda: room.join(customer, self.now),
            lambda: queue.issue_token(customer_id=customer, room_slug=room.slug, now=self.now),
            accept,
        )

    def call(self, entry: Entry) -> Any:
        """Let a customer call on both sides; return the product's entry."""
        entry.call(self.now)
        return queue.note_call(customer_id=entry.customer, token=entry.token, now=self.now)

    @action(2, needs="entries", entry=chosen("entries"))
    def poll(self, entry: Entry) -> None:
        row = self.call(entry)
        self.driver.do(
            "poll",
            lambda: entry.room.poll(entry, self.now),
            lambda: queue.poll_line(entry=row, now=self.now),
            lambda expected, found: same("poll", (found.entry.state, found.position), expected),
        )

    @action(1, needs="entries", entry=chosen("entries"))
    def leave(self, entry: Entry) -> None:
        self.driver.do(
            "leave",
            lambda: entry.room.leave(entry, self.now),
            lambda: queue.leave_line(entry_id=entry.id, now=self.now),
        )

    @action(1, room=chosen("rooms"))
    def see_room(self, room: Room) -> None:
        def look() -> tuple[int, int, int]:
            seen = queue.see_room(slug=room.slug, now=self.now).room.turnstile
            return seen.people_waiting, seen.admitted, seen.now_serving

        self.driver.do(
            "see room",
            lambda: room.see(self.now),
            look,
            lambda expected, found: same("room", found, expected),
        )

    @action(
        2,
        room=chosen("rooms"),
        state=st.sampled_from(["open"] * 5 + ["paused", "draining", "closed"]),
    )
    def steer_room(self, room: Room, state: str) -> None:
        room.state = state
        WaitingRoom.objects.filter(slug=room.slug).update(state=state)

    # Seats and money

    def ask(self, request: Request, way: str) -> None:
        if way == "service":
            self.driver.serve(request, self.now)
        elif way == "api":
            self.driver.send(request, key=None, now=self.now)
        else:
            self.driver.send(request, key=way[-1], now=self.now)
            self.sent.append((request, way[-1]))

    @action(
        9,
        needs="entries",
        worth="visitors",
        visit=chosen("visits"),
        wanted=st.sampled_from([[0], [1], [0, 1], [0], [1], [0, 1], [2], [0, 2], [1, 0, 2], [3]]),
        way=WAYS,
    )
    def hold(self, visit: tuple[Entry, Show], wanted: list[int], way: str) -> None:
        entry, show = visit
        others = [seat for seat in self.world.sales.seats if seat.performance is not show]
        seats = [(show.seats + others)[index] for index in wanted]
        self.ask(requests.hold(self.world, entry, show, seats), way)

    @action(12, needs="errands", worth="reservable", errand=chosen("errands_to_reserve"), way=WAYS)
    def reserve(self, errand: tuple[Entry, Claim], way: str) -> None:
        self.ask(requests.reserve(self.world, *errand), way)

    @action(3, needs="errands", worth="reservable", errand=chosen("errands_to_reserve"))
    def release(self, errand: tuple[Entry, Claim]) -> None:
        self.driver.serve(requests.release(self.world, *errand), self.now)

    @action(10, needs="errands", worth="reserved_inside", errand=chosen("errands_to_pay"), way=WAYS)
    def pay(self, errand: tuple[Entry, Claim], way: str) -> None:
        self.ask(requests.pay(self.world, *errand), way)

    @action(
        3,
        needs="claims",
        claim=chosen("claims"),
        stranger=st.sampled_from([False] * 5 + [True]),
        way=WAYS,
    )
    def cancel(self, claim: Claim, stranger: bool, way: str) -> None:
        customers = self.world.customers
        customer = next(c for c in customers if (c != claim.customer) == stranger)
        self.ask(requests.cancel(self.world, customer, claim), way)

    @action(
        11,
        worth="owing",
        customer=chosen("payers"),
        amount=st.sampled_from([10_000, 20_000, 30_000, 40_000, 40_000, BALANCE_MAX - 15_000]),
        way=WAYS,
    )
    def charge(self, customer: int, amount: int, way: str) -> None:
        # The API takes no such charge; the service is also staff's.
        way = "service" if amount > 40_000 else way
        self.ask(requests.charge(self.world, customer, amount), way)

    @action(2, needs="has_sent", back=st.integers(1, 4))
    def repeat(self, back: int) -> None:
        """Send an earlier request again, with its key."""
        request, key = self.sent[-min(back, len(self.sent))]
        self.driver.send(request, key=key, now=self.now)

    @action(1, seat=chosen("seats"), reason=st.sampled_from(["", "", "camera"]))
    def block_seat(self, seat: Seat, reason: str) -> None:
        seat.blocked = bool(reason)
        block(SeatRow(pk=seat.id), reason)

    # Beat

    @action(
        6,
        worth="lapsed",
        sweeps=st.lists(
            st.sampled_from(["admit_queue", "expire_holds", "expire_queue"]),
            min_size=1,
            max_size=4,
        ),
    )
    def sweep(self, sweeps: list[str]) -> None:
        """Run sweeps back to back."""
        rooms, sales = self.world.rooms, self.world.sales
        both = {
            "expire_holds": (lambda: sales.expire(self.now), expire_holds),
            "expire_queue": (lambda: sum(r.expire(self.now) for r in rooms), queue.expire_queue),
            "admit_queue": (lambda: sum(r.admit(self.now) for r in rooms), queue.admit_queue),
        }
        for name in sweeps:
            predict, run = both[name]
            expected = predict()
            self.tally[name, "touched" if expected else "done"] += 1
            same(name, run(now=self.now), expected)

    @action(2, seconds=st.sampled_from([0.000001, 0.5, 1, 2, 3, 10, 20]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds=seconds)

    @action(
        4,
        needs="moments_soon",
        moment=chosen("moments_soon"),
        off=OFF,
        calling=st.sampled_from(["all", "all", "who waits", "nobody"]),
    )
    def wait_until(self, moment: datetime, off: timedelta, calling: str) -> None:
        """Move to a moment at which the clock decides, or just before or after it; those who are in
        line, or wait there, keep calling meanwhile."""
        until = max(moment + off, self.now)
        states = {"all": ("waiting", "admitted"), "who waits": ("waiting",), "nobody": ()}[calling]
        while states and until > self.now:
            self.clock.now = min(self.now + CALLS_APART, until)
            for entry in self.world.entries:
                if entry.state in states:
                    self.call(entry)
        self.clock.now = until

    @action(1, needs="moments_far", moment=chosen("moments_far"), off=OFF)
    def leap(self, moment: datetime, off: timedelta) -> None:
        self.clock.now = moment + off

    # Comparing

    @action(1)
    def follow_seats(self) -> None:
        """Ask which seats have changed since the last time, and know all of them by it."""
        sales = self.world.sales
        expected = {seat.id: sales.seat_status(seat, self.now) for seat in sales.seats}
        changed = list_changed_seats(self.shows, since=self.version, now=self.now)
        self.version = read_version(now=self.now)
        self.known |= {row["id"]: row["status"] for row in changed}
        same("seats as changed", self.known, expected)

    @invariant()
    def is_as_modelled(self) -> None:
        self.tally["steps", ""] += 1
        assert_as_modelled(self.world, self.now)
        # The dearest read: of one show at each step, in turn.
        assert_seats(self.world, self.shows[self.tally["steps", ""] % len(self.shows)], self.now)

    def teardown(self) -> None:
        """Let the product prove from the history that nobody overtook."""
        for room in WaitingRoom.objects.all():
            verdict = verify_room(room, note_progress=lambda _text: None)
            same(f"violations in {room.slug}", verdict.named, [])
