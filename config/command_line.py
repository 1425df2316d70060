"""How every command of `manage.py` ends, whatever it does: stopped, cut off or without a database, it says
so in one line, and its exit status says so too."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import django
from django.core.management import execute_from_command_line, load_command_class
from django.db import InterfaceError, OperationalError
from django.utils import translation

from apps.core.errors import Busy
from apps.core.request_ids import name_run

STOPPED = 130
FAILED = 1
# It starts processes that set Django up for themselves; its own would be 60 MB for as long as they run.
SUPERVISOR = "up"


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status: 0 only where all of it worked, 130 where Ctrl-C or
    SIGTERM ended it. Commands speak English. With `--traceback` an error of the database is shown whole."""
    signal.signal(signal.SIGTERM, interrupt)
    name_run(" ".join(["manage.py", *arguments[1:2]]))
    try:
        if list(arguments[1:2]) == [SUPERVISOR]:
            load_command_class("config", SUPERVISOR).run_from_argv(list(arguments))
        else:
            django.setup()
            with translation.override("en"):
                execute_from_command_line(list(arguments))
        # Here, where it can still be told, and not when the interpreter ends.
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("Stopped. What was not finished was undone; it can be run again.")
        return STOPPED
    except BrokenPipeError:
        # Whoever read the output has gone, and what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _say("The output was not read to its end.")
        return FAILED
    except (OperationalError, InterfaceError, Busy) as error:
        if "--traceback" in arguments:
            raise
        _say(describe_silence(error))
        return FAILED
    return 0


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Take SIGTERM for Ctrl-C: commands end both in the same way."""
    raise KeyboardInterrupt


def describe_silence(error: Exception) -> str:
    """Return in one line that the database did not answer, and why."""
    cause = error.__cause__ if isinstance(error, Busy) else error
    reason = " ".join(str(cause or "").split())
    return f"The database did not answer: {reason or 'it is busy'}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201  the last words of a program
