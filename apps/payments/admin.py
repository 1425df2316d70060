"""Payments in the admin: to look at, never to write."""

from django.contrib import admin

from apps.core.admin import ReadOnlyAdmin
from apps.payments.models import Payment


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Payments."""

    list_display = ("id", "customer", "status", "amount", "currency", "paid_at", "refunded_at")
    list_filter = ("status",)
    list_select_related = ("customer",)
    search_fields = ("=id", "=reservation__id", "customer__email")
    raw_id_fields = ("reservation",)
    ordering = ("-id",)
