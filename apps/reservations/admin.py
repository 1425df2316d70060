"""Holds and reservations in the admin: looked at, found, released, and never written."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.utils import display_for_label
from unfold.widgets import UnfoldBooleanWidget

from apps.accounts.customer_rows import CustomerRowsAdmin, viewer_of
from apps.core.admin import ReadOnlyInline, actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, ReasonForm, confirm
from apps.core.money import format_money
from apps.core.searching import read_number
from apps.core.subjects import describe_records
from apps.reservations.deadlines import UNPAID
from apps.reservations.filters import AttentionFilter, StatusFilter
from apps.reservations.finding import find_by_reference, find_by_seat, read_seat
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.services import release_for_staff

Status = Reservation.Status
LABELS = {
    Status.HELD: "info",
    Status.RESERVED: "warning",
    Status.CONFIRMED: "success",
    Status.EXPIRED: "default",
    Status.CANCELLED: "danger",
}
PERFORMANCE_PARAMETER = "performance__id__exact"


class WithdrawForm(ReasonForm):
    """Why staff end it, and whether its seats may be sold again."""

    field_order = ("withdraw", "reason")
    withdraw = forms.BooleanField(
        label=_("Take the seats off sale"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=_(
            "For seats that nobody can use. Whoever may block seats puts them back on sale."
        ),
    )


def list_seats(reservation: Reservation) -> str:
    """Return the seats as tickets name them: “A 1-1, A 1-2”, in house order."""
    lines = sorted(reservation.lines.all(), key=lambda line: line.seat.position)
    return ", ".join(str(line.seat) for line in lines)


def state_by_clock(reservation: Reservation, now: datetime) -> Reservation.Status:
    """Return the status that the clock gives a reservation, swept or not."""
    return Status.EXPIRED if reservation.is_overdue(now) else Status(reservation.status)


class ReservationSeatInline(ReadOnlyInline):
    """The seats of a reservation."""

    model = ReservationSeat
    verbose_name_plural = _("seats")
    fields = ("seat", "grade", "money", "released_at")
    readonly_fields = ("grade", "money")
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReservationSeat]:
        """Return the lines in house order."""
        lines = super().get_queryset(request).select_related("seat", "reservation")
        return lines.order_by("seat__position")

    @admin.display(description=_("grade"))
    def grade(self, line: ReservationSeat) -> str:
        """The grade of the seat."""
        return line.seat.grade

    @admin.display(description=_("price"))
    def money(self, line: ReservationSeat) -> str:
        """The price that the seat had."""
        return format_money(line.price, line.reservation.currency)


@admin.register(Reservation)
class ReservationAdmin(CustomerRowsAdmin):
    """Holds and reservations."""

    list_display = (
        "number", "customer", "performance", "seats", "state", "money", "held_at", "expires_at",
    )  # fmt: skip
    list_filter = (
        AttentionFilter,
        StatusFilter,
        ("performance", AutocompleteSelectFilter),
        ("end_cause", ChoicesDropdownFilter),
    )
    list_select_related = ("customer", "performance__concert")
    search_help_text = _("Number, e-mail, seat (A 1-12) or payment:42")
    inlines = (ReservationSeatInline,)
    fieldsets: tuple[Any, ...] = (
        (None, {"fields": ("number", "state", "customer", "performance", "seats", "money")}),
        (
            _("Times"),
            {
                "fields": (
                    "held_at", "expires_at", "reserved_at", "confirmed_at", "ended_at", "end_cause",
                )
            },
        ),
        (_("What staff did"), {"fields": ("records",)}),
    )  # fmt: skip
    readonly_fields: tuple[str, ...] = ("number", "state", "seats", "money", "records")
    actions_detail = (*CustomerRowsAdmin.actions_detail, "release")
    has_release_permission = staff_permission("reservations.release_reservation")

    def case_of(self, row: Any) -> tuple[str, int]:
        """Return the story of the reservation alone."""
        return "reservation_case", row.pk

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reservation]:
        """Return the rows with their seats."""
        return super().get_queryset(request).prefetch_related("lines__seat")

    def find_rows(self, request: HttpRequest, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the rows of a number, a reference, a seat, or a customer's address."""
        by_reference = find_by_reference(rows, text)
        if by_reference is not None:
            return by_reference
        seat = read_seat(text)
        if seat is not None:
            performance_id = read_number(request.GET.get(PERFORMANCE_PARAMETER, ""))
            return rows.filter(pk__in=find_by_seat(seat, performance_id=performance_id))
        return super().find_rows(request, rows, text)

    @admin.display(description=_("number"))
    def number(self, reservation: Reservation) -> int:
        """The number that customers and clerks name a reservation by."""
        return reservation.pk

    @admin.display(description=_("status"))
    def state(self, reservation: Reservation) -> SafeString:
        """The status by the clock."""
        state = state_by_clock(reservation, read_clock())
        return display_for_label((state, capfirst(state.label)), "-", LABELS)

    @admin.display(description=_("total"))
    def money(self, reservation: Reservation) -> str:
        """What its seats cost."""
        return format_money(reservation.total, reservation.currency)

    @admin.display(description=_("seats"))
    def seats(self, reservation: Reservation) -> str:
        """Its seats."""
        return list_seats(reservation)

    @admin.display(description=_("what staff did"))
    def records(self, reservation: Reservation) -> SafeString | str:
        """Who of staff did what to it, and why."""
        return describe_records(viewer_of(reservation), [f"reservation:{reservation.pk}"])

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer to release what is unpaid and not over."""
        if name == "release":
            return row.status in UNPAID and not row.is_overdue(read_clock())
        return super().offers_action(name, row)

    @action(
        description=_("Release the seats"),
        url_path="release",
        permissions=["view", "release"],
        icon="lock_open",
        variant=ActionVariant.DANGER,
    )
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and end a hold or an unpaid reservation before its time."""
        claim = self.get_object(request, object_id)
        if claim is None:
            raise Http404

        def act(cleaned: dict[str, Any]) -> Any:
            release_for_staff(
                reservation_id=claim.pk,
                actor=actor_of(request),
                reason=cleaned["reason"],
                withdraw=cleaned["withdraw"],
                now=read_clock(),
            )
            return _("Released: %(seats)s.") % {"seats": list_seats(claim)}

        return confirm(
            request,
            Confirmation(
                title=_("Release the seats"),
                subject=claim,
                consequences=[
                    _("The hold or reservation %(number)d of %(customer)s ends now, unpaid.")
                    % {"number": claim.pk, "customer": claim.customer},
                    _("%(seats)s (%(performance)s) can be bought by others at once.")
                    % {"seats": list_seats(claim), "performance": claim.performance},
                    _("No money moves: nothing has been paid."),
                ],
                button=_("Release the seats"),
                act=act,
                done=reverse("admin:reservations_reservation_change", args=[claim.pk]),
                form_class=WithdrawForm,
                dangerous=True,
            ),
        )
