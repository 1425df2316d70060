"""Failed sign-ins, counted for each e-mail address, whether anybody has it or not.

They are counted in the database, for all processes alike, and before the password is looked at: of any
number of attempts at once no more than `FAILURES_MAX` are heard. The count begins anew with each window,
so nobody is kept out for longer. Against somebody who uses up every window to keep a customer out, an
address from which that customer has signed in lately has a count of its own.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F

from apps.accounts.errors import TooManyFailedSignIns
from apps.accounts.limits import (
    FAILURES_MAX,
    FAILURES_WINDOW_S,
    KNOWN_ADDRESS_S,
    TALLIES_CLEARED,
)
from apps.accounts.models import SignInTally, normalise_email
from apps.core.db import lock_rows, transaction

WINDOW = timedelta(seconds=FAILURES_WINDOW_S)

COUNT = f"""
INSERT INTO {SignInTally._meta.db_table} AS t (digest, failures, since, kept_until)
VALUES (%(digest)s, 1, %(now)s, %(over)s)
ON CONFLICT (digest) DO UPDATE SET
    failures = CASE WHEN t.since > %(begin)s THEN t.failures + 1 ELSE 1 END,
    since = CASE WHEN t.since > %(begin)s THEN t.since ELSE %(now)s END,
    kept_until = GREATEST(t.kept_until, %(over)s)
RETURNING failures, since"""  # noqa: S608  a table's name alone


@contextmanager
def counted_attempt(*, email: str, address: str, now: datetime) -> Iterator[None]:
    """Count the block as a failed sign-in, unless it ends without an error.

    `address` is where it comes from. Raise `TooManyFailedSignIns` instead of running the block where the
    count is full, whoever knocks and with whatever password. The caller holds no transaction.
    """
    everywhere = digest_of(normalise_email(email))
    here = digest_of(normalise_email(email), address)
    known = SignInTally.objects.filter(pk=here, kept_until__gt=now).exists()
    tally = here if known else everywhere
    count_attempt(tally, now=now)
    try:
        yield
    except Exception:
        clear_tallies(now=now)
        raise
    forgive(tally)
    note_known_address(here, now=now)


def count_attempt(digest: bytes, *, now: datetime) -> None:
    """Count one attempt, in one statement. Raise `TooManyFailedSignIns` over `FAILURES_MAX`."""
    times = {"now": now, "begin": now - WINDOW, "over": now + WINDOW}
    with transaction(), connection.cursor() as cursor:
        cursor.execute(COUNT, {"digest": digest, **times})
        failures, since = cursor.fetchone()
    if failures > FAILURES_MAX:
        left_s = int((since + WINDOW - now).total_seconds())
        raise TooManyFailedSignIns(retry_after_seconds=max(1, min(left_s, FAILURES_WINDOW_S)))


def forgive(digest: bytes) -> None:
    """Take an attempt that was good off the count."""
    SignInTally.objects.filter(pk=digest, failures__gt=0).update(failures=F("failures") - 1)


def note_known_address(digest: bytes, *, now: datetime) -> None:
    """Note that the customer has signed in from an address; its own count begins anew."""
    kept_until = now + timedelta(seconds=KNOWN_ADDRESS_S)
    SignInTally.objects.bulk_create(
        [SignInTally(digest=digest, failures=0, since=now, kept_until=kept_until)],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["failures", "since", "kept_until"],
    )


def clear_tallies(*, now: datetime) -> None:
    """Delete a few tallies that count no longer: whoever tries many addresses leaves no heap behind."""
    with transaction():
        over = SignInTally.objects.filter(kept_until__lte=now)
        cleared = lock_rows(over, limit=TALLIES_CLEARED, skip_locked=True)
        SignInTally.objects.filter(pk__in=[tally.pk for tally in cleared]).delete()


def digest_of(*parts: str) -> bytes:
    """Return the key of a tally. What was typed is not kept: it may be a password."""
    return hashlib.sha256("\n".join(parts).encode()).digest()
