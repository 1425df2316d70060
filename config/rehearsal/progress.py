"""How far a rehearsal is: bars on a terminal, lines anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

# A plain line for so many parts of a phase.
PARTS = 10


class Lines:
    """Says it in plain lines."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._title = ""
        self._told = 0

    def say(self, text: str) -> None:
        """Say something that stays."""
        print(text, file=self._out, flush=True)

    def begin(self, title: str) -> None:
        """Begin a phase."""
        self._title, self._told = title, 0
        self.say(f"{title}…")

    def advance(self, done: int, total: int) -> None:
        """Say how far the phase is, ten times at the most."""
        part = done * PARTS // max(total, 1)
        if part > self._told and total > PARTS:
            self._told = part
            self.say(f"{self._title}: {done:,} of {total:,}")


class Bars:
    """Draws a bar for the phase at hand, below what was said."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def say(self, text: str) -> None:
        """Say something that stays."""
        self._bars.console.print(text, highlight=False, markup=False)

    def begin(self, title: str) -> None:
        """Begin a phase: its bar takes the place of the last one's."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(title, total=None)

    def advance(self, done: int, total: int) -> None:
        """Say how far the phase is."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total)


@contextmanager
def tell(out: TextIO) -> Iterator[Lines | Bars]:
    """Yield what tells how far it is."""
    if not out.isatty():
        yield Lines(out)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=out), transient=True) as bars:
        yield Bars(bars)
