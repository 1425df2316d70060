"""What the admins of all apps share: lists that stay fast, and rows that staff look at and never write."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import EmptyFieldListFilter, register
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from apps.core.audit import Actor
from apps.core.models import IntegrityFinding, StaffAction


def staff_permission(name: str) -> Callable[..., bool]:
    """Return the method of an admin that says whether staff have the permission `app.codename`.

    Actions name it without “has_” and “_permission”. Named directly, Unfold would look for it in the
    database whenever a command starts.
    """

    def has_permission(admin: ModelAdmin, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(name)

    return has_permission


class StaffAdmin(ModelAdmin):
    """The admin of a model, without the count of a whole table beside each list."""

    show_full_result_count = False
    list_filter_submit = True
    warn_unsaved_form = True

    def offers_action(self, name: str, row: Any) -> bool:
        """Say whether the page of `row` offers an action that this member of staff may take: not where
        the row's state makes it useless."""
        return True

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the actions of a row's page."""
        actions = super().get_actions_detail(request, object_id)
        row = self.get_object(request, str(object_id)) if actions else None
        return [
            action
            for action in actions
            if row is None or self.offers_action(action.method.original_function_name, row)
        ]


class ReadOnlyAdmin(StaffAdmin):
    """Shows rows; refuses to add, change or delete any. What staff may do to them are actions, each with
    a permission, a reason and a service."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class ReadOnlyInline(TabularInline):
    """Shows rows beside their owner; refuses to add, change or delete any."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
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
