"""Filters of the list of reservations. Each asks an index, and goes by the clock, swept or not."""

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from apps.concerts.models import Performance
from apps.core.clock import read_clock
from apps.reservations.deadlines import UNPAID, overdue
from apps.reservations.models import Reservation

Status = Reservation.Status
EndCause = Reservation.EndCause

LAPSES_SOON_S = 60
CANCELLED_BY = (EndCause.CUSTOMER, EndCause.STAFF, EndCause.CALLED_OFF)


class AttentionFilter(DropdownFilter):
    """What is stuck, or about to lapse."""

    title = _("what needs a look")
    parameter_name = "look"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what there is to choose."""
        return [
            ("lapsing", _("Reserved, not paid, lapses within a minute")),
            ("unswept", _("Time is over, not yet written down")),
            ("called_off", _("Performance called off, not yet ended")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of what is chosen."""
        now = read_clock()
        match self.value():
            case "lapsing":
                soon = now + timedelta(seconds=LAPSES_SOON_S)
                return queryset.filter(
                    status=Status.RESERVED, expires_at__gt=now, expires_at__lte=soon
                )
            case "unswept":
                return queryset.filter(overdue(now))
            case "called_off":
                called_off = Performance.objects.filter(called_off_at__isnull=False)
                return queryset.filter(
                    status__in=(*UNPAID, Status.CONFIRMED),
                    # Written out, as there are few: their live rows have an index.
                    performance__in=list(called_off.values_list("pk", flat=True)),
                )
        return queryset


class StatusFilter(DropdownFilter):
    """Status by the clock: an overdue hold is expired."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what there is to choose."""
        states = [(value, capfirst(label)) for value, label in Status.choices]
        return [*states, ("refunded", _("Cancelled and refunded"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of what is chosen."""
        chosen, now = self.value(), read_clock()
        match chosen:
            case "held" | "reserved":
                return queryset.filter(status=chosen, expires_at__gt=now)
            case "confirmed":
                # Whoever is confirmed has a payment, and payments have an index.
                return queryset.filter(status=chosen, payment_id__isnull=False)
            case "expired":
                return queryset.filter(Q(status=chosen, end_cause=EndCause.DEADLINE) | overdue(now))
            case "cancelled":
                return queryset.filter(status=chosen, end_cause__in=CANCELLED_BY)
            case "refunded":
                return queryset.filter(
                    status=Status.CANCELLED, end_cause__in=CANCELLED_BY, payment_id__isnull=False
                )
        return queryset
