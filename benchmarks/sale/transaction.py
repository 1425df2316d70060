"""The transaction of a hold without HTTP: as Python sends it, and the same SQL from pgbench."""

import multiprocessing
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date as Date
from typing import Any

from django.db import connection, connections
from psycopg.sql import Literal

from apps.core.clock import read_clock
from apps.reservations.services import hold_seats
from benchmarks.processes import read_family_processor_s
from benchmarks.sale.pgbench import Statement, run_script, write_script
from benchmarks.sale.scene import CUSTOMERS, DATABASE, PRICE
from benchmarks.sale.stage import POSTGRESQL, Record, Stage
from config.rehearsal.figures import percentile

# As many connections for one as for the other.
PROCESSES, THREADS = 2, 4
CLIENTS = PROCESSES * THREADS
# Whom each of them holds for; the last ones are left to the capture.
CUSTOMERS_EACH = CUSTOMERS // CLIENTS - 1
# pgbench counts its transactions instead of the time, since everybody may come once: about as many as it
# makes in that time.
EACH_PER_SECOND = 300
# Until everything is imported, connected and prepared.
WARM_UP = 20
START_LIMIT_S = 30
# Whole numbers of the transaction that are another's in the next one. The id of a reservation is made by
# the database. In a query of its own, so that the planner may use an index with it.
CUSTOMER, SEAT = ":customer::bigint", ":seat::bigint"
RESERVATION = "(SELECT currval(pg_get_serial_sequence('reservations_reservation', 'id')))"


def measure_transaction(stage: Stage) -> Record:
    """Hold free seats by the service, in so many processes of so many threads."""
    performance = stage.scene.make_performance(CUSTOMERS)
    hold = make_holder(stage, performance)
    connection.close()  # each thread has one of its own
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    barrier = fork.Barrier(CLIENTS)
    before = stage.read_processor_s()
    workers = [
        fork.Process(target=work, args=(part, hold, stage.seconds, barrier, answers), daemon=True)
        for part in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    try:
        parts = [answers.get(timeout=stage.seconds + 2 * START_LIMIT_S) for _worker in workers]
    finally:
        for worker in workers:
            worker.join(timeout=10)
            worker.terminate()
    if problems := [part for part in parts if isinstance(part, str)]:
        raise RuntimeError(f"holding from Python failed: {problems[0]}")
    used_s = read_family_processor_s(stage.postmaster) - before[POSTGRESQL]
    ordered = sorted(took for part in parts for took in part)
    count = len(ordered)
    return {
        "requests": count,
        "per_second": count / stage.seconds,
        "p50_ms": statistics.median(ordered) * 1_000,
        "p99_ms": percentile(ordered, 0.99) * 1_000,
        "processor_ms": {POSTGRESQL: used_s * 1_000 / (count + WARM_UP * CLIENTS)},
    }


def make_holder(stage: Stage, performance: int) -> Callable[[int], Any]:
    """Return what holds the nth seat of a performance for the nth customer."""
    first_seat = stage.scene.first_seat(performance)
    date = Date.fromisoformat(stage.scene.find_date(performance))

    def hold(customer: int) -> Any:
        # The entry of customer n has the id n.
        return hold_seats(
            entry_id=customer,
            concert_id=1,
            date=date,
            seat_ids=[first_seat + customer - 1],
            now=read_clock(),
        )

    return hold


def work(part: int, hold: Callable[[int], Any], seconds: int, barrier: Any, answers: Any) -> None:
    """Hold in all threads of this process, and answer how long each hold took, or what went wrong."""
    # A Ctrl-C reaches who measures, who ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    took_s: list[float] = []
    problems: list[str] = []

    def work_on(number: int) -> None:
        customers = iter(range(1 + number, CUSTOMERS + 1, CLIENTS))
        try:
            for _hold in range(WARM_UP):
                hold(next(customers))
            barrier.wait(timeout=START_LIMIT_S)
            now = time.perf_counter()
            until = now + seconds
            while now < until:
                hold(next(customers))
                began, now = now, time.perf_counter()
                took_s.append(now - began)
        except Exception as error:
            problems.append(repr(error))
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=work_on, args=(part * THREADS + number,))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.put(problems[0] if problems else took_s)


def measure_pgbench(stage: Stage) -> Record:
    """Have pgbench send what one hold sent, each time for another customer and seat."""
    performance = stage.scene.make_performance(CUSTOMERS)
    script = stage.scene.folder / "hold.sql"
    script.write_text(capture_script(stage, performance))
    sold_before = stage.scene.count_sold(performance)
    before = stage.read_processor_s()
    rate = run_script(
        stage.bench,
        DATABASE,
        script,
        clients=CLIENTS,
        transactions_each=min(EACH_PER_SECOND * stage.seconds, CUSTOMERS_EACH),
        variables={
            "turn": 0,
            "clients": CLIENTS,
            "first_seat": stage.scene.first_seat(performance),
        },
    )
    used_s = read_family_processor_s(stage.postmaster) - before[POSTGRESQL]
    sold = stage.scene.count_sold(performance) - sold_before
    if sold != rate.transactions:
        raise RuntimeError(f"{rate.transactions} holds by pgbench, and {sold} seats are held")
    return {
        "requests": rate.transactions,
        "per_second": rate.per_second,
        "p50_ms": rate.latency_ms,
        "processor_ms": {POSTGRESQL: used_s * 1_000 / rate.transactions},
        "script": script.read_text(),
    }


def capture_script(stage: Stage, performance: int) -> str:
    """Hold a seat, and return a script of what was sent, with variables in place of the customer, the
    seat and the reservation."""
    hold = make_holder(stage, performance)
    first_seat = stage.scene.first_seat(performance)
    connection.ensure_connection()
    for customer in range(CUSTOMERS - CLIENTS + 1, CUSTOMERS + 1):
        with captured() as statements:
            reservation = hold(customer)
        seat_id = first_seat + customer - 1
        expressions = {customer: CUSTOMER, seat_id: SEAT, reservation.pk: RESERVATION}
        # Neither one of these nor a price may be taken for another.
        if len(expressions) == 3 and not {performance, PRICE} & set(expressions):
            break
    else:
        raise RuntimeError("ids of different things are the same")
    return write_script(
        statements,
        expressions=expressions,
        quote=lambda value: Literal(value).as_string(connection.connection),
        setup=(
            "\\set customer 1 + :client_id + :clients * :turn",
            "\\set seat :first_seat + :customer - 1",
        ),
        teardown=("\\set turn :turn + 1",),
    )


@contextmanager
def captured() -> Iterator[list[Statement]]:
    """Note what this thread's connection sends, whoever sends it through Django."""
    statements: list[Statement] = []

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        statements.append(
            Statement(
                sql=sql,
                parameters=list(parameters or ()),
                in_transaction=connection.in_atomic_block,
            )
        )
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(note):
        yield statements
