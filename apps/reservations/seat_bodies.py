"""Seats as an answer has them: written once, joined for each kind of list, packed where somebody wants it so.

50,000 seats take 17 MB as a house, and 6 MB more for each of the two kinds of list that somebody asks for.
"""

import gzip
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from itertools import compress
from operator import add
from threading import Lock
from typing import Any, cast

from apps.core.media import encode_json
from apps.reservations.availability import (
    CLOCK_SKEW_MAX,
    STATUS_BY_RESERVATION,
    Seats,
    Version,
    name_fields,
    read_changed_seats,
    read_seats,
)
from apps.reservations.deadlines import UNPAID
from apps.reservations.limits import BODY_PACKED_MIN_BYTES

# A seat's status is kept as its place in this list.
STATUSES = ("available", "held", "reserved", "sold", "blocked")
FREE, BLOCKED = STATUSES.index("available"), STATUSES.index("blocked")
CODE_BY_CLAIM = {claim: STATUSES.index(shown) for claim, shown in STATUS_BY_RESERVATION.items()}
SUFFIXES = tuple(f',"status":"{status}"'.encode() for status in STATUSES)
# By a code, whether it is the one of a free seat.
IS_FREE = bytes(code == FREE for code in range(256))
# Between two seats. In no text of a seat: a quotation mark has a backslash there.
JOINT = b'},{"id":'
BEGIN, END = b'{"id":', b"}"
NEVER = datetime.max.replace(tzinfo=UTC)
# Level 1 takes a third of the time of level 6, for a quarter more bytes.
PACK_LEVEL = 1


class Body:
    """One answer, with its tag. It is packed when somebody first wants it so."""

    def __init__(self, plain: bytes, etag: str) -> None:
        self.plain = plain
        self.etag = etag
        self._packed: bytes | None = None
        self._lock = Lock()

    @property
    def packed(self) -> bytes | None:
        """The answer by gzip; None where it is too small to gain by it."""
        if len(self.plain) < BODY_PACKED_MIN_BYTES:
            return None
        with self._lock:
            if self._packed is None:
                self._packed = gzip.compress(self.plain, PACK_LEVEL, mtime=0)
            return self._packed


