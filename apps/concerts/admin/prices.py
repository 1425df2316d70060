"""Prices by grade in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.concerts.models import ConcertPrice
from apps.core.admin import StaffAdmin
from apps.core.money import format_money


@admin.register(ConcertPrice)
class ConcertPriceAdmin(StaffAdmin):
    """What seats of a grade cost, when they are made from a plan."""

    list_display = ("concert", "grade", "shown_price")
    list_display_links = ("grade",)
    list_select_related = ("concert",)
    search_fields = ("concert__title", "concert__slug", "grade")
    autocomplete_fields = ("concert",)
    ordering = ("-concert_id", "-price")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Leave a price with its concert."""
        return ("concert",) if obj else ()

    @admin.display(description=_("price"), ordering="price")
    def shown_price(self, price: ConcertPrice) -> str:
        """The price as people write it."""
        return format_money(price.price, price.concert.currency)
