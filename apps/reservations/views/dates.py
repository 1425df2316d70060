"""A concert and a date in the path, which two sets of views share."""

import re
from datetime import date as Date

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from apps.core.errors import InvalidRequest
from apps.core.schema import path_id

CONCERT_ID = path_id("concert_id", "The concert.")
DATE = OpenApiParameter(
    "date", OpenApiTypes.DATE, OpenApiParameter.PATH, description="In the venue's time zone."
)
DATE_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_date(text: str) -> Date:
    """Return the calendar date of a path. Raise `InvalidRequest`."""
    try:
        # `fromisoformat` takes weeks too: 2026-W50-5.
        if not DATE_PATTERN.fullmatch(text):
            raise ValueError(text)
        return Date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest.of("date", "invalid", _("A date is YYYY-MM-DD.")) from error
