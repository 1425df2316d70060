"""Finding a case: by e-mail address, by the number of a reservation or a payment, by a seat."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import User, normalise_email
from apps.backoffice.cases.case import may_see
from apps.backoffice.cases.limits import HITS_MAX, PERFORMANCES_MAX, PERFORMANCES_SINCE_DAYS
from apps.backoffice.cases.words import tell_performance
from apps.concerts.models import Performance
from apps.core.audit_log import tell_time
from apps.core.limits import ID_MAX
from apps.payments.models import Payment
from apps.reservations.models import Reservation, ReservationSeat

# “42”, “#42”, “reservation:42”, “payment:42”
_NUMBER = re.compile(r"(?:(reservation|payment):|#)?(\d+)")
# “A 1-3”, “A-1-3”, “A 1 3”: section, row, number
_SEAT = re.compile(r"(.+?)[\s-]+([^\s-]+)[\s-]+([^\s-]+)")


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A case that a search has found."""

    title: str
    detail: str
    address: str


def find_cases(query: str, *, performance_id: int | None, viewer: Any, now: datetime) -> list[Hit]:
    """Return up to `HITS_MAX` cases that the query may mean, of those that the viewer may open."""
    query = query.strip()
    may_see_reservations = may_see(viewer, "reservations.reservation")
    if not query:
        return []
    if number := _NUMBER.fullmatch(query):
        hits = _find_number(number[1], int(number[2]), viewer) if may_see_reservations else []
    elif "@" not in query and (seat := _SEAT.fullmatch(query)):
        parts = (seat[1], seat[2], seat[3])
        hits = _find_seat(parts, performance_id, now) if may_see_reservations else []
    else:
        hits = []
    return hits or _find_customers(query)


def list_performances(now: datetime) -> list[Performance]:
    """Return the performances that a search by seat offers, the earliest first."""
    since = now - timedelta(days=PERFORMANCES_SINCE_DAYS)
    rows = Performance.objects.filter(starts_at__gte=since).select_related("concert")
    return list(rows.order_by("starts_at", "pk")[:PERFORMANCES_MAX])


def _find_number(kind: str | None, number: int, viewer: Any) -> list[Hit]:
    if number > ID_MAX:
        return []
    wanted = Q()
    if kind != "payment":
        wanted |= Q(pk=number)
    if kind != "reservation" and may_see(viewer, "payments.payment"):
        payments = Payment.objects.filter(pk=number)
        wanted |= Q(pk__in=list(payments.values_list("reservation", flat=True)))
    if not wanted:
        return []
    rows = Reservation.objects.filter(wanted).select_related("customer", "performance__concert")
    return [_describe(row, number) for row in rows.order_by("pk")]


def _find_seat(parts: tuple[str, str, str], performance_id: int | None, now: datetime) -> list[Hit]:
    section, row, number = parts
    if performance_id is None:
        performances = [performance.pk for performance in list_performances(now)]
    else:
        performances = [performance_id]
    lines = (
        ReservationSeat.objects.filter(
            seat__performance__in=performances,
            seat__section=section,
            seat__row=row,
            seat__number=number,
        )
        .select_related("reservation__customer", "reservation__performance__concert")
        .order_by("-pk")
    )
    return [_describe(line.reservation) for line in lines[:HITS_MAX]]


def _find_customers(query: str) -> list[Hit]:
    email = normalise_email(query)
    exact = list(User.objects.filter(email=email))
    rows = exact or User.objects.filter(email__startswith=email).order_by("email")[:HITS_MAX]
    return [
        Hit(
            title=str(row),
            detail=row.name,
            address=reverse("admin:customer_case", args=[row.pk]),
        )
        for row in rows
    ]


def _describe(row: Reservation, number: int | None = None) -> Hit:
    title = _("Reservation %(id)s") % {"id": row.pk}
    if number is not None and row.pk != number:
        title = _("Payment %(number)s: reservation %(id)s") % {"number": number, "id": row.pk}
    held = f"{row.get_status_display()}, {tell_time(row.held_at)}"
    return Hit(
        title=title,
        detail=f"{row.customer} · {tell_performance(row.performance)} · {held}",
        address=reverse("admin:reservation_case", args=[row.pk]),
    )
