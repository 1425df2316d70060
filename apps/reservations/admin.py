"""Holds and reservations in the admin: to look at, never to write."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin, ReadOnlyInline
from apps.reservations.models import Reservation, ReservationSeat


class ReservationSeatInline(ReadOnlyInline):
    """The seats of a reservation."""

    model = ReservationSeat
    fields = ("seat", "price", "released_at")


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    """Holds and reservations."""

    list_display = (
        "id", "customer", "performance", "status", "total", "currency", "held_at", "expires_at",
    )  # fmt: skip
    list_filter = ("status",)
    list_select_related = ("customer", "performance__concert")
    search_fields = ("=id", "customer__email", "performance__concert__title")
    ordering = ("-id",)
    inlines = (ReservationSeatInline,)
