"""`manage.py queue_status`."""

import logging
import math
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection
from rich.console import Console
from rich.live import Live

from apps.core.clock import read_clock
from apps.queue.errors import RoomNotFound
from config.command_line import describe_silence
from config.status.reader import StatusReader
from config.status.readings import Reading
from config.status.screen import draw, draw_silence

INTERVAL_S = 2.0
INTERVAL_MIN_S, INTERVAL_MAX_S = 0.5, 3_600.0

# A reading as of a moment, or why there is none.
Look = tuple[datetime, Reading | str]


class Command(BaseCommand):
    """Shows the waiting rooms and the sale."""

    help = (
        "Show the waiting rooms, the seats of the concerts on sale, the last minute's payments and "
        "lapsed holds, and what is wrong: late sweeps, broken invariants, stopped sales. With --watch "
        "again and again, until Ctrl-C; while the database is away that is what it shows, and it goes "
        "on by itself. Changes nothing, and is cheap beside an on-sale. "
        "Example: manage.py queue_status --watch --interval 5"
    )

    # Whoever is in trouble wants to see how it is, whatever the settings are like.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "rooms", metavar="SLUG", nargs="*", help="these rooms, and the concerts that they serve"
        )
        parser.add_argument("--watch", action="store_true", help="show it again and again")
        parser.add_argument(
            "--interval",
            metavar="S",
            type=_read_interval,
            default=INTERVAL_S,
            help=f"seconds between two looks, by default {INTERVAL_S:g}",
        )
        parser.add_argument(
            "--json", action="store_true", help="print JSON, one object a line for each look"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look once and fail where that cannot be, or until somebody has seen enough."""
        reader = StatusReader(slugs=options["rooms"])
        as_json: bool = options["json"]
        if not options["watch"]:
            at, found = look(reader)
            if as_json:
                self._print_json((at, found))
            if isinstance(found, str):
                raise CommandError(found)
            if not as_json:
                self._make_console().print(draw(found))
            return
        try:
            if as_json:
                self._repeat(reader, options["interval"], self._print_json)
            else:
                self._watch(reader, options["interval"])
        except KeyboardInterrupt:
            # To watch until now is all that was asked for.
            return

    def _watch(self, reader: StatusReader, interval_s: float) -> None:
        console = self._make_console()
        if not console.is_terminal:
            self._repeat(reader, interval_s, lambda seen: console.print(_draw(seen), "", sep="\n"))
            return
        # What is logged would be written across the picture.
        logging.disable(logging.WARNING)
        try:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                self._repeat(
                    reader, interval_s, lambda seen: live.update(_draw(seen), refresh=True)
                )
        finally:
            logging.disable(logging.NOTSET)

    def _repeat(
        self, reader: StatusReader, interval_s: float, show: Callable[[Look], None]
    ) -> None:
        while True:
            show(look(reader))
            self.stdout.flush()
            time.sleep(interval_s)

    def _print_json(self, seen: Look) -> None:
        at, found = seen
        if isinstance(found, str):
            line: dict[str, Any] = {"at": at, "database": "away", "error": found}
        else:
            line = {"database": "up", **asdict(found)}
        options = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
        self.stdout.write(orjson.dumps(line, option=options).decode())

    def _make_console(self) -> Console:
        out: Any = self.stdout._out
        return Console(file=out, highlight=False)


def look(reader: StatusReader) -> Look:
    """Return how everything is, or why the database does not say. Raise `CommandError` where there is
    no such room."""
    now = read_clock()
    try:
        return now, reader.read(now=now)
    except RoomNotFound:
        raise CommandError(f"There is no such room among {', '.join(reader.slugs)}.") from None
    except (OperationalError, InterfaceError) as error:
        # The next look asks anew.
        connection.close()
        return now, describe_silence(error)


def _draw(seen: Look) -> Any:
    at, found = seen
    return draw_silence(at, found) if isinstance(found, str) else draw(found)


def _read_interval(text: str) -> float:
    """Return the seconds that an operator typed. Raise `CommandError` outside the limits."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not INTERVAL_MIN_S <= seconds <= INTERVAL_MAX_S:
        raise CommandError(
            f"--interval must be {INTERVAL_MIN_S:g} to {INTERVAL_MAX_S:,.0f} seconds, not {text!r}."
        )
    return seconds