class House:
    """The seats of a date's performances at one version, and the answers that are made of them."""

    def __init__(self, performance_ids: Sequence[int], version: Version, *, now: datetime) -> None:
        """Read all seats. `version` was read before."""
        found = [read_seats(performance_id, now=now) for performance_id in performance_ids]
        self.performance_ids = performance_ids
        self._texts: list[bytes] = []
        self._codes = bytearray()
        self._positions: list[int] = []
        self._spans: dict[int | None, slice] = {}
        # Of the claims that are not paid for, by the seat's place in the lists.
        self._deadlines: dict[int, datetime] = {}
        for performance_id, seats in zip(performance_ids, found, strict=True):
            self._add(performance_id, seats)
        self._spans[None] = slice(0, len(self._texts))
        self._sign()
        self._settle(version)

    def __len__(self) -> int:
        return len(self._texts)

    def holds_at(self, now: datetime) -> bool:
        """Say whether no deadline has passed since it was read, by a clock that was not set back."""
        return self.version.at - CLOCK_SKEW_MAX <= now < self._lapses_at

    def renew(self, version: Version, *, now: datetime) -> bool:
        """Read what has changed, up to `version` at the least. Return False where that will not do."""
        if now < self.version.at - CLOCK_SKEW_MAX:
            return False  # the clock was set back
        found = [
            read_changed_seats(performance_id, since=self.version, now=now)
            for performance_id in self.performance_ids
        ]
        placed = [[self._find(row) for row in seats.rows] for seats in found]
        if any(None in places for places in placed):
            return False
        before = bytes(self._codes)
        rewritten = [
            self._rewrite(seats, cast("list[int]", places))
            for seats, places in zip(found, placed, strict=True)
        ]
        is_rewritten = any(rewritten)
        if is_rewritten:
            self._sign()
        if is_rewritten or before != self._codes:
            self._settle(version)
        else:
            self._pass_on(version)
        return True

    def write(self, performance_id: int | None, *, include_all: bool) -> Body:
        """Return the answer with the free seats, or with all, of one performance or of the date."""
        kind = (performance_id, include_all)
        body = self.bodies.get(kind)
        if body is None:
            span = self._spans[performance_id]
            texts, codes = self._texts[span], self._codes[span]
            if include_all:
                etag = make_tag(self._signature, kind, codes)
                texts = list(map(add, texts, map(SUFFIXES.__getitem__, codes)))
            else:
                are_free = codes.translate(IS_FREE)
                etag = make_tag(self._signature, kind, are_free)
                texts = list(compress(texts, are_free))
            body = self.bodies[kind] = Body(join_answer(texts, self.version), etag)
        return body

    def _add(self, performance_id: int, seats: Seats) -> None:
        start = len(self._texts)
        if seats.rows:
            # All at once, and cut: fifty thousand small ones take three times as long.
            rows = encode_json([name_fields(row) for row in seats.rows])
            self._texts += rows[len(BEGIN) + 1 : -len(END) - 1].split(JOINT)
        self._spans[performance_id] = slice(start, len(self._texts))
        self._positions += [row[-2] for row in seats.rows]
        self._codes += bytes(len(seats.rows))
        self._note(seats, range(start, len(self._texts)))

    def _note(self, seats: Seats, places: Iterable[int]) -> None:
        """Note the statuses of seats, and the deadlines of their claims."""
        for place, row in zip(places, seats.rows, strict=True):
            claim = seats.claims.get(row[0])
            if claim is not None:
                self._codes[place] = CODE_BY_CLAIM[claim[0]]
                if claim[0] in UNPAID:
                    self._deadlines[place] = claim[1]
            else:
                self._codes[place] = BLOCKED if row[-1] else FREE

    def _rewrite(self, seats: Seats, places: Sequence[int]) -> bool:
        """Write seats anew; return whether more than statuses has changed."""
        is_rewritten = False
        for place, row in zip(places, seats.rows, strict=True):
            self._deadlines.pop(place, None)
            text = write_seat(name_fields(row))
            is_rewritten |= text != self._texts[place]
            self._texts[place] = text
        self._note(seats, places)
        return is_rewritten

    def _find(self, row: tuple[Any, ...]) -> int | None:
        """Return a seat's place; None where it has another than it had."""
        place = self._places.get(row[0])
        return place if place is not None and self._positions[place] == row[-2] else None

    @cached_property
    def _places(self) -> dict[int, int]:
        """Where each seat stands, by its id."""
        return {int(text[: text.index(b",")]): at for at, text in enumerate(self._texts)}

    def _sign(self) -> None:
        self._signature = blake2b(JOINT.join(self._texts), digest_size=16).digest()

    def _settle(self, version: Version) -> None:
        """Begin without answers: what they tell has changed."""
        self.bodies: dict[tuple[int | None, bool], Body] = {}
        self._pass_on(version)

    def _pass_on(self, version: Version) -> None:
        self.version = version
        self._lapses_at = min(self._deadlines.values(), default=NEVER)


def write_changes(
    performance_ids: Sequence[int], *, since: Version, version: Version, now: datetime
) -> Body:
    """Return the answer with every seat that may have changed since `since`. `version` was read before."""
    texts = []
    for performance_id in performance_ids:
        seats = read_changed_seats(performance_id, since=since, now=now)
        for row in seats.rows:
            seat = {**name_fields(row), "status": seats.status_of(row)}
            texts.append(write_seat(seat))
    return Body(join_answer(texts, version), make_tag(b"", ("changes",), JOINT.join(texts)))


def write_seat(seat: dict[str, Any]) -> bytes:
    """Return a seat as it stands between two joints."""
    return encode_json(seat)[len(BEGIN) : -len(END)]


def join_answer(texts: Sequence[bytes], version: Version) -> bytes:
    """Return the answer with these seats."""
    seats = BEGIN + JOINT.join(texts) + END if texts else b""
    return b'{"results":[%b],"next":null,"previous":null,"version":"%b"}' % (
        seats,
        str(version).encode(),
    )


def make_tag(signature: bytes, kind: tuple[Any, ...], told: bytes | bytearray) -> str:
    """Return the tag of what an answer tells. It is weak: the same seats have the same tag, packed or not,
    whatever the `version` beside them."""
    digest = blake2b(signature + repr(kind).encode(), digest_size=16)
    digest.update(told)
    return f'W/"{digest.hexdigest()}"'
