"""The cheapest HTTP client there is, since it shares the processors with what it measures."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

API = "/api/v1"
# As long as the server takes for any statement at the most.
TIMEOUT_S = 30.0
NO_ANSWER = 0


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request to make, `after_s` seconds from now; `kind` is what it is counted as."""

    kind: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any = None
    after_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, `took_s` after it was due; `status` is 0 where nothing did."""

    status: int
    code: str = ""
    data: Any = None
    took_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """How it is counted: the status, and the code of a refusal."""
        return f"{self.status or 'none'} {self.code}".strip()


class Client:
    """One connection, kept open."""

    def __init__(self, server: str, headers: Mapping[str, str]) -> None:
        address = urlsplit(server)
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        self._connection = kind(address.hostname or "", address.port, timeout=TIMEOUT_S)
        self._base = address.path.rstrip("/") + API
        self._headers = dict(headers)

    def ask(self, ask: Ask, *, due: float) -> Answer:
        """Make a request that was due at a moment of `time.monotonic`, and return the answer."""
        headers = {**self._headers, **ask.headers}
        body = None
        if ask.body is not None:
            body = orjson.dumps(ask.body)
            headers["Content-Type"] = "application/json"
        try:
            response, content = self._send(ask, body, headers)
        except (OSError, HTTPException) as error:
            self._connection.close()
            return Answer(
                status=NO_ANSWER, code=type(error).__name__, took_s=time.monotonic() - due
            )
        took_s = time.monotonic() - due
        data: Any = None
        # What is no JSON is no answer of Encore's own: a proxy's page.
        with contextlib.suppress(orjson.JSONDecodeError):
            data = orjson.loads(content) if content else None
        code = ""
        if response.status >= 400:
            code = data.get("code", "") if isinstance(data, dict) else ""
        elif data is None and content:
            code = "not JSON"
        return Answer(
            status=response.status,
            code=code,
            data=data,
            took_s=took_s,
            headers={"Retry-After": response.headers.get("Retry-After", "")},
        )

    def _send(
        self, ask: Ask, body: bytes | None, headers: dict[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        """Return the response and its body. A server may end a connection that stood open unused, just as
        it is used again: then the request is sent once more on a new one, as browsers do."""
        was_open = self._connection.sock is not None
        try:
            self._connection.request(ask.method, self._base + ask.path, body, headers)
            response = self._connection.getresponse()
        except ConnectionError:
            self._connection.close()
            if not was_open:
                raise
            self._connection.request(ask.method, self._base + ask.path, body, headers)
            response = self._connection.getresponse()
        return response, response.read()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
