"""What is asked through HTTP, by wrk: one function for each measurement of a round."""

import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date as Date

from benchmarks.sale.scene import CUSTOMERS, HOUSES, LISTED
from benchmarks.sale.stage import Record, Stage, read_ms

READING, WRITING = 8, 16
# As many as want one seat at once.
CROWD = 64
# While a list is read that changes, a seat is taken so often, and given back as often.
CHANGES_PER_SECOND = 10
GZIP = {"Accept-Encoding": "gzip"}


def let_everybody_ask(stage: Stage) -> None:
    """Have everybody ask where they are, some times: as in a sale that goes on, where the web server's
    processes have seen those who hold seats before, and verified their access tokens."""
    path = "/api/v1/queue/tokens/current"
    readers = stage.scene.prepare_readers(path)
    stage.load(path, lines=readers, connections=READING, seconds=4 * stage.seconds)


def measure_nothing(stage: Stage) -> Record:
    """The endpoint that does nothing: the yardstick."""
    return stage.load("/api/v1/nothing", connections=READING)


def measure_poll(stage: Stage) -> Record:
    """Those who wait ask where they stand."""
    polls = stage.scene.prepare_polls()
    return stage.load("/api/v1/queue/tokens/current", lines=polls, connections=READING)


def measure_token(stage: Stage) -> Record:
    """Customers who have no place ask for one."""
    return stage.load(
        "/api/v1/queue/tokens",
        method="POST",
        lines=stage.scene.prepare_joins(),
        once=True,
        connections=WRITING,
    )


def measure_seats_unchanged(stage: Stage) -> Record:
    """Everybody asks for a list of seats that they have already: 304."""
    path = stage.scene.seats_path(LISTED)
    connection = stage.connect()
    tag = read_ms(connection, path, stage.sign_in(1))["headers"]["ETag"]
    connection.close()
    record = stage.load(
        path,
        lines=stage.scene.prepare_readers(path),
        connections=READING,
        headers={**GZIP, "If-None-Match": tag},
    )
    if record["answer_bytes"] > 1_000:
        raise RuntimeError("whole lists were sent to those who have them")
    return record


def measure_seats_changed(stage: Stage) -> Record:
    """Everybody asks for a whole list of seats, as browsers do, while seats are taken and given back."""
    with changing_seats(stage):
        return _read_seats(stage, GZIP)


def measure_seats_plain(stage: Stage) -> Record:
    """The same for programs that cannot unpack."""
    with changing_seats(stage):
        return _read_seats(stage, {})


def _read_seats(stage: Stage, headers: dict[str, str]) -> Record:
    path = stage.scene.seats_path(LISTED)
    readers = stage.scene.prepare_readers(path)
    return stage.load(path, lines=readers, connections=READING, headers=headers)


@contextmanager
def changing_seats(stage: Stage) -> Iterator[None]:
    """Have seats of the list taken and given back, for the time of the block."""
    from django.db import connections

    from apps.core.clock import read_clock
    from apps.reservations.services import hold_seats, release_hold

    first_seat = stage.scene.first_seat(LISTED)
    date = Date.fromisoformat(stage.scene.find_date(LISTED))
    over = threading.Event()
    rnd = random.Random(1)
    failures: list[Exception] = []

    def change() -> None:
        try:
            # Entry n is that of customer n.
            for customer in itertools.cycle(range(1, CUSTOMERS + 1)):
                seat_id = first_seat + rnd.randrange(HOUSES[LISTED])
                hold = hold_seats(
                    entry_id=customer,
                    concert_id=1,
                    date=date,
                    seat_ids=[seat_id],
                    now=read_clock(),
                )
                ended = over.wait(1 / CHANGES_PER_SECOND)
                release_hold(entry_id=customer, hold_id=hold.pk, now=read_clock())
                if ended:
                    break
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failures:
        raise RuntimeError(f"no seat could be taken: {failures[0]!r}")


def measure_step(stage: Stage, step: str, *, connections: int = WRITING) -> Record:
    """Every customer takes a step, each for a seat of their own."""
    lines = stage.scene.prepare(step)
    return stage.load("/", method="POST", lines=lines, once=True, connections=connections)


def measure_hold(stage: Stage) -> Record:
    """Customers hold free seats."""
    return measure_step(stage, "hold")


def measure_reserve(stage: Stage) -> Record:
    """Customers reserve what they hold."""
    return measure_step(stage, "reserve")


def measure_pay(stage: Stage) -> Record:
    """Customers pay for what they have reserved."""
    return measure_step(stage, "pay")


def measure_hold_crowd(stage: Stage) -> Record:
    """As many as want the one seat hold free seats: what that is compared with."""
    return measure_step(stage, "hold", connections=CROWD)


def measure_one_seat(stage: Stage) -> Record:
    """Everybody wants one seat: the first gets it, all others hear that it is taken."""
    record = stage.load(
        "/",
        method="POST",
        lines=stage.scene.prepare_one_seat(),
        once=True,
        connections=CROWD,
        allowed=(201, 409),
    )
    if record["statuses"].get(201) != 1:
        raise RuntimeError(f"one seat, and {record['statuses']}")
    return record
