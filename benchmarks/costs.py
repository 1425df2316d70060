"""`make bench-costs`: what one request of each kind costs: processor time and bytes, and a line's room on disk.

Processor time is read from the kernel for the web server and for PostgreSQL by themselves, so it says the
same on a busy machine as on a quiet one, and the program that asks is not in it.
"""

import argparse
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import django
import httpx

from benchmarks.processes import (
    find_postmaster,
    find_web_server,
    list_family,
    read_family_processor_s,
    read_memory_mb,
)
from benchmarks.servers import Workbench, describe_machine, workbench

WAITING = 100_000
POLLS, JOINS, LOOKS, BUYERS = 4_000, 500, 200, 400
SEATS_EACH, ROWS, SEATS_PER_ROW = 2, 100, 50
PRICE = 100_000
TABLES = ("queue_queueentry", "queue_presence", "queue_segment")
DATABASE = "costs"
ENTRIES = """
SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(%s::text[]) AS t
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a request costs: milliseconds of processors, bytes of the request and of the answer."""

    web_ms: float
    database_ms: float
    sent: float
    received: float


def weigh(answer: httpx.Response) -> tuple[int, int]:
    """Return the bytes of a request and of its answer as HTTP/1.1 sends them, without TLS."""
    request = answer.request
    sent = len(f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n\r\n")
    sent += sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
    received = len(f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}\r\n\r\n")
    received += sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
    return sent + len(request.content), received + len(answer.content)


class Meter:
    """Measures requests at a server and its PostgreSQL."""

    def __init__(self, *, web: int, database: int) -> None:
        self.web, self.database = web, database
        self.costs: dict[str, Cost] = {}

    def measure(self, name: str, answers: Iterator[httpx.Response]) -> None:
        """Take all the answers, and note what one cost in the mean."""
        web, database = read_family_processor_s(self.web), read_family_processor_s(self.database)
        count = sent = received = 0
        for answer in answers:
            assert answer.is_success or answer.status_code == 304, answer.text
            count += 1
            out, back = weigh(answer)
            sent, received = sent + out, received + back
        self.costs[name] = Cost(
            web_ms=(read_family_processor_s(self.web) - web) * 1_000 / count,
            database_ms=(read_family_processor_s(self.database) - database) * 1_000 / count,
            sent=sent / count,
            received=received / count,
        )


def load_concert() -> int:
    """Put a concert of 5,000 seats on sale and return its id."""
    from django.utils import timezone

    from apps.concerts.models import Concert
    from apps.reservations.catalogue import load_concerts, parse_concerts

    now = timezone.now()
    section = {"name": "A", "grade": "R", "price": PRICE}
    section |= {"rows": ROWS, "seats_per_row": SEATS_PER_ROW}
    concert = {
        "slug": "bench",
        "title": "Bench",
        "artist": "Bench",
        "description": "",
        "venue": {"name": "Bench", "time_zone": "Asia/Seoul"},
        "sales_open_at": (now - timedelta(days=1)).isoformat(),
        "sales_close_at": (now + timedelta(days=50)).isoformat(),
        "seats_per_customer": 4,
        "cancel_until_hours": 24,
        "published": True,
        "performances": [
            {"starts_at": (now + timedelta(days=60)).isoformat(), "sections": [section]}
        ],
    }
    load_concerts(parse_concerts(json.dumps({"concerts": [concert]}).encode()), now=now)
    return Concert.objects.get(slug="bench").pk


def sign_in_as(secret_key: str, number: int) -> dict[str, str]:
    """Return the headers of the customer of a number."""
    import jwt

    claims = {"token_type": "access", "iss": "encore", "exp": 4_102_444_800, "jti": "bench"}
    access = jwt.encode({**claims, "sub": str(number)}, secret_key, algorithm="HS256")
    return {
        "Authorization": f"Bearer {access}",
        "X-Queue-Token": f"token-{number}",
        "Accept-Encoding": "identity",
    }


def measure_journey(
    meter: Meter, http: httpx.Client, sign_in: Callable[[int], dict[str, str]], concert_id: int
) -> None:
    """Have the first `BUYERS` of those inside buy, one kind of request after the other."""
    buyers = [sign_in(number) for number in range(1, BUYERS + 1)]
    dates = f"/concerts/{concert_id}/dates"
    date = http.get(dates, headers=buyers[0]).json()["results"][0]["date"]
    seats = f"{dates}/{date}/seats"
    first = http.get(seats, params={"include": "all"}, headers=buyers[0])
    assert first.is_success, first.text
    ids = [seat["id"] for seat in first.json()["results"]]
    since, tag = first.json()["version"], {"If-None-Match": first.headers["ETag"]}
    asking = buyers[:LOOKS]
    meter.measure("dates", (http.get(dates, headers=who) for who in asking))
    all_seats = {"include": "all"}
    meter.measure("all seats", (http.get(seats, params=all_seats, headers=who) for who in asking))
    meter.measure(
        "all seats, known",
        (http.get(seats, params=all_seats, headers={**who, **tag}) for who in asking),
    )
    meter.measure(
        "changed seats", (http.get(seats, params={"since": since}, headers=who) for who in asking)
    )
    taken: list[int] = []

    def post(path: str, bodies: Callable[[int], dict], *, keep: bool = False) -> Iterator:
        for index, who in enumerate(buyers):
            key = {"Idempotency-Key": f"{path}-{index}"}
            answer = http.post(path, json=bodies(index), headers={**who, **key})
            if keep:
                taken.append(answer.json()["id"])
            yield answer

    def seats_of(index: int) -> list[int]:
        return ids[index * SEATS_EACH : (index + 1) * SEATS_EACH]

    holds = post(f"{dates}/{date}/holds", lambda n: {"seat_ids": seats_of(n)}, keep=True)
    meter.measure("hold", holds)
    meter.measure("reserve", post("/reservations", lambda n: {"hold_id": taken[n]}))
    meter.measure("charge", post("/wallet/charges", lambda _n: {"amount": 1_000_000}))
    meter.measure("pay", post("/payments", lambda n: {"reservation_id": taken[n]}))


def measure_line(
    meter: Meter, http: httpx.Client, sign_in: Callable[[int], dict[str, str]], waiting: int
) -> None:
    """Have people of the line ask where they stand, and others join."""
    from benchmarks.queue.lines import INSIDE

    rnd = random.Random(1)
    asking = [sign_in(INSIDE + 1 + rnd.randrange(waiting // 2)) for _ in range(POLLS)]
    for who in asking[: POLLS // 4]:
        http.get("/queue/tokens/current", headers=who)
    meter.measure("poll", (http.get("/queue/tokens/current", headers=who) for who in asking))
    meter.measure("room", (http.get("/queue/rooms/main") for _ in range(JOINS)))
    joining = [sign_in(INSIDE + waiting - number) for number in range(JOINS)]
    meter.measure("join", (http.post("/queue/tokens", json={}, headers=who) for who in joining))


def draw(waiting: int) -> float:
    """Open the room for everybody who waits and return the seconds that their order took."""
    from django.utils import timezone

    from apps.queue.admission import look_after
    from apps.queue.models import WaitingRoom

    now = timezone.now()
    room = WaitingRoom.objects.get(slug="main")
    room.opens_at = now
    room.save(update_fields=["opens_at"])
    began = time.perf_counter()
    look_after(room.pk, now=now + timedelta(seconds=1))
    took_s = time.perf_counter() - began
    assert room.draws.get().entries >= waiting - JOINS
    return took_s


def run(bench: Workbench, waiting: int) -> None:
    """Fill a line, ask, and print what it took."""
    from benchmarks.queue.lines import fill_line

    with bench.connect(DATABASE) as connection:
        fill_line(connection, waiting)
        size = connection.execute(ENTRIES, [list(TABLES)]).fetchone()
        assert size is not None
        print(f"{waiting:,} wait: {size[0] / waiting:.0f} bytes for each on disk, with all indexes")
    concert_id = load_concert()

    def sign_in(number: int) -> dict[str, str]:
        return sign_in_as(bench.secret_key, number)

    with (
        bench.serve(DATABASE) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=30) as http,
    ):
        web = find_web_server()
        meter = Meter(web=web, database=find_postmaster(bench.postgres))
        measure_line(meter, http, sign_in, waiting)
        measure_journey(meter, http, sign_in, concert_id)
        print("memory of the web server's processes, MB:", end=" ")
        print(", ".join(f"{read_memory_mb(pid):.0f}" for pid in list_family(web)))
    print("| | web server, ms | PostgreSQL, ms | sent, bytes | received, bytes |")
    print("| --- | --- | --- | --- | --- |")
    for name, cost in meter.costs.items():
        print(
            f"| {name} | {cost.web_ms:.2f} | {cost.database_ms:.2f} "
            f"| {cost.sent:.0f} | {cost.received:,.0f} |"
        )
    print(f"the order of {waiting:,} drawn in {draw(waiting):.1f} s")


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="make bench-costs", description=__doc__)
    parser.add_argument("--waiting", type=int, default=WAITING)
    waiting = parser.parse_args().waiting
    print(describe_machine())
    with workbench() as bench:
        bench.make_database(DATABASE)
        os.environ.update(bench.environment(DATABASE))
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        django.setup()
        logging.getLogger("httpx").setLevel(logging.WARNING)
        run(bench, waiting)
    return 0


if __name__ == "__main__":
    sys.exit(main())
