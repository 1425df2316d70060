"""The players: processes with threads, each of which asks and waits, as many players as wanted at a time.

Whoever waits takes no thread. What a player is due to ask and no thread is free for counts as part of the
time that the answer takes, as it would for a customer.
"""

import heapq
import itertools
import multiprocessing
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

from config.rehearsal.client import TIMEOUT_S, Answer, Ask, Client
from config.rehearsal.journey import Ticket, play

THREADS = 48
# How often a process tells what its players have seen.
TELL_S = 0.25
# A purchase, told beside the requests that it was made of.
PURCHASE = "purchase"


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to play (the threads are shared out evenly), and what every request bears."""

    servers: tuple[str, ...]
    headers: dict[str, str]
    concert_id: int


@dataclass(frozen=True, slots=True)
class Note:
    """An answer, or a purchase: when it came by `time.monotonic`, what of, how it ended, how many seconds
    it took since it was due, and how many of these it waited for a thread."""

    at: float
    kind: str
    outcome: str
    took_s: float
    late_s: float


class PlayersLost(Exception):
    """A process of the players has ended by itself."""


Journey = Generator[Ask, Answer, "float | None"]


class Crowd:
    """The players of one process."""

    def __init__(self, target: Target, tickets: Sequence[Ticket]) -> None:
        self.target = target
        self.tickets: Iterator[Ticket] = iter(tickets)
        self.left = len(tickets)
        self.wanted = 0
        self.playing = 0
        self.notes: list[Note] = []
        self.over = False
        self._lock = threading.Condition()
        self._order = itertools.count()
        self._later: list[tuple[float, int, Journey, Ask]] = []
        self._due: SimpleQueue[tuple[float, Journey, Ask] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._ask_on, args=(server,), daemon=True)
            for _thread, server in zip(
                range(THREADS), itertools.cycle(target.servers), strict=False
            )
        ]
        self._clock = threading.Thread(target=self._wake, daemon=True)

    def start(self) -> None:
        """Start all threads."""
        for thread in (*self._threads, self._clock):
            thread.start()

    def want(self, players: int) -> None:
        """Have so many play at a time; who plays already goes on to the end."""
        with self._lock:
            self.wanted = players
        self._fill()

    def take_notes(self) -> list[Note]:
        """Return what was noted since the last time."""
        with self._lock:
            notes, self.notes = self.notes, []
        return notes

    def stop(self) -> None:
        """Ask nothing any more; return when all that was asked is answered."""
        with self._lock:
            self.over = True
            self._lock.notify_all()
        for _thread in self._threads:
            self._due.put(None)
        for thread in self._threads:
            thread.join(timeout=TIMEOUT_S + 5)

    def _fill(self) -> None:
        while True:
            with self._lock:
                ticket = None
                if self.playing < self.wanted and not self.over:
                    ticket = next(self.tickets, None)
                if ticket is None:
                    return
                self.playing += 1
                self.left -= 1
            journey = play(ticket, self.target.concert_id)
            self._schedule(journey, next(journey))

    def _schedule(self, journey: Journey, ask: Ask) -> None:
        now = time.monotonic()
        if ask.after_s <= 0:
            self._due.put((now, journey, ask))
            return
        with self._lock:
            heapq.heappush(self._later, (now + ask.after_s, next(self._order), journey, ask))
            self._lock.notify()

    def _wake(self) -> None:
        """Hand on whoever's time has come."""
        with self._lock:
            while not self.over:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    due, _order, journey, ask = heapq.heappop(self._later)
                    self._due.put((due, journey, ask))
                self._lock.wait(self._later[0][0] - now if self._later else None)

    def _ask_on(self, server: str) -> None:
        client = Client(server, self.target.headers)
        while not self.over:
            item = self._due.get()
            if item is None or self.over:
                break
            due, journey, ask = item
            late_s = time.monotonic() - due
            answer = client.ask(ask, due=due)
            self._note(ask.kind, answer.outcome, answer.took_s, late_s)
            self._go_on(journey, answer)
        client.close()

    def _go_on(self, journey: Journey, answer: Answer) -> None:
        try:
            ask = journey.send(answer)
        except StopIteration as end:
            bought = end.value is not None
            self._note(PURCHASE, "bought" if bought else "gave up", end.value or 0.0, 0.0)
            with self._lock:
                self.playing -= 1
            self._fill()
            return
        self._schedule(journey, ask)

    def _note(self, kind: str, outcome: str, took_s: float, late_s: float) -> None:
        with self._lock:
            self.notes.append(Note(time.monotonic(), kind, outcome, took_s, late_s))


def run_crowd(pipe: Connection, target: Target, tickets: Sequence[Ticket]) -> None:
    """Play in this process as the other end of the pipe says; end with it."""
    # Ctrl-C reaches all processes of a terminal; the one that has the others says when to stop.
    _ignore_signals()
    crowd = Crowd(target, tickets)
    crowd.start()
    # Where nobody is there to be told, there is nothing to play for either.
    with suppress(EOFError, OSError):
        while True:
            if pipe.poll(TELL_S):
                wanted = pipe.recv()
                if wanted is None:
                    crowd.stop()
                    pipe.send((crowd.take_notes(), crowd.left))
                    return
                crowd.want(wanted)
            pipe.send((crowd.take_notes(), crowd.left))


def _ignore_signals() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Players:
    """The processes of the players, seen from the one that leads them."""

    def __init__(self, target: Target, tickets: Sequence[Ticket], *, processes: int) -> None:
        # A copy of this process would share its connection to the database.
        context = multiprocessing.get_context("spawn")
        self.notes: list[Note] = []
        self._left: dict[Any, int] = {}
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        for part in range(processes):
            here, there = context.Pipe()
            share = list(tickets[part::processes])
            process = context.Process(target=run_crowd, args=(there, target, share), daemon=True)
            process.start()
            there.close()
            self._processes.append(process)
            self._pipes.append(here)
            self._left[here] = len(share)

    @property
    def pids(self) -> set[int]:
        """The processes' numbers."""
        return {process.pid for process in self._processes if process.pid}

    @property
    def left(self) -> int:
        """How many have not come yet."""
        return sum(self._left.values())

    def want(self, players: int) -> None:
        """Have so many play at a time, shared out evenly."""
        count = len(self._pipes)
        for part, pipe in enumerate(self._pipes):
            self._send(pipe, (players + count - 1 - part) // count)

    def listen(self, seconds: float) -> None:
        """Take in what the players note for so long. Raise `PlayersLost`."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            for pipe in wait(self._pipes, timeout=rest):
                self._receive(pipe)

    def stop(self) -> None:
        """Have everybody stop when what they asked is answered, and end the processes."""
        for pipe in self._pipes:
            with suppress(PlayersLost):
                self._send(pipe, None)
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            with suppress(PlayersLost):
                # What was told until then comes first.
                while process.is_alive() or pipe.poll(0):
                    if pipe.poll(TELL_S):
                        self._receive(pipe)
            process.join()
            pipe.close()
        self._processes, self._pipes = [], []

    def _send(self, pipe: Connection, message: int | None) -> None:
        try:
            pipe.send(message)
        except OSError as error:
            raise PlayersLost from error

    def _receive(self, pipe: Any) -> None:
        try:
            notes, left = pipe.recv()
        except (EOFError, OSError) as error:
            raise PlayersLost from error
        self.notes += notes
        self._left[pipe] = left
