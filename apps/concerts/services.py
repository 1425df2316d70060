"""Use cases of concerts: stopping a sale, and letting it go on."""

from collections.abc import Mapping
from datetime import datetime

from apps.concerts.errors import ConcertNotFound, SaleNotStopped
from apps.concerts.models import Concert
from apps.core.audit import Actor, record_action
from apps.core.db import lock_row, lock_rows, transaction


def stop_sales(*, reasons: Mapping[int, str], now: datetime) -> list[Concert]:
    """Stop the sale of these concerts, each for its reason; return those that were not stopped yet.

    Nothing is held, reserved or paid until staff say `resume_sale`; cancelling goes on.
    """
    longest = Concert._meta.get_field("sale_stopped_reason").max_length
    with transaction():
        concerts = lock_rows(Concert.objects.filter(pk__in=reasons, sale_stopped_at__isnull=True))
        for concert in concerts:
            concert.sale_stopped_at = now
            concert.sale_stopped_reason = reasons[concert.pk][:longest]
            _write_stop(concert)
        return concerts


def resume_sale(*, concert_id: int, actor: Actor, reason: str, now: datetime) -> Concert:
    """Let a stopped sale go on, and record who decided it and why.

    Raise `ConcertNotFound`, `SaleNotStopped` or `InvalidRequest`.
    """
    with transaction():
        concert = lock_row(Concert.objects.filter(pk=concert_id))
        if concert is None:
            raise ConcertNotFound
        if concert.sale_stopped_at is None:
            raise SaleNotStopped
        before = {
            "sale_stopped_at": concert.sale_stopped_at,
            "sale_stopped_reason": concert.sale_stopped_reason,
        }
        concert.sale_stopped_at = None
        concert.sale_stopped_reason = ""
        record_action(
            actor=actor,
            action="resume_sale",
            subject=concert,
            reason=reason,
            before=before,
            after={"sale_stopped_at": None, "sale_stopped_reason": ""},
            now=now,
        )
        _write_stop(concert)
        return concert


def _write_stop(concert: Concert) -> None:
    # Not by `save`, which looks at the dates of all performances.
    Concert.objects.filter(pk=concert.pk).update(
        sale_stopped_at=concert.sale_stopped_at, sale_stopped_reason=concert.sale_stopped_reason
    )
