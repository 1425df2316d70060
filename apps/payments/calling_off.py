"""Calling a performance off: nothing more is sold of it, and everybody gets their money back."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.concerts.errors import PerformanceNotFound
from apps.concerts.models import Performance
from apps.core.audit import Actor, record_action
from apps.core.db import lock_row, lock_rows, transaction
from apps.payments import limits
from apps.payments.transitions import give_money_back
from apps.reservations.deadlines import UNPAID
from apps.reservations.models import Reservation
from apps.reservations.transitions import cancel, expire_reservations
from apps.wallet.errors import BalanceLimitExceeded

logger = logging.getLogger(__name__)

CONFIRMED = Reservation.Status.CONFIRMED


@dataclass(frozen=True, kw_only=True)
class Outstanding:
    """What is still to be ended of performances that were called off; money in the minor unit."""

    unpaid: int
    paid: int
    money: int


def call_off_performance(
    *, performance_id: int, actor: Actor, reason: str, now: datetime
) -> Performance:
    """Take a performance off sale for good, and record who did it and why; once, also when asked again.

    Its reservations are ended by `end_called_off`. Who holds seats of it at this very moment may still
    get them; they end as all others do. Raise `PerformanceNotFound` or `InvalidRequest`.
    """
    with transaction():
        performance = lock_row(Performance.objects.filter(pk=performance_id))
        if performance is None:
            raise PerformanceNotFound
        if performance.called_off_at is None:
            performance.called_off_at = now
            performance.save(update_fields=["called_off_at"])
            record_action(
                actor=actor,
                action="call_off_performance",
                subject=performance,
                reason=reason,
                before={"called_off_at": None},
                after={"called_off_at": now},
                now=now,
            )
        return performance


def list_outstanding(performances: QuerySet[Performance]) -> QuerySet[Reservation]:
    """Return the reservations that still claim seats of the performances, overdue ones too."""
    return Reservation.objects.filter(performance__in=performances, status__in=(*UNPAID, CONFIRMED))


def count_outstanding(performances: QuerySet[Performance]) -> Outstanding:
    """Return what there is to end."""
    outstanding = list_outstanding(performances)
    paid = outstanding.filter(status=CONFIRMED)
    return Outstanding(
        unpaid=outstanding.exclude(status=CONFIRMED).count(),
        paid=paid.count(),
        money=paid.aggregate(money=Coalesce(Sum("total"), 0))["money"],
    )


def refund_called_off(*, now: datetime) -> int:
    """End what is left of every performance that was called off: what beat runs. Return how many
    reservations, up to `CALLED_OFF_PER_RUN`."""
    called_off = Performance.objects.filter(called_off_at__isnull=False)
    ended = 0
    for outcome in end_called_off(called_off, now=now):
        ended += outcome
        if ended >= limits.CALLED_OFF_PER_RUN:
            break
    return ended


def end_called_off(performances: QuerySet[Performance], *, now: datetime) -> Iterator[int]:
    """End the reservations of performances that were called off, each in a commit of its own, so that
    it can be stopped anywhere and run again. Yield after each 1 where it was ended, 0 where it was not.

    One that somebody else has locked is passed over, and so is one whose wallet is full: that is
    logged. Raise `Busy`.
    """
    last_id = 0
    while batch := list(_list_next(performances, after=last_id)):
        for reservation_id in batch:
            try:
                yield _end(reservation_id, now=now)
            except BalanceLimitExceeded:
                logger.error("reservation %d: its wallet is too full for a refund", reservation_id)
                yield 0
        last_id = batch[-1]


def _list_next(performances: QuerySet[Performance], *, after: int) -> QuerySet[Reservation, int]:
    outstanding = list_outstanding(performances).filter(pk__gt=after).order_by("pk")
    return outstanding.values_list("pk", flat=True)[: limits.CALLED_OFF_BATCH]


def _end(reservation_id: int, *, now: datetime) -> int:
    with transaction():
        rows = Reservation.objects.filter(pk=reservation_id, status__in=(*UNPAID, CONFIRMED))
        for reservation in lock_rows(rows, skip_locked=True):
            if reservation.is_overdue(now):
                return expire_reservations([reservation.pk])
            if reservation.status == CONFIRMED:
                give_money_back(reservation, now=now)
            cancel(reservation, cause=Reservation.EndCause.CALLED_OFF, now=now)
            return 1
    return 0
