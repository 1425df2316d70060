"""The pass of a rehearsal: its requests say that they are one, and nobody else's can."""

from datetime import timedelta

from django.core import signing
from django.http import HttpRequest

HEADER = "X-Encore-Rehearsal"
LIFETIME = timedelta(hours=6)
_SALT = "encore.rehearsal"
_KEY = "HTTP_X_ENCORE_REHEARSAL"


def sign_pass(name: str) -> str:
    """Return what the requests of the rehearsal `name` show in `HEADER`: good for `LIFETIME`, wherever
    the same SECRET_KEY is."""
    return signing.TimestampSigner(salt=_SALT).sign(name)


def is_rehearsing(request: HttpRequest) -> bool:
    """Say whether a request shows the pass of a rehearsal. For any other it is one look at a header."""
    shown = request.META.get(_KEY)
    if shown is None:
        return False
    try:
        signing.TimestampSigner(salt=_SALT).unsign(shown, max_age=LIFETIME)
    except signing.BadSignature:
        return False
    return True
