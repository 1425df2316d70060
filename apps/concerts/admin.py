"""Concerts, performances and seats in the admin."""

from typing import Any

from django.contrib import admin
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import action

from apps.concerts.models import Concert, Performance, Seat, Venue
from apps.concerts.services import resume_sale
from apps.concerts.transitions import note_seat_limit
from apps.core.admin import StaffAdmin, actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, confirm


@admin.register(Venue)
class VenueAdmin(StaffAdmin):
    """Venues."""

    list_display = ("name", "time_zone")
    search_fields = ("name",)


class PerformanceInline(TabularInline):
    """The performances of a concert."""

    model = Performance
    extra = 0
    readonly_fields = ("date",)
    show_change_link = True


@admin.register(Concert)
class ConcertAdmin(StaffAdmin):
    """Concerts with their performances."""

    list_display = (
        "title",
        "artist",
        "venue",
        "sales_open_at",
        "sales_close_at",
        "published",
        "room",
        "sale_stopped_at",
    )
    readonly_fields = ("sale_stopped_at", "sale_stopped_reason")
    list_filter = ("published", "venue", "room")
    search_fields = ("title", "artist", "slug")
    prepopulated_fields = {"slug": ("title",)}
    autocomplete_fields = ("venue",)
    inlines = (PerformanceInline,)
    actions_detail = ("resume_sale",)
    has_resume_sale_permission = staff_permission("concerts.resume_sale")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and record where fewer seats are allowed than before."""
        with atomic():
            super().save_model(request, obj, form, change)
            if change:
                note_seat_limit(
                    obj,
                    before=form.initial["seats_per_customer"],
                    actor=actor_of(request),
                    now=read_clock(),
                )

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer to let a sale go on where it is stopped."""
        return name != "resume_sale" or row.sale_stopped_at is not None

    @action(
        description=_("Let the sale go on"),
        url_path="resume-sale",
        permissions=["resume_sale"],
        icon="play_arrow",
    )
    def resume_sale(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and let a stopped sale go on."""
        concert = self.get_object(request, str(object_id))
        if concert is None:
            raise Http404

        def act(cleaned: dict[str, Any]) -> Any:
            resume_sale(
                concert_id=concert.pk,
                actor=actor_of(request),
                reason=cleaned["reason"],
                now=read_clock(),
            )
            return _("The sale goes on.")

        consequences: list[Any] = []
        if concert.sale_stopped_at:
            consequences = [
                _("It was stopped: %(reason)s") % {"reason": concert.sale_stopped_reason},
                _("Seats can be held, reserved and paid for again."),
            ]
        return confirm(
            request,
            Confirmation(
                title=_("Let the sale go on"),
                subject=concert,
                consequences=consequences,
                button=_("Let the sale go on"),
                act=act,
                done=reverse("admin:concerts_concert_change", args=[concert.pk]),
            ),
        )


@admin.register(Performance)
class PerformanceAdmin(StaffAdmin):
    """Performances."""

    list_display = ("concert", "date", "starts_at")
    list_filter = ("date",)
    list_select_related = ("concert",)
    search_fields = ("concert__title", "concert__slug")
    autocomplete_fields = ("concert",)
    readonly_fields = ("date",)


@admin.register(Seat)
class SeatAdmin(StaffAdmin):
    """Seats. Blocking takes a reason; a seat that is held or sold stays with its customer until it is free."""

    list_display = ("__str__", "performance", "grade", "price", "blocked", "blocked_reason")
    list_filter = ("blocked", "grade")
    list_select_related = ("performance__concert",)
    search_fields = ("section", "row", "number", "performance__concert__title")
    autocomplete_fields = ("performance",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Leave only the blocking open on a seat that exists: all else is what customers have bought."""
        if obj is None:
            return ()
        return (
            "performance", "section", "row", "number", "grade", "price", "x", "y", "position",
        )  # fmt: skip

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: seats are withdrawn by blocking them."""
        return False
