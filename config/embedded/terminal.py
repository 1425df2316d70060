"""What the supervisor prints: its own words, and each child's lines under the child's name."""

import os
import time
from typing import TextIO

_NAME = "encore"
_WIDTH = 8
_COLOURS = {
    "encore": "1",
    "database": "34",
    "migrate": "35",
    "demo": "33",
    "web": "32",
    "worker": "36",
    "beat": "35",
}


class Terminal:
    """Prints whole lines to `stream`. A reader that went away is no reason to stop the server."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colour = stream.isatty() and "NO_COLOR" not in os.environ
        self._since = time.monotonic()

    def pass_on(self, name: str, line: str) -> None:
        """Print one line that the child `name` wrote."""
        label = f"{name:<{_WIDTH}}"
        if self._colour:
            label = f"\x1b[{_COLOURS.get(name, '37')}m{label}\x1b[0m"
        self._write(f"{label} | {line}\n")

    def say(self, text: str) -> None:
        """Print the supervisor's own words."""
        for line in text.splitlines():
            self.pass_on(_NAME, line)

    def say_step(self, text: str) -> None:
        """Print that a step is done, with the seconds since the last one."""
        now = time.monotonic()
        self.say(f"{text} ({now - self._since:.1f} s)")
        self._since = now

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return
