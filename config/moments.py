"""Days and moments that operators type."""

from datetime import datetime, time

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime


def read_moment(text: str, *, name: str) -> datetime:
    """Return the beginning of a day, or a moment, by `TIME_ZONE` where none is named. Raise
    `CommandError` where it is neither."""
    try:
        day = parse_date(text)
        moment = datetime.combine(day, time()) if day else parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(
            f"{name} must be a day (2026-10-01) or a moment (2026-10-01T09:00:00Z), not {text!r}."
        )
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
