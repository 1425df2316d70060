"""How all processes write their logs: `LOGGING`, and the same lines for the web server's own."""

import logging
import os
import re
import sys
from datetime import UTC, datetime
from logging import LogRecord
from typing import Any, cast

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from apps.core.request_ids import current_work

FORMATS = ("console", "json")
# What would end a line, or move about on a terminal; a message may hold what a stranger has sent.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Django's own extras of a request: the object itself, which would be written with its query string.
HIDDEN_EXTRAS = ("request", "color_message")


class ConsoleLine(logging.Formatter):
    """One line for people, with the traceback below it where there is one."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} [{request_id}] {message}", style="{")

    def formatMessage(self, record: LogRecord) -> str:  # noqa: N802  logging's own name
        """Return the line without the traceback."""
        message = record.message
        record.message = CONTROL.sub(_escape, message)
        vars(record)["request_id"] = current_work().request_id or "-"
        try:
            return super().formatMessage(record)
        finally:
            # Other handlers are given the same record.
            record.message = message
            del vars(record)["request_id"]


class JsonLine(JsonFormatter):
    """One line of JSON for programs: time, level, logger, message, request_id, whatever extras the record
    has, exc_info where something was raised, and where tracing is on, trace_id and span_id."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            reserved_attrs=[*RESERVED_ATTRS, *HIDDEN_EXTRAS],
        )

    def add_fields(
        self, log_data: dict[str, Any], record: LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Put the fields in order."""
        log_data["time"] = self.formatTime(record)
        super().add_fields(log_data, record, message_dict)
        log_data["request_id"] = current_work().request_id or None
        log_data.update(_find_trace())

    def formatTime(self, record: LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time in ISO 8601, in UTC, to the microsecond."""
        return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="microseconds")


def make_formatter() -> logging.Formatter:
    """Return the formatter of `LOG_FORMAT`: for the web server's lines before it has loaded Encore."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings

    return JsonLine() if settings.LOG_FORMAT == "json" else ConsoleLine()


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _find_trace() -> dict[str, str]:
    """Return the ids of the trace and the span of this moment; nothing where there is none."""
    tracing = sys.modules.get("opentelemetry.trace")
    if tracing is None:
        return {}
    context = cast(Any, tracing).get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def is_no_refusal(record: LogRecord) -> bool:
    """Say no to what Django logs of a 503: it is an answer too, and who gave it has logged why."""
    return getattr(record, "status_code", None) != 503


def describe_logging(log_format: str) -> dict[str, Any]:
    """Return `LOGGING` for one of `FORMATS`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "console": {"()": "config.logs.ConsoleLine"},
            "json": {"()": "config.logs.JsonLine"},
        },
        "filters": {
            "not_busy": {"()": "django.utils.log.CallbackFilter", "callback": is_no_refusal}
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": log_format}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # Django's own handler would write each line twice, and a refusal is an answer, no trouble.
            "django": {"handlers": [], "propagate": True},
            "django.request": {"level": "ERROR", "filters": ["not_busy"]},
            # Beat and the worker would write a line for each of the sweeps every second.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "django_celery_beat.schedulers": {"level": "WARNING"},
            "pgmq": {"level": "WARNING"},
        },
    }
