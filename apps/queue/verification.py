"""Proving from a room's history that nobody overtook, and finding out who did.

The room's own clock says what was first: turns, numbers and places, never the time of day. Each check
is one statement, so it sees a room that is in use as it was at one moment.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Count, F, Q

from apps.core.db import transaction
from apps.core.limits import ID_MAX
from apps.queue.models import Dispenser, Draw, QueueEntry, Turn, WaitingRoom
from apps.queue.opening import drawn_key

# How many violations of one kind are named; all of them are counted.
NAMED_MAX = 1_000
# Entries of a draw that are fetched at once.
DRAWN_BATCH = 10_000

# `until` is the last turn at which somebody was still in line without having been let in. Whoever
# entered by then from a later place overtook them: the latest `until` among those ahead says so.
_OVERTAKINGS = """
WITH history AS (
    SELECT number, place, admitted_turn,
           COALESCE(LEAST(admitted_turn - 1, ended_turn), %(never)s) AS until
      FROM queue_queueentry WHERE room_id = %(room)s),
line AS (
    SELECT number, place, admitted_turn,
           max(ARRAY[until, -place, number]) OVER (
               ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ahead
      FROM history)
SELECT count(*) OVER (), number, admitted_turn, ahead[3]
  FROM line WHERE admitted_turn <= ahead[1]
 ORDER BY admitted_turn, place LIMIT %(limit)s
"""

# A join inserts its row while it has the dispenser locked, so ids grow as numbers do.
_WRONG_ENTRIES = """
SELECT count(*) OVER (), number, wrong
  FROM (SELECT number,
               CASE WHEN number NOT BETWEEN 1 AND last_number
                    THEN 'was never given out'
                    WHEN id < lag(id) OVER (ORDER BY number)
                    THEN 'was given out before a smaller number'
                    WHEN draw_id IS NULL AND place <> number
                    THEN 'stands at place ' || place || ' without a draw'
                    WHEN (admitted_at IS NULL) <> (admitted_turn IS NULL)
                    THEN 'entered at no turn'
                    WHEN (ended_at IS NULL) <> (ended_turn IS NULL)
                    THEN 'ended at no turn'
               END AS wrong
          FROM queue_queueentry JOIN queue_dispenser USING (room_id)
         WHERE room_id = %(room)s) AS entries
 WHERE wrong IS NOT NULL
 ORDER BY number LIMIT %(limit)s
"""

# Numbers that were given out and have no entry: they were pruned, perhaps a moment ago.
_MISSING = """(
    SELECT last_number - (SELECT count(*) FROM queue_queueentry WHERE room_id = %(room)s)
      FROM queue_dispenser WHERE room_id = %(room)s)"""

# The places that are shared out are the numbers of those drawn, and of those who left meanwhile.
_WRONG_PLACES = f"""
SELECT count(*) OVER (), e.number, e.place
  FROM queue_queueentry e
  LEFT JOIN queue_queueentry o ON o.room_id = e.room_id AND o.number = e.place
 WHERE e.room_id = %(room)s AND e.draw_id = %(draw)s
   AND o.draw_id IS DISTINCT FROM e.draw_id
   AND CASE WHEN o.id IS NULL THEN {_MISSING} <= 0
            ELSE o.draw_id IS NOT NULL OR o.ended_at IS NULL END
 ORDER BY e.place LIMIT %(limit)s
"""  # noqa: S608  a statement's own text

# A turn that is written down stands for all since the one before it; those after the last one, which
# `never` stands for, were written down by nobody.
_WRONG_TURNS = f"""
WITH steps AS (
    SELECT admitted_turn AS turn, 1 AS found, NULL::bigint AS entered
      FROM queue_queueentry WHERE room_id = %(room)s AND admitted_turn > 0
     UNION ALL
    SELECT turn, 0, sum(entered) FROM queue_turn
     WHERE room_id = %(room)s AND entered > 0 GROUP BY turn
     UNION ALL
    SELECT %(never)s, 0, 0),
sums AS (
    SELECT turn, entered,
           sum(found) OVER (ORDER BY turn, entered IS NOT NULL ROWS UNBOUNDED PRECEDING) AS found
      FROM steps),
turns AS (
    SELECT turn, entered, found - lag(found, 1, 0) OVER (ORDER BY turn) AS found
      FROM sums WHERE entered IS NOT NULL)
SELECT count(*) OVER (), COALESCE(sum(entered - found) FILTER (WHERE found < entered) OVER (), 0),
       {_MISSING}, turn, entered, found
  FROM turns WHERE found <> entered
 ORDER BY found < entered, turn LIMIT %(limit)s
"""  # noqa: S608  a statement's own text


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One thing that the history says and that cannot have been."""

    check: str
    text: str
    fields: dict[str, Any]


@dataclass(kw_only=True)
class Verdict:
    """What a room's history amounts to. `missing` is how many numbers have no entry any more."""

    entries: int
    missing: int
    turns: int
    draws: int
    violations: int = 0
    named: list[Violation] = field(default_factory=list)

    def note(self, count: int, named: list[Violation]) -> None:
        """Add so many violations, the first of which are named."""
        self.violations += count
        self.named += named


NoteProgress = Callable[[str], None]


def verify_room(room: WaitingRoom, *, note_progress: NoteProgress) -> Verdict:
    """Replay the room's history and return what is wrong with it."""
    verdict = _count_history(room)
    note_progress(f"{verdict.entries:,} entries: looking for who overtook")
    verdict.note(*_find_overtakings(room))
    note_progress("looking at numbers and places")
    verdict.note(*_find_wrong_entries(room))
    for draw in room.draws.order_by("opens_at"):
        verdict.draws += 1
        verdict.note(*_find_wrong_places(draw))
        verdict.note(*_repeat_draw(draw, note_progress))
    note_progress(f"adding up {verdict.turns:,} turns")
    verdict.note(*_find_overfull_turns(room))
    verdict.note(*_find_wrong_turns(room))
    return verdict


def list_overtakers(entry: QueueEntry) -> list[int]:
    """Return the numbers of those who overtook this entry, at most `NAMED_MAX`."""
    until = [entry.ended_turn] if entry.ended_turn is not None else []
    if entry.admitted_turn is not None:
        until.append(entry.admitted_turn - 1)
    behind = QueueEntry.objects.filter(
        room=entry.room, place__gt=entry.place, admitted_turn__lte=min(until, default=ID_MAX)
    )
    return list(behind.order_by("admitted_turn").values_list("number", flat=True)[:NAMED_MAX])


def name_customers(room: WaitingRoom, numbers: Collection[int]) -> dict[int, str]:
    """Return who has these numbers of the room: the e-mail address, or the id where there is none."""
    entries = QueueEntry.objects.filter(room=room, number__in=numbers)
    found = entries.values_list("number", "customer__email", "customer_id")
    named = {number: email or f"customer {customer_id}" for number, email, customer_id in found}
    return {number: named.get(number, "pruned meanwhile") for number in numbers}


@contextmanager
def _unhurried() -> Iterator[CursorWrapper]:
    """Yield a cursor for statements that may take as long as a long history does."""
    with transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        yield cursor


def _fetch(sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with _unhurried() as cursor:
        cursor.execute(sql, {"never": ID_MAX, "limit": NAMED_MAX, **parameters})
        return cursor.fetchall()


def _count_history(room: WaitingRoom) -> Verdict:
    with _unhurried():
        last_number, entries = (
            Dispenser.objects.filter(room=room)
            .values_list("last_number", Count("room__entries"))
            .get()
        )
        turns = Turn.objects.filter(room=room).count()
    return Verdict(entries=entries, missing=max(last_number - entries, 0), turns=turns, draws=0)


def _find_overtakings(room: WaitingRoom) -> tuple[int, list[Violation]]:
    rows = _fetch(_OVERTAKINGS, room=room.pk)
    people = name_customers(room, {number for row in rows for number in (row[1], row[3])})
    named = [
        Violation(
            check="overtaking",
            text=f"number {number} ({people[number]}) entered at turn {turn} before number {ahead} "
            f"({people[ahead]}), who was in line ahead",
            fields={
                "number": number,
                "customer": people[number],
                "turn": turn,
                "overtook_number": ahead,
                "overtook_customer": people[ahead],
            },
        )
        for _count, number, turn, ahead in rows
    ]
    return _total(rows), named


def _find_wrong_entries(room: WaitingRoom) -> tuple[int, list[Violation]]:
    rows = _fetch(_WRONG_ENTRIES, room=room.pk)
    people = name_customers(room, [row[1] for row in rows])
    named = [
        Violation(
            check="entry",
            text=f"number {number} ({people[number]}) {wrong}",
            fields={"number": number, "customer": people[number], "wrong": wrong},
        )
        for _count, number, wrong in rows
    ]
    return _total(rows), named


def _find_wrong_places(draw: Draw) -> tuple[int, list[Violation]]:
    rows = _fetch(_WRONG_PLACES, room=draw.room_id, draw=draw.pk)
    people = name_customers(draw.room, [row[1] for row in rows])
    named = [
        Violation(
            check="drawn_place",
            text=f"number {number} ({people[number]}) was drawn place {place}, which was none of the "
            f"places in the draw of {draw.opens_at.isoformat()}",
            fields={
                "number": number,
                "customer": people[number],
                "place": place,
                "opens_at": draw.opens_at.isoformat(),
            },
        )
        for _count, number, place in rows
    ]
    return _total(rows), named


def _repeat_draw(draw: Draw, note_progress: NoteProgress) -> tuple[int, list[Violation]]:
    """Say whether a draw's order follows from its seed, and whether all who were drawn are there."""
    what = f"the draw of {draw.opens_at.isoformat()}"
    drawn = QueueEntry.objects.filter(room=draw.room, draw=draw).order_by("place", "number")
    found = 0
    wrong: list[Violation] = []
    before: tuple[int, bytes, int] | None = None
    with _unhurried():
        for place, number in drawn.values_list("place", "number").iterator(DRAWN_BATCH):
            found += 1
            here = (place, drawn_key(seed=draw.seed, number=number), number)
            if before and not wrong and (before[0] >= place or before[1:] > here[1:]):
                wrong.append(
                    _wrong_draw(
                        draw, f"{what}: by its seed number {number} is not at place {place}"
                    )
                )
            before = here
            if found % DRAWN_BATCH == 0:
                note_progress(f"{what}: {found:,} of {draw.entries:,} repeated")
    missing = _count_history(draw.room).missing
    if found > draw.entries or draw.entries - found > missing:
        wrong.append(_wrong_draw(draw, f"{what}: {draw.entries:,} were drawn, {found:,} are there"))
    return len(wrong), wrong


def _wrong_draw(draw: Draw, text: str) -> Violation:
    return Violation(check="draw", text=text, fields={"opens_at": draw.opens_at.isoformat()})


def _find_overfull_turns(room: WaitingRoom) -> tuple[int, list[Violation]]:
    """Find turns that let somebody in beyond the limit. One that was lowered since may be exceeded by
    those who were inside already, and then nobody enters."""
    overfull = Turn.objects.filter(Q(room=room, entered__gt=0), admitted__gt=F("capacity"))
    with _unhurried():
        count = overfull.count()
        named = [
            Violation(
                check="capacity",
                text=f"turn {turn.turn} let {turn.entered} in and left {turn.admitted} inside, where "
                f"{turn.capacity} may be",
                fields={
                    "turn": turn.turn,
                    "entered": turn.entered,
                    "admitted": turn.admitted,
                    "capacity": turn.capacity,
                },
            )
            for turn in overfull.order_by("turn")[:NAMED_MAX]
        ]
    return count, named


def _find_wrong_turns(room: WaitingRoom) -> tuple[int, list[Violation]]:
    """Find turns that more or fewer people say they entered by than were written down; fewer are no
    wonder where no more are gone than have been pruned."""
    rows = _fetch(_WRONG_TURNS, room=room.pk)
    gone, missing = rows[0][1:3] if rows else (0, 0)
    wrong = [row[3:] for row in rows if row[5] > row[4] or gone > missing]
    count = _total(rows) if gone > missing else len(wrong)
    named = [
        Violation(
            check="turn",
            text=f"turn {turn} let {entered} in, and {found} entered by it"
            if turn != ID_MAX
            else f"{found} entered after the last turn that was written down",
            fields={
                "turn": None if turn == ID_MAX else turn,
                "entered": int(entered),
                "found": int(found),
            },
        )
        for turn, entered, found in wrong
    ]
    return count, named


def _total(rows: list[tuple[Any, ...]]) -> int:
    return int(rows[0][0]) if rows else 0
