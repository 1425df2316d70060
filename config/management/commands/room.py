"""`manage.py room`."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Literal

from django.core.management.base import BaseCommand, CommandError

from apps.core.clock import read_clock
from apps.core.db import rehearsal
from apps.core.errors import DomainError
from apps.queue import limits
from apps.queue.errors import RoomNotFound
from apps.queue.forecast import Forecast, forecast, limits_of, read_flow
from apps.queue.models import WaitingRoom
from apps.queue.selectors import get_room
from apps.queue.steering import RoomChanges, steer_room
from config.customers import read_number
from config.moments import read_moment
from config.staff import add_reason, describe_error, read_actor

STATES = {
    "open": WaitingRoom.State.OPEN,
    "pause": WaitingRoom.State.PAUSED,
    "drain": WaitingRoom.State.DRAINING,
    "close": WaitingRoom.State.CLOSED,
}
NumberName = Literal["capacity", "admit_per_minute", "session_seconds", "idle_seconds"]
NUMBERS: dict[NumberName, tuple[int, int]] = {
    "capacity": (1, limits.CAPACITY_MAX),
    "admit_per_minute": (0, limits.ADMIT_PER_MINUTE_MAX),
    "session_seconds": (limits.SESSION_SECONDS_MIN, limits.SESSION_SECONDS_MAX),
    "idle_seconds": (limits.IDLE_SECONDS_MIN, limits.IDLE_SECONDS_MAX),
}


class Command(BaseCommand):
    """Steers a waiting room."""

    help = (
        "Open a waiting room, pause it (joins, no entries), drain it (entries, no joins) or close it, "
        "and change its limits and its opening, from now on; the next enter at once. It says how many will enter a "
        "minute, and when all who wait now are in, as it was and as it is. Running it again changes "
        'nothing. Example: manage.py room main open --capacity 300 --reason "the database is calm" --dry-run'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("room", metavar="SLUG", help="the room's slug")
        parser.add_argument("state", choices=STATES, help="what it is to do")
        parser.add_argument("--capacity", metavar="N", help="how many may be inside at once")
        parser.add_argument(
            "--per-minute", metavar="N", help="how many may enter a minute; 0 is no limit"
        )
        parser.add_argument(
            "--session-seconds", metavar="N", help="how long somebody may stay inside"
        )
        parser.add_argument(
            "--idle-seconds", metavar="N", help="how long somebody may be silent and keep the place"
        )
        parser.add_argument(
            "--opens-at",
            metavar="TIME",
            help="nobody enters before this moment (2026-11-01T10:00:00+09:00, by TIME_ZONE where it "
            "names none), and then those who came earlier in random order; “none” for a room that is "
            "open from the first",
        )
        add_reason(parser)
        parser.add_argument("--dry-run", action="store_true", help="forecast, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Steer it, and say what was changed and what will be."""
        slug: str = options["room"]
        dry_run: bool = options["dry_run"]
        changes = _read_changes(options)
        actor = read_actor(options)
        now = read_clock()
        try:
            room = get_room(slug)
            flow = read_flow(room, now=now)
            before = forecast(flow, limits_of(room, now=now))
            with rehearsal() if dry_run else nullcontext():
                steering = steer_room(
                    room_id=room.pk,
                    changes=changes,
                    actor=actor,
                    reason=options["reason"],
                    now=now,
                )
        except RoomNotFound:
            raise CommandError(f"There is no room {slug!r}.") from None
        except DomainError as error:
            raise CommandError(f"{slug}: {describe_error(error)} Nothing was changed.") from None
        # As it will be of those who were there before: some may have entered already.
        steering.room.turnstile = room.turnstile
        after = forecast(flow, limits_of(steering.room, now=now))
        result = {
            "room": slug,
            "before": _write_values(steering.before),
            "after": _write_values(steering.after),
            "waiting": flow.waiting,
            "inside": flow.inside,
            "forecast_before": _write(before),
            "forecast_after": _write(after),
            "dry_run": dry_run,
        }
        self.stdout.write(json.dumps(result) if options["json"] else _describe(result))


def _read_changes(options: dict[str, Any]) -> RoomChanges:
    """Return what is to be changed. Raise `CommandError` where a limit is none."""
    changes: RoomChanges = {"state": STATES[options["state"]].value}
    for field, (minimum, maximum) in NUMBERS.items():
        option = "per_minute" if field == "admit_per_minute" else field
        if (typed := options[option]) is not None:
            name = f"--{option.replace('_', '-')}"
            changes[field] = read_number(typed, name=name, minimum=minimum, maximum=maximum)
    if (typed := options["opens_at"]) is not None:
        changes["opens_at"] = None if typed == "none" else read_moment(typed, name="--opens-at")
    return changes


def _write_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a room as a program reads them."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _write(told: Forecast) -> dict[str, Any]:
    """Return a forecast as a program reads it, times in whole seconds, null where nobody is let in."""

    def whole(value: float | None) -> int | None:
        return None if value is None else round(value)

    return {
        "known": told.known,
        "starts_after_seconds": whole(told.starts_after_s),
        "first_minute": whole(told.first_minute),
        "per_minute": whole(told.per_minute),
        "line_empty_after_seconds": whole(told.line_empty_after_s),
    }


def _describe(result: dict[str, Any]) -> str:
    changed = ", ".join(
        f"{name} {_show(result['before'][name])} → {_show(value)}"
        for name, value in result["after"].items()
    )
    verb = "would change: " if result["dry_run"] and changed else ""
    lines = [
        f"{result['room']}: {verb}{changed or 'nothing to change'}",
        f"waiting {result['waiting']:,}, inside {result['inside']:,}",
        f"as it was: {_describe_forecast(result['forecast_before'])}",
        f"from now on: {_describe_forecast(result['forecast_after'])}",
    ]
    return "\n".join(lines)


def _describe_forecast(told: dict[str, Any]) -> str:
    if told["per_minute"] is None:
        return "nobody enters"
    unknown = (
        "" if told["known"] else "unknown yet, as nobody has been seen to leave; at the least "
    )
    most = "" if told["known"] else "at the most "
    return (
        f"{unknown}{told['first_minute']:,} enter in the first minute and {told['per_minute']:,} a "
        f"minute afterwards, the first after {told['starts_after_seconds']:,} s; all who wait now are "
        f"in after {most}{told['line_empty_after_seconds']:,} s"
    )


def _show(value: Any) -> str:
    return "none" if value is None else str(value)
