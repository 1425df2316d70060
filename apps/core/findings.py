"""What the guard of the invariants has found: from when it was first seen until it was whole again."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import QuerySet

from apps.core.integrity import Finding
from apps.core.models import IntegrityFinding


def list_open_findings() -> QuerySet[IntegrityFinding]:
    """Return what is broken as far as is known, the newest first."""
    return IntegrityFinding.objects.filter(gone_at__isnull=True).order_by("-found_at", "-id")


def note_findings(
    found: Sequence[Finding], *, complete: Collection[int], now: datetime
) -> list[IntegrityFinding]:
    """Write down what is new, what is still broken and what is whole again; return what is new.

    Nothing is taken for whole where `found` does not name all rows of its invariant: `complete` are
    those of which it does. The caller holds a transaction, and the lock that lets one guard write at
    a time.
    """
    by_row = {(finding.invariant, finding.subject): finding for finding in found}
    still: list[int] = []
    gone: list[int] = []
    for row in list_open_findings():
        if by_row.pop((row.invariant, row.subject), None) is not None:
            still.append(row.pk)
        elif row.invariant in complete:
            gone.append(row.pk)
    IntegrityFinding.objects.filter(pk__in=still).update(seen_at=now)
    IntegrityFinding.objects.filter(pk__in=gone).update(gone_at=now)
    return IntegrityFinding.objects.bulk_create(
        IntegrityFinding(
            invariant=finding.invariant,
            subject=finding.subject,
            detail=finding.detail,
            concert_id=finding.concert_id,
            found_at=now,
            seen_at=now,
        )
        for finding in by_row.values()
    )
