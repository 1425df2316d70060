"""The one place that reads the clock. Services take `now`; views, tasks and commands get it here."""

from datetime import datetime

from django.utils import timezone


def read_clock() -> datetime:
    """Return the time in UTC."""
    return timezone.now()
