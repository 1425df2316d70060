"""Giving performances their seats: those that a file or a plan wants, without touching one that
somebody has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from apps.concerts.errors import (
    PerformanceOver,
    PlanNotFound,
    PricesMissing,
    SeatsTaken,
    StartsTaken,
)
from apps.concerts.layout import PlannedSeat
from apps.concerts.models import Concert, Performance, PlanSeat, Seat, SeatingPlan
from apps.concerts.transitions import (
    FILE_BLOCK,
    WITHDRAWN,
    SeatComparison,
    compare_seats,
    delete_seats,
    find_differences,
    insert_seats,
    update_seats,
    withdraw_seats,
)
from apps.core.audit import Actor, clean_reason, record_action
from apps.core.db import lock_row, lock_rows, transaction
from apps.reservations.models import ReservationSeat

# What a taken seat keeps while the plan, or the prices, say otherwise: as it was sold.
KEPT_WHEN_TAKEN = {"grade", "price"}


@dataclass(frozen=True, kw_only=True)
class Written:
    """How many seats of a performance were written, and how."""

    made: int
    changed: int
    removed: int
    withdrawn: int


@dataclass(frozen=True, kw_only=True)
class PlanEffect:
    """What a plan does to the seats of a performance.

    `removed` are seats that the plan has not: those that somebody once had are blocked instead of
    deleted. `kept` are taken seats whose grade or price stays as it was sold; `in_the_way` are taken
    seats that the plan has elsewhere or not at all: while there are any, nothing is made.
    """

    made: int
    changed: int
    removed: int
    kept: int
    in_the_way: Sequence[Seat]


def compare_locked(performance: Performance, plan: Sequence[PlannedSeat]) -> SeatComparison:
    """Return what is to be done, with every seat that changes or goes locked and read afresh.

    Only then may claims be looked at: whoever holds a seat locks it first. The caller holds a
    transaction.
    """
    seats = {seat.pk: seat for seat in Seat.objects.filter(performance=performance)}
    comparison = compare_seats(seats.values(), plan)
    touched = [seat for seat, _planned in comparison.changed] + comparison.missing
    if not touched:
        return comparison
    for seat in touched:
        del seats[seat.pk]
    locked = lock_rows(Seat.objects.filter(pk__in=[seat.pk for seat in touched]))
    seats.update((seat.pk, seat) for seat in locked)
    return compare_seats(seats.values(), plan)


def find_taken(performance: Performance, *, now: datetime) -> set[int]:
    """Return the ids of the performance's seats that somebody claims at `now`."""
    return set(_list_seat_ids(ReservationSeat.objects.live(now), performance))


def write_comparison(
    performance: Performance, comparison: SeatComparison, *, after: int
) -> Written:
    """Make, change and take away seats. Those that the plan has not are deleted, or withdrawn behind
    position `after` where somebody once had them. The caller has locked what changes or goes."""
    insert_seats(performance, comparison.new)
    for seat, planned in comparison.changed:
        for name, value in find_differences(seat, planned).items():
            setattr(seat, name, value)
    update_seats([seat for seat, _planned in comparison.changed])
    history: set[int] = set()
    if comparison.missing:
        history = set(_list_seat_ids(ReservationSeat.objects.all(), performance))
    removed = [seat for seat in comparison.missing if seat.pk not in history]
    kept = [seat for seat in comparison.missing if seat.pk in history]
    delete_seats(removed)
    return Written(
        made=len(comparison.new),
        changed=len(comparison.changed),
        removed=len(removed),
        withdrawn=withdraw_seats(kept, after=after),
    )


def _list_seat_ids(lines: QuerySet[ReservationSeat], performance: Performance) -> Iterable[int]:
    return lines.filter(reservation__performance=performance).values_list("seat_id", flat=True)


def find_missing_prices(concert: Concert, plan: SeatingPlan) -> list[str]:
    """Return the grades of a plan that have no price in the concert."""
    priced = set(concert.prices.values_list("grade", flat=True))
    grades = PlanSeat.objects.filter(plan=plan).values_list("grade", flat=True).distinct()
    return sorted(set(grades) - priced)


def foresee_plan_seats(*, performance: Performance, plan: SeatingPlan, now: datetime) -> PlanEffect:
    """Return what making the seats from a plan would do, without a lock. Raise `PricesMissing`."""
    planned = _plan_seats(performance, plan)
    seats = Seat.objects.filter(performance=performance)
    return _settle(compare_seats(seats, planned), find_taken(performance, now=now))[1]


