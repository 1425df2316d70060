"""`manage.py verify_queue`."""

import json
import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import Busy
from apps.queue.errors import RoomNotFound
from apps.queue.models import QueueEntry, WaitingRoom
from apps.queue.receipts import InvalidReceipt, read_receipt
from apps.queue.selectors import get_room
from apps.queue.verification import (
    Verdict,
    Violation,
    list_overtakers,
    name_customers,
    verify_room,
)

# Between two lines of progress, where nobody watches a terminal.
PROGRESS_S = 5


class Command(BaseCommand):
    """Replays a room's history and names who overtook."""

    help = (
        "Replay what happened in a waiting room, turn by turn: who overtook whom, whether each draw "
        "follows from its published seed, whether more entered than there was room for. Changes "
        "nothing. What prune_history has deleted cannot be replayed. The exit status is 1 where "
        "anything is wrong. Example: manage.py verify_queue main --receipt eyJhbGciOiJFZERTQSIs…"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("room", metavar="ROOM", help="the room's slug")
        parser.add_argument(
            "--receipt",
            metavar="JWS",
            action="append",
            default=[],
            help="check this receipt too, and say what became of the place; may be repeated",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify the room, then the receipts, and fail where anything is wrong."""
        try:
            room = get_room(options["room"])
        except (RoomNotFound, UnicodeEncodeError):
            raise CommandError(f"There is no waiting room {options['room']!r}.") from None
        claims = [_read_claims(room, receipt) for receipt in options["receipt"]]
        try:
            verdict = verify_room(room, note_progress=self._make_progress())
            receipts = [_look_up(room, claim) for claim in claims]
        except Busy:
            raise CommandError("The database is busy. Run it again.") from None
        if options["json"]:
            self.stdout.write(_to_json(room, verdict, receipts))
        else:
            self._print(room, verdict, receipts)
        refuted = sum(not receipt["valid"] for receipt in receipts)
        if verdict.violations or refuted:
            raise CommandError(
                f"{room.slug}: {verdict.violations:,} violations, {refuted} receipts refuted."
            )

    def _make_progress(self) -> Any:
        """Return what writes progress: all of it to a terminal, else a line every few seconds."""
        watched = self.stderr.isatty()
        written_at = time.monotonic()

        def note_progress(text: str) -> None:
            nonlocal written_at
            if watched or time.monotonic() - written_at >= PROGRESS_S:
                written_at = time.monotonic()
                self.stderr.write(text, self.style.NOTICE)

        return note_progress

    def _print(self, room: WaitingRoom, verdict: Verdict, receipts: list[dict[str, Any]]) -> None:
        for violation in verdict.named:
            self.stdout.write(violation.text)
        if more := verdict.violations - len(verdict.named):
            self.stdout.write(f"and {more:,} more")
        for receipt in receipts:
            self.stdout.write(f"receipt of number {receipt['number']}: {receipt['text']}")
        pruned = f", {verdict.missing:,} pruned" if verdict.missing else ""
        self.stdout.write(
            f"{room.slug}: {verdict.entries:,} entries{pruned}, {verdict.turns:,} turns, "
            f"{verdict.draws:,} draws: "
            + (f"{verdict.violations:,} violations" if verdict.violations else "nobody overtook")
        )


def _to_json(room: WaitingRoom, verdict: Verdict, receipts: list[dict[str, Any]]) -> str:
    return json.dumps(
        {
            "room": room.slug,
            "entries": verdict.entries,
            "pruned": verdict.missing,
            "turns": verdict.turns,
            "draws": verdict.draws,
            "violations": verdict.violations,
            "named": [_describe(violation) for violation in verdict.named],
            "receipts": receipts,
        },
        ensure_ascii=False,
    )


def _describe(violation: Violation) -> dict[str, Any]:
    return {"check": violation.check, "text": violation.text, **violation.fields}


def _read_claims(room: WaitingRoom, receipt: str) -> dict[str, Any]:
    """Return what a receipt says. Raise `CommandError` where it is none, or another room's."""
    try:
        claims = read_receipt(receipt)
    except InvalidReceipt as error:
        raise CommandError(
            f"This is no receipt of this service: {receipt[:20]}… ({error})"
        ) from None
    if claims["room"] != room.slug:
        raise CommandError(
            f"The receipt of number {claims['number']} is for the room {claims['room']!r}, "
            f"not {room.slug!r}."
        )
    return claims


def _look_up(room: WaitingRoom, claims: dict[str, Any]) -> dict[str, Any]:
    """Return whether the history bears out a receipt, and what became of the place."""
    entry = (
        QueueEntry.objects.select_related("room").filter(room=room, number=claims["number"]).first()
    )
    result = {"number": claims["number"], "joined_at": claims["joined_at"], "valid": False}
    if entry is None:
        return {**result, "text": "no such place; it was pruned, or taken away"}
    if entry.joined_at != datetime.fromisoformat(claims["joined_at"]):
        return {**result, "text": f"that place was taken at {entry.joined_at.isoformat()}"}
    overtakers = list_overtakers(entry)
    customer = name_customers(room, [entry.number])[entry.number]
    return {
        **result,
        "valid": True,
        "customer": customer,
        "place": entry.place,
        "state": entry.state,
        "admitted_turn": entry.admitted_turn,
        "admitted_at": _iso(entry.admitted_at),
        "ended_at": _iso(entry.ended_at),
        "end_reason": entry.end_reason or None,
        "overtaken_by": overtakers,
        "text": f"{customer}, place {entry.place}, {_tell_fate(entry)}, "
        + (f"overtaken by {', '.join(map(str, overtakers))}" if overtakers else "never overtaken"),
    }


def _tell_fate(entry: QueueEntry) -> str:
    fate = f"joined {entry.joined_at.isoformat()}"
    if entry.admitted_at is not None:
        fate += f", entered {entry.admitted_at.isoformat()} at turn {entry.admitted_turn}"
    if entry.ended_at is not None:
        return f"{fate}, ended {entry.ended_at.isoformat()} ({entry.end_reason})"
    return fate if entry.admitted_at else f"{fate}, waiting"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
