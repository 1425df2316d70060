"""Where everything is measured: the servers with the concert, and whose processor time a load took."""

import http.client
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import django

from benchmarks import wrk
from benchmarks.processes import find_postmaster, find_web_server, read_family_processor_s
from benchmarks.sale.scene import DATABASE, Scene
from benchmarks.servers import Workbench, workbench

# What one measurement of one round came to, by name.
Record = dict[str, Any]
WEB, POSTGRESQL, GENERATOR = "web", "PostgreSQL", "load"
# A hold that ran out would count against its customer in the next round. What takes long while wrk asks
# for all it can is no news.
SETTINGS = {"HOLD_SECONDS": "36000", "SLOW_QUERY_MS": "5000"}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The servers and the concert. Loads take `seconds` each."""

    bench: Workbench
    scene: Scene
    address: str
    web: int
    postmaster: int
    seconds: int

    def read_processor_s(self) -> dict[str, float]:
        """Return the processor seconds of the servers until now."""
        return {
            WEB: read_family_processor_s(self.web),
            POSTGRESQL: read_family_processor_s(self.postmaster),
        }

    def load(self, path: str, **options: Any) -> Record:
        """Load the web server, and return what it came to."""
        before = self.read_processor_s()
        load = wrk.load(self.address, path, **{"seconds": self.seconds, **options})
        return describe_load(load, before, self.read_processor_s())

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the web server: one of its processes answers all that it asks."""
        return http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=60)

    def sign_in(self, customer: int) -> dict[str, str]:
        """Return the headers of a customer who is inside, in a browser."""
        return {
            "Authorization": f"Bearer {self.scene.access[customer - 1]}",
            "X-Queue-Token": f"token-{customer}",
            "Accept-Encoding": "gzip",
        }


def describe_load(load: wrk.Load, before: dict[str, float], after: dict[str, float]) -> Record:
    """Return the figures of a load, with the processor milliseconds of one request."""
    used_s = {name: after[name] - before[name] for name in before}
    used_s[GENERATOR] = load.processor_s
    return {
        "requests": load.requests,
        "per_second": load.per_second,
        "p50_ms": load.median_ms,
        "p99_ms": load.p99_ms,
        "answer_bytes": load.answer_bytes,
        "processor_ms": {name: s * 1_000 / load.requests for name, s in used_s.items()},
        "load_share": load.processor_s / (load.seconds * (os.cpu_count() or 1)),
        **({"statuses": dict(load.statuses)} if load.statuses else {}),
    }


@contextmanager
def open_stage(seconds: int) -> Iterator[Stage]:
    """Start the servers, make the concert, and set Django up in this process."""
    os.environ.update(SETTINGS)
    with workbench() as bench:
        bench.make_database(DATABASE)
        os.environ.update(bench.environment(DATABASE))
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        django.setup()
        scene = Scene(bench, bench.postgres.data_dir)
        scene.make()
        with bench.serve(DATABASE) as address:
            yield Stage(
                bench=bench,
                scene=scene,
                address=address,
                web=find_web_server(),
                postmaster=find_postmaster(bench.postgres),
                seconds=seconds,
            )


def read_ms(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> Record:
    """Ask once; return the milliseconds to the last byte, the answer's headers and its bytes."""
    began = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    took_ms = (time.perf_counter() - began) * 1_000
    if answer.status not in (200, 304):
        raise RuntimeError(f"{answer.status}: {body[:500]!r}")
    return {"ms": took_ms, "status": answer.status, "headers": answer.headers, "body": body}
