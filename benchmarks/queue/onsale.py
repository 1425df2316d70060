"""A simulated on-sale: everybody's calls, on a clock of the simulation's own.

The services are the real ones, on a real PostgreSQL; only the time is made up, so that an hour passes
as fast as its calls can be answered. Whoever waits follows `poll_after_seconds`; some leave, some fall
silent, in line and inside.
"""

import heapq
import itertools
import multiprocessing
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from apps.core.db import transaction
from apps.queue import services
from apps.queue.errors import QueueTokenExpired
from apps.queue.models import QueueEntry, Turn, WaitingRoom
from apps.queue.transitions import end_entry, lock_entry, require_live
from apps.queue.verification import verify_room
from benchmarks.queue.flat import use_database
from benchmarks.queue.lines import make_customers
from benchmarks.servers import Workbench

DATABASE = "sale"
START = datetime(2026, 11, 1, 1, 0, tzinfo=UTC)
FIXED_POLL_S = 5
# Half of all come in the first minute, the others over the first quarter of an hour.
RUSH_S, ARRIVAL_S = 60, 900
LEAVE_SHARE, SILENT_SHARE = 0.30, 0.20
PATIENCE_S = 1_800
# Inside: most buy, some leave, few fall silent. They are quick, so that there is a lot to let in.
SHOPPING_S, SHOPPING_SPREAD = 6, 0.5
INSIDE_LEAVE_SHARE, INSIDE_SILENT_SHARE = 0.10, 0.005
LONG_WAIT_S = 60
REPORT_EVERY_S = 60
# As many processes as share the customers: everybody's calls meet those of the others.
PARTS = 2


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is simulated."""

    customers: int = 100_000
    capacity: int = 500
    idle_s: int = 300
    session_s: int = 600
    seed: int = 1


@dataclass
class Customer:
    """One customer: what they are going to do, and what they were told."""

    id: int
    joins_at: float
    gives_up_at: float
    silent_at: float
    token: str = ""
    told: list[tuple[float, int]] = field(default_factory=list)
    admitted_at: float | None = None
    last_wait_at: float = 0.0


class OnSale:
    """What some of the customers do. Times are seconds since the start of the simulation."""

    def __init__(self, shape: Shape, part: int) -> None:
        self.random = random.Random(f"{shape.seed} {part}")
        self.events: list[tuple[float, int, Callable[..., None], Any]] = []
        self.order = itertools.count()
        self.polls = 0
        numbers = range(1 + part, shape.customers + 1, PARTS)
        self.customers = [self.make_customer(number) for number in numbers]
        for customer in self.customers:
            self.at(customer.joins_at, self.join, customer)

    def make_customer(self, customer_id: int) -> Customer:
        """Return somebody who comes, leaves and falls silent by chance."""
        rnd = self.random
        in_rush = rnd.random() < 0.5
        joins_at = rnd.uniform(0, RUSH_S if in_rush else ARRIVAL_S)
        chance = rnd.random()
        until = joins_at + rnd.uniform(0, PATIENCE_S)
        return Customer(
            id=customer_id,
            joins_at=joins_at,
            gives_up_at=until if chance < LEAVE_SHARE else float("inf"),
            silent_at=until if 1 - chance < SILENT_SHARE else float("inf"),
        )

    def at(self, seconds: float, act: Callable[..., None], subject: Any) -> None:
        """Have something happen at a time."""
        heapq.heappush(self.events, (seconds, next(self.order), act, subject))

    def run_until(self, end: float) -> int:
        """Let everything happen that is due before `end`; return how much is still to come."""
        while self.events and self.events[0][0] < end:
            seconds, _order, act, subject = heapq.heappop(self.events)
            act(seconds, subject)
        return len(self.events)

    def join(self, seconds: float, customer: Customer) -> None:
        """Take a place in line."""
        issued = services.issue_token(
            customer_id=customer.id, room_slug="main", now=moment(seconds)
        )
        customer.token = issued.token
        self.follow(seconds, customer, issued.status)

    def poll(self, seconds: float, customer: Customer) -> None:
        """Ask where one stands, or leave, or fall silent."""
        customer.last_wait_at = seconds
        if seconds >= customer.silent_at:
            return
        now = moment(seconds)
        entry = services.note_call(customer_id=customer.id, token=customer.token, now=now)
        if seconds >= customer.gives_up_at:
            services.leave_line(entry_id=entry.pk, now=now)
            return
        self.polls += 1
        self.follow(seconds, customer, services.poll_line(entry=entry, now=now))

    def follow(self, seconds: float, customer: Customer, status: services.LineStatus) -> None:
        """Take in an answer: shop where one is inside, else ask again when told to."""
        customer.last_wait_at = seconds
        if status.entry.admitted_at is not None:
            customer.admitted_at = (status.entry.admitted_at - START).total_seconds()
            self.shop(seconds, customer, status.entry.pk)
            return
        assert status.estimated_wait_seconds is not None
        customer.told.append((seconds, status.estimated_wait_seconds))
        self.at(seconds + status.poll_after_seconds, self.poll, customer)

    def shop(self, seconds: float, customer: Customer, entry_id: int) -> None:
        """Decide how long somebody inside stays, and how it ends."""
        chance = self.random.random()
        if chance < INSIDE_SILENT_SHARE:
            return
        stays_s = SHOPPING_S * self.random.lognormvariate(0, SHOPPING_SPREAD)
        reason = QueueEntry.EndReason.PAID
        if chance < INSIDE_SILENT_SHARE + INSIDE_LEAVE_SHARE:
            reason = QueueEntry.EndReason.LEFT
        self.at(seconds + stays_s, self.finish, (entry_id, reason))

    def finish(self, seconds: float, subject: tuple[int, QueueEntry.EndReason]) -> None:
        """End a session, as a payment does."""
        entry_id, reason = subject
        now = moment(seconds)
        with transaction():
            entry = lock_entry(entry_id)
            try:
                require_live(entry, now=now)
            except QueueTokenExpired:
                return
            end_entry(entry, reason=reason, now=now)


def moment(seconds: float) -> datetime:
    """Return a time of the simulation as the services take it."""
    return START + timedelta(seconds=seconds)


def run(bench: Workbench, shape: Shape, say: Callable[[str], None]) -> dict[str, Any]:
    """Play the on-sale in a database of its own, and verify its history."""
    say(f"a simulated on-sale for {shape.customers:,}…")
    bench.make_database(DATABASE)
    with bench.connect(DATABASE, user="postgres") as connection:
        # The simulation is about order and time; nothing of it need survive a power cut.
        connection.execute(f"ALTER DATABASE {DATABASE} SET synchronous_commit = off")
        make_customers(connection, first=1, last=shape.customers)
    use_database(DATABASE)
    results = simulate(shape)
    room = WaitingRoom.objects.get(slug="main")
    verdict = verify_room(room, note_progress=say)
    return {**results, "overtakings": verdict.violations}


@dataclass
class Clock:
    """What the parts share: they begin each second together, and end together."""

    barrier: Any
    to_come: Any
    is_over: Any


def play(shape: Shape, part: int, clock: Clock, results: Any) -> None:
    """Play the customers of one part, second by second together with the other parts."""
    sale = OnSale(shape, part)
    second = 0
    while not clock.is_over.value:
        if part == 0:
            tick(second)
        clock.to_come[part] = sale.run_until(second + 1)
        clock.barrier.wait()
        second += 1
        if part == 0:
            nobody = not QueueEntry.objects.exclude(state="ended").exists()
            clock.is_over.value = not any(clock.to_come) and nobody
            if second % REPORT_EVERY_S == 0:
                report(second)
        clock.barrier.wait()
    waited_s = sum(c.last_wait_at - c.joins_at for c in sale.customers)
    results.put((sale.polls, waited_s, *measure_estimates(sale.customers)))


def tick(second: int) -> None:
    """Do what beat does each second."""
    now = moment(second)
    services.expire_queue(now=now)
    services.admit_queue(now=now)


def report(second: int) -> None:
    """Say how far the simulation is."""
    turnstile = WaitingRoom.objects.select_related("turnstile").get(slug="main").turnstile
    print(
        f"  simulated {second // 60} min: {turnstile.people_waiting} wait, "
        f"{turnstile.now_serving} served",
        file=sys.stderr,
        flush=True,
    )


def simulate(shape: Shape) -> dict[str, Any]:
    """Play the on-sale in the room `main`, in a process for each part, and return what it came to."""
    WaitingRoom.objects.filter(slug="main").update(
        capacity=shape.capacity, idle_seconds=shape.idle_s, session_seconds=shape.session_s
    )
    began = time.monotonic()
    connection.close()  # each process has one of its own
    fork = multiprocessing.get_context("fork")
    clock = Clock(fork.Barrier(PARTS), fork.Array("q", PARTS), fork.Value("b", False))
    answers = fork.Queue()
    parts = [
        fork.Process(target=play, args=(shape, part, clock, answers), daemon=True)
        for part in range(PARTS)
    ]
    for part in parts:
        part.start()
    polls, waited_s, first, every = zip(*(answers.get() for _part in parts), strict=True)
    for part in parts:
        part.join()
    turns = Turn.objects.order_by("pk")
    first_errors = list(itertools.chain(*first))
    errors = list(itertools.chain(*every))
    return {
        "customers": shape.customers,
        "capacity": shape.capacity,
        "admitted": QueueEntry.objects.filter(admitted_turn__isnull=False).count(),
        "ends": dict(Counter(QueueEntry.objects.values_list("end_reason", flat=True))),
        "most_inside": max(turns.values_list("admitted", flat=True)),
        "turns": turns.filter(entered__gt=0).count(),
        "polls": sum(polls),
        "polls_every_5_s": round(sum(waited_s) / FIXED_POLL_S),
        "estimates": len(errors),
        "estimate_error_median": statistics.median(errors),
        "first_estimates": len(first_errors),
        "first_estimate_error_median": statistics.median(first_errors),
        "simulated_s": (turns.latest("at").at - START).total_seconds(),
        "took_s": time.monotonic() - began,
    }


def measure_estimates(customers: list[Customer]) -> tuple[list[float], list[float]]:
    """Return the errors of what those were told who waited over a minute, as shares of the wait that
    was still to come: of the first answers, and of all answers more than a minute before the turn."""
    first: list[float] = []
    every: list[float] = []
    for customer in customers:
        if customer.admitted_at is None or not customer.told:
            continue
        if customer.admitted_at - customer.joins_at <= LONG_WAIT_S:
            continue
        errors = [
            abs(estimate - (customer.admitted_at - told_at)) / (customer.admitted_at - told_at)
            for told_at, estimate in customer.told
            if customer.admitted_at - told_at > LONG_WAIT_S
        ]
        if errors:
            first.append(errors[0])
            every.extend(errors)
    return first, every
