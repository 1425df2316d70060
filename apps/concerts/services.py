"""Use cases of concerts: publishing them, stopping a sale and letting it go on; drawing plans."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.concerts.errors import ConcertNotFound, ConcertNotReady, PlanNotFound, SaleNotStopped
from apps.concerts.models import Concert, PlanSeat, SeatingPlan
from apps.concerts.plans import DrawnSeat
from apps.concerts.publishing import Gap, find_gaps
from apps.core.audit import Actor, record_action
from apps.core.db import lock_row, lock_rows, transaction

PLAN_SEAT_BATCH = 5_000


def publish_concert(
    *,
    concert_id: int,
    actor: Actor,
    reason: str,
    now: datetime,
    find_more_gaps: Callable[[Concert], Sequence[Gap]] = lambda _concert: (),
) -> Concert:
    """Let customers see a concert, and record who decided it and why; nothing where they see it already.

    `find_more_gaps` is what the apps above know to be missing. Raise `ConcertNotFound`,
    `ConcertNotReady` or `InvalidRequest`.
    """
    with transaction():
        concert = _lock_concert(concert_id)
        gaps = [*find_gaps(concert, now=now), *find_more_gaps(concert)]
        if any(gap.blocks for gap in gaps):
            raise ConcertNotReady
        return _publish(concert, published=True, actor=actor, reason=reason, now=now)


def unpublish_concert(*, concert_id: int, actor: Actor, reason: str, now: datetime) -> Concert:
    """Take a concert out of customers' sight, and record who decided it and why; what they have stays
    theirs. Raise `ConcertNotFound` or `InvalidRequest`."""
    with transaction():
        concert = _lock_concert(concert_id)
        return _publish(concert, published=False, actor=actor, reason=reason, now=now)


def _lock_concert(concert_id: int) -> Concert:
    concert = lock_row(Concert.objects.filter(pk=concert_id))
    if concert is None:
        raise ConcertNotFound
    return concert


def _publish(
    concert: Concert, *, published: bool, actor: Actor, reason: str, now: datetime
) -> Concert:
    if concert.published == published:
        return concert
    record_action(
        actor=actor,
        action="publish_concert" if published else "unpublish_concert",
        subject=concert,
        reason=reason,
        before={"published": concert.published},
        after={"published": published},
        now=now,
    )
    concert.published = published
    # Not by `save`, which looks at the dates of all performances.
    Concert.objects.filter(pk=concert.pk).update(published=published)
    return concert


def save_plan(
    *,
    plan_id: int | None,
    venue_id: int,
    name: str,
    seats: Sequence[DrawnSeat] | None,
    drawing: Sequence[Mapping[str, Any]],
) -> SeatingPlan:
    """Make a plan, or change one; without `seats` it keeps those that it has.

    No seat of a performance changes: those are made from plans by an action. Raise `PlanNotFound`.
    """
    with transaction():
        if plan_id is None:
            plan = SeatingPlan(venue_id=venue_id)
        else:
            locked = lock_row(SeatingPlan.objects.filter(pk=plan_id))
            if locked is None:
                raise PlanNotFound
            plan = locked
        plan.name = name
        if seats is not None:
            plan.seat_count, plan.drawing = len(seats), list(drawing)
        plan.save()
        if seats is not None:
            PlanSeat.objects.filter(plan=plan).delete()
            rows = (PlanSeat(plan=plan, **seat._asdict()) for seat in seats)
            PlanSeat.objects.bulk_create(rows, batch_size=PLAN_SEAT_BATCH)
        return plan


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
