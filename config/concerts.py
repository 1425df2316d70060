"""Concerts that operators name."""

from django.core.management.base import CommandError

from apps.concerts.models import Concert
from apps.core.limits import ID_MAX


def find_concert(name: str) -> Concert:
    """Return the concert of this slug, or of this id, with its venue. Raise `CommandError`."""
    concerts = Concert.objects.select_related("venue")
    concert = concerts.filter(slug=name).first()
    if concert is None and name.isascii() and name.isdigit() and len(name) <= len(str(ID_MAX)):
        concert = concerts.filter(pk=min(int(name), ID_MAX)).first()
    if concert is None:
        raise CommandError(f"There is no concert {name!r}.")
    return concert
