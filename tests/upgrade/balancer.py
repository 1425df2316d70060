"""A load balancer inside the buyers' process: it sends requests to the nodes of its list, and measures."""

import itertools
import threading
import time
from dataclasses import dataclass

import httpx

from tests.running.encore import wait_until

DRAINED_WITHIN_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One request and how it ended; moments and durations in seconds, `status` 0 without an answer."""

    phase: str
    at: float
    seconds: float
    method: str
    path: str
    status: int


class Balancer:
    """Sends each request to the next node of the list. A node that is taken off finishes what it has."""

    def __init__(self) -> None:
        self.phase = "start"
        self.answers: list[Answer] = []
        self._nodes: list[str] = []
        self._in_flight: dict[str, int] = {}
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def add(self, address: str) -> None:
        """Send requests to a node too."""
        with self._lock:
            self._nodes.append(address)
            self._in_flight.setdefault(address, 0)

    def drain(self, address: str) -> None:
        """Send a node nothing more, and wait until it has answered what it was sent."""
        with self._lock:
            self._nodes.remove(address)
        wait_until(
            lambda: self._in_flight[address] == 0, seconds=DRAINED_WITHIN_S, what="node drained"
        )

    def client(self, headers: httpx.Headers, *, timeout_s: float) -> httpx.Client:
        """Return a client whose requests go through the balancer."""
        return httpx.Client(headers=headers, timeout=timeout_s, transport=_Transport(self))

    def send(self, request: httpx.Request, transport: httpx.HTTPTransport) -> httpx.Response:
        """Send a request to the node whose turn it is, and note how it went."""
        with self._lock:
            node = httpx.URL(self._nodes[next(self._turn) % len(self._nodes)])
            self._in_flight[str(node)] += 1
        request.url = request.url.copy_with(host=node.host, port=node.port)
        request.headers["Host"] = request.url.netloc.decode()
        began, status = time.monotonic(), 0
        try:
            response = transport.handle_request(request)
            response.read()
            status = response.status_code
            return response
        finally:
            self._note(request, began=began, status=status)
            with self._lock:
                self._in_flight[str(node)] -= 1

    def _note(self, request: httpx.Request, *, began: float, status: int) -> None:
        seconds = time.monotonic() - began
        self.answers.append(
            Answer(
                phase=self.phase,
                at=began + seconds,
                seconds=seconds,
                method=request.method,
                path=request.url.path,
                status=status,
            )
        )


class _Transport(httpx.BaseTransport):
    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._balancer.send(request, self._inner)

    def close(self) -> None:
        self._inner.close()
