"""Venues in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from apps.concerts.models import SeatingPlan, Venue
from apps.core.admin import ReadOnlyInline, StaffAdmin, staff_permission


class PlanInline(ReadOnlyInline):
    """The plans of a venue."""

    model = SeatingPlan
    fields = ("name", "seat_count")
    readonly_fields = fields
    show_change_link = True
    ordering = ("name",)


@admin.register(Venue)
class VenueAdmin(StaffAdmin):
    """Venues with their plans."""

    list_display = ("name", "time_zone")
    search_fields = ("name",)
    ordering = ("name",)
    inlines = (PlanInline,)
    actions_detail = ("draw_plan",)
    has_draw_plan_permission = staff_permission("concerts.add_seatingplan")

    @action(
        description=_("Draw a seating plan"),
        url_path="draw-plan",
        permissions=["draw_plan"],
        icon="event_seat",
    )
    def draw_plan(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Go to the form of a new plan of this venue."""
        return HttpResponseRedirect(
            reverse("admin:concerts_seatingplan_add") + f"?venue={int(object_id)}"
        )
