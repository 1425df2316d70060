"""The admin of rows that staff look at and never write: money, holds, reservations, the line."""

from typing import Any

from django.contrib.admin import EmptyFieldListFilter, ModelAdmin, register
from django.http import HttpRequest

from apps.core.audit import Actor
from apps.core.models import IntegrityFinding, StaffAction


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows; refuses to add, change or delete any."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


def actor_of(request: HttpRequest) -> Actor:
    """Return the member of staff who asks."""
    return Actor(name=request.user.get_username(), user_id=request.user.pk)


@register(StaffAction)
class StaffActionAdmin(ReadOnlyAdmin):
    """What staff did, and why."""

    list_display = ("at", "actor_name", "action", "subject", "reason")
    list_filter = ("action",)
    search_fields = ("=subject", "actor_name", "reason")
    ordering = ("-at", "-id")


@register(IntegrityFinding)
class IntegrityFindingAdmin(ReadOnlyAdmin):
    """What the guard of the invariants has found."""

    list_display = ("subject", "invariant", "detail", "found_at", "seen_at", "gone_at")
    list_filter = ("invariant", ("gone_at", EmptyFieldListFilter))
    search_fields = ("=subject", "detail")
    ordering = ("-found_at", "-id")
