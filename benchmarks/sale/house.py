"""The seats of a big house, asked for by one browser: for the first time, again, and what has changed."""

import json
import statistics
import zlib
from datetime import date as Date

from benchmarks.sale.scene import CUSTOMERS, HUGE
from benchmarks.sale.stage import Record, Stage, read_ms

AGAIN = 9
DELTAS, CHANGES = 9, 10


def measure_house(stage: Stage) -> Record:
    """Ask for all seats of a house that nobody has asked for before, then again, then what changed."""
    from django.db import connection

    from apps.core.clock import read_clock
    from apps.reservations.services import hold_seats

    performance = stage.scene.make_performance(HUGE)
    path = stage.scene.seats_path(performance)
    date = Date.fromisoformat(stage.scene.find_date(performance))
    first_seat = stage.scene.first_seat(performance)
    http = stage.connect()
    who = stage.sign_in(1)
    # Whatever is made at the first request of a connection has nothing to do with this house.
    read_ms(http, "/api/v1/queue/tokens/current", who)
    first = read_ms(http, path, who)
    again = [read_ms(http, path, who) for _time in range(AGAIN)]
    version = read_body(again[-1])["version"]
    deltas = []
    customers = iter(range(1, CUSTOMERS + 1))
    for delta in range(DELTAS):
        for seat in range(CHANGES):
            hold_seats(
                entry_id=next(customers),
                concert_id=1,
                date=date,
                seat_ids=[first_seat + delta * CHANGES + seat],
                now=read_clock(),
            )
        changed = read_ms(http, f"{path}?since={version}", who)
        body = read_body(changed)
        if len(body["results"]) != CHANGES:
            raise RuntimeError(f"{len(body['results'])} changes of {CHANGES}")
        version = body["version"]
        deltas.append(changed)
    http.close()
    connection.close()
    return {
        "seats": HUGE,
        "uncached_ms": first["ms"],
        "cached_ms": statistics.median(answer["ms"] for answer in again),
        "delta_ms": statistics.median(answer["ms"] for answer in deltas),
        "answer_bytes": len(first["body"]),
        "delta_bytes": len(deltas[-1]["body"]),
    }


def read_body(answer: Record) -> Record:
    """Return what an answer says."""
    packed = answer["headers"].get("Content-Encoding") == "gzip"
    body = zlib.decompress(answer["body"], wbits=31) if packed else answer["body"]
    content: Record = json.loads(body)
    return content
