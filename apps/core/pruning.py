"""Deleting history that nobody needs any more."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.core.db import transaction
from apps.core.models import IdempotencyKey


def list_old_keys(*, before: datetime) -> QuerySet[IdempotencyKey]:
    """Return the idempotency keys whose answers were given before."""
    return IdempotencyKey.objects.filter(created_at__lt=before)


def delete_in_batches(rows: QuerySet[Any], *, batch: int) -> Iterator[int]:
    """Delete `rows` so many at a time, each batch a transaction of its own, and yield after each how
    many went. Nothing may refer to the rows.

    A batch reads on where the one before it stopped, so all of them together read the table once.
    Raise `Busy`; what was deleted until then is.
    """
    last_id = 0
    while True:
        with transaction():
            found = rows.filter(pk__gt=last_id).order_by("pk").values_list("pk", flat=True)
            ids = list(found[:batch])
            if not ids:
                return
            # `delete()` would first read every row, to look for others that go with it.
            deleted = rows.filter(pk__in=ids)._raw_delete(rows.db)
        yield deleted
        last_id = ids[-1]
