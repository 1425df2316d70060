"""Performances and seats in the admin."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action

from apps.concerts.blocking import block_seats_for_staff, unblock_seats_for_staff
from apps.concerts.models import Performance, Seat
from apps.core.admin import ReadOnlyAdmin, StaffAdmin, actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, confirm


@admin.register(Performance)
class PerformanceAdmin(StaffAdmin):
    """Performances."""

    list_display: tuple[str, ...] = ("concert", "date", "starts_at", "called_off_at")
    list_display_links = ("concert", "date")
    list_filter = ("date",)
    list_select_related = ("concert__venue",)
    search_fields = ("concert__title", "concert__slug")
    autocomplete_fields = ("concert",)
    readonly_fields = ("date", "start_at_venue", "called_off_at")
    ordering = ("-starts_at", "-id")
    actions_detail: tuple[str, ...] = ("open_seat_map",)
    actions_row = ("open_seat_map",)
    has_view_seat_permission = staff_permission("concerts.view_seat")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Show what only a performance has that exists."""
        shown = ("concert", "starts_at")
        return (*shown, "start_at_venue", "date", "called_off_at") if obj else shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Leave a performance with its concert."""
        return (*self.readonly_fields, "concert") if obj else self.readonly_fields

    @admin.display(description=_("starts at, by the venue's clock"))
    def start_at_venue(self, performance: Performance) -> str:
        """The start in the time zone of the venue, which need not be the one of the form."""
        zone = performance.concert.venue.time_zone
        start = performance.starts_at.astimezone(ZoneInfo(zone))
        return f"{date_format(start, 'DATETIME_FORMAT')} ({zone})"

    @action(
        description=_("Seat map"),
        url_path="seat-map",
        permissions=["view_seat"],
        icon="event_seat",
    )
    def open_seat_map(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Go to the seat map of the performance."""
        return HttpResponseRedirect(reverse("admin:seat_map", args=[object_id]))


@admin.register(Seat)
class SeatAdmin(ReadOnlyAdmin):
    """Seats, to look at. Staff block one with a reason; one that is held or sold stays with its customer
    until it is free. Many at once are blocked on the seat map."""

    list_display = ("__str__", "performance", "grade", "price", "blocked", "blocked_reason")
    # No index serves an order or a search of all seats but these.
    list_filter = (("performance", AutocompleteSelectFilter),)
    list_select_related = ("performance__concert",)
    sortable_by = ()
    ordering = ("-pk",)
    actions_detail = ("block", "unblock")
    has_block_seat_permission = staff_permission("concerts.block_seat")

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer the one of the two that changes something."""
        return row.blocked == (name == "unblock")

    @action(
        description=_("Take off sale"), url_path="block", permissions=["block_seat"], icon="block"
    )
    def block(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and block the seat."""
        consequences = [
            _("A free seat goes off sale at once."),
            _(
                "A seat that is held or sold stays with its customer, and is off sale once it is free."
            ),
        ]
        return self._confirm(
            request,
            object_id,
            title=_("Take off sale"),
            consequences=consequences,
            service=block_seats_for_staff,
            told=_("The seat is blocked."),
        )

    @action(
        description=_("Put on sale again"),
        url_path="unblock",
        permissions=["block_seat"],
        icon="check_circle",
    )
    def unblock(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and put the seat on sale again."""
        seat = self.get_object(request, str(object_id))
        consequences: list[Any] = [_("The seat is on sale again, as soon as nobody has it.")]
        if seat is not None and seat.blocked:
            consequences.insert(0, _("Blocked for: %(reasons)s") % {"reasons": seat.blocked_reason})
        return self._confirm(
            request,
            object_id,
            title=_("Put on sale again"),
            consequences=consequences,
            service=unblock_seats_for_staff,
            told=_("The seat is blocked no more."),
        )

    def _confirm(
        self,
        request: HttpRequest,
        object_id: int,
        *,
        title: Any,
        consequences: list[Any],
        service: Callable[..., Any],
        told: Any,
    ) -> HttpResponse:
        seat = self.get_object(request, str(object_id))
        if seat is None:
            raise Http404

        def act(cleaned: dict[str, Any]) -> Any:
            service(
                performance_id=seat.performance_id,
                seat_ids=[seat.pk],
                actor=actor_of(request),
                reason=cleaned["reason"],
                now=read_clock(),
            )
            return told

        return confirm(
            request,
            Confirmation(
                title=title,
                subject=seat,
                consequences=consequences,
                button=title,
                act=act,
                done=reverse("admin:concerts_seat_change", args=[seat.pk]),
            ),
        )