def make_plan_seats(
    *, performance_id: int, plan_id: int, actor: Actor, reason: str, now: datetime
) -> PlanEffect:
    """Give a performance the seats of a plan, at the concert's prices, and record who did it and why.

    A seat that is taken is never changed or removed: where only its grade or price is another, it
    stays as it was sold. Locks the performance and the seats that are changed or removed. Raise
    `PlanNotFound`, `PerformanceOver`, `PricesMissing`, `SeatsTaken` or `InvalidRequest`.
    """
    with transaction():
        performance = lock_row(
            Performance.objects.select_related("concert").filter(pk=performance_id)
        )
        if performance is None or performance.called_off_at is not None:
            raise PerformanceOver
        plan = _find_plan(performance.concert, plan_id)
        return _make_seats(performance, plan, actor=actor, reason=reason, now=now)


def add_performances(
    *,
    concert_id: int,
    starts: Sequence[datetime],
    plan_id: int | None,
    actor: Actor,
    reason: str,
    now: datetime,
) -> list[Performance]:
    """Make performances of a concert, each with the seats of a plan where one is named, and record it.

    Raise `PlanNotFound`, `StartsTaken` where one begins at that time already, `PerformanceOver` where
    a start is past, `PricesMissing` or `InvalidRequest`.
    """
    clean_reason(reason)
    with transaction():
        concert = lock_row(Concert.objects.select_related("venue").filter(pk=concert_id))
        if concert is None or any(start <= now for start in starts):
            raise PerformanceOver
        plan = None if plan_id is None else _find_plan(concert, plan_id)
        if concert.performances.filter(starts_at__in=starts).exists():
            raise StartsTaken
        made = [
            Performance.objects.create(concert=concert, starts_at=start) for start in sorted(starts)
        ]
        for performance in made:
            if plan is not None:
                _make_seats(performance, plan, actor=actor, reason=reason, now=now)
        record_action(
            actor=actor,
            action="add_performances",
            subject=concert,
            reason=reason,
            before={},
            after={"starts_at": [performance.starts_at for performance in made], "plan": plan_id},
            now=now,
        )
        return made


def _find_plan(concert: Concert, plan_id: int) -> SeatingPlan:
    plan = SeatingPlan.objects.filter(pk=plan_id, venue=concert.venue_id).first()
    if plan is None or not plan.seat_count:
        raise PlanNotFound
    return plan


def _make_seats(
    performance: Performance, plan: SeatingPlan, *, actor: Actor, reason: str, now: datetime
) -> PlanEffect:
    planned = _plan_seats(performance, plan)
    comparison = compare_locked(performance, planned)
    comparison, effect = _settle(comparison, find_taken(performance, now=now))
    if effect.in_the_way:
        raise SeatsTaken(seats=[str(seat) for seat in effect.in_the_way])
    before = Seat.objects.filter(performance=performance).count()
    written = write_comparison(performance, comparison, after=planned[-1].position)
    record_action(
        actor=actor,
        action="make_seats",
        subject=performance,
        reason=reason,
        before={"seats": before},
        after={"seats": before + written.made - written.removed, "plan": plan.pk, **vars(written)},
        now=now,
    )
    return effect


def _plan_seats(performance: Performance, plan: SeatingPlan) -> list[PlannedSeat]:
    """Return the plan's seats with the concert's prices. What a concert file blocks stays blocked."""
    missing = find_missing_prices(performance.concert, plan)
    if missing:
        raise PricesMissing(grades=missing)
    prices: Mapping[str, int] = dict(performance.concert.prices.values_list("grade", "price"))
    blocked = set(
        Seat.objects.filter(performance=performance, blocked_reason=FILE_BLOCK).values_list(
            "section", "row", "number"
        )
    )
    seats = PlanSeat.objects.filter(plan=plan).order_by("position")
    return [
        PlannedSeat(
            place=(),
            section=seat.section,
            row=seat.row,
            number=seat.number,
            grade=seat.grade,
            price=prices[seat.grade],
            x=seat.x,
            y=seat.y,
            position=seat.position,
            blocked=(seat.section, seat.row, seat.number) in blocked,
        )
        for seat in seats
    ]


def _settle(comparison: SeatComparison, taken: set[int]) -> tuple[SeatComparison, PlanEffect]:
    """Return the comparison without the taken seats that stay as they were sold, and what it does."""
    changed, kept, in_the_way = [], 0, []
    for seat, planned in comparison.changed:
        if seat.pk not in taken:
            changed.append((seat, planned))
        elif find_differences(seat, planned).keys() <= KEPT_WHEN_TAKEN:
            kept += 1
        else:
            in_the_way.append(seat)
    in_the_way += [seat for seat in comparison.missing if seat.pk in taken]
    left = SeatComparison(new=comparison.new, changed=changed, missing=comparison.missing)
    return left, PlanEffect(
        made=len(left.new),
        changed=len(changed),
        removed=sum(seat.blocked_reason != WITHDRAWN for seat in left.missing),
        kept=kept,
        in_the_way=in_the_way,
    )
