"""Concerts, performances and seats in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.concerts.models import Concert, Performance, Seat, Venue


@admin.register(Venue)
class VenueAdmin(admin.ModelAdmin):
    """Venues."""

    list_display = ("name", "time_zone")
    search_fields = ("name",)


class PerformanceInline(admin.TabularInline):
    """The performances of a concert."""

    model = Performance
    extra = 0
    readonly_fields = ("date",)
    show_change_link = True


@admin.register(Concert)
class ConcertAdmin(admin.ModelAdmin):
    """Concerts with their performances."""

    list_display = (
        "title",
        "artist",
        "venue",
        "sales_open_at",
        "sales_close_at",
        "published",
        "room",
    )
    list_filter = ("published", "venue", "room")
    search_fields = ("title", "artist", "slug")
    prepopulated_fields = {"slug": ("title",)}
    autocomplete_fields = ("venue",)
    inlines = (PerformanceInline,)


@admin.register(Performance)
class PerformanceAdmin(admin.ModelAdmin):
    """Performances."""

    list_display = ("concert", "date", "starts_at")
    list_filter = ("date",)
    list_select_related = ("concert",)
    search_fields = ("concert__title", "concert__slug")
    autocomplete_fields = ("concert",)
    readonly_fields = ("date",)


@admin.register(Seat)
class SeatAdmin(admin.ModelAdmin):
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
