"""Rooms and lines in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.text import capfirst

from apps.concerts.admin import ConcertAdmin
from apps.concerts.models import Concert
from apps.core.admin import ReadOnlyAdmin
from apps.queue.models import QueueEntry, WaitingRoom

admin.site.unregister(Concert)


@admin.register(Concert)
class GuardedConcertAdmin(ConcertAdmin):
    """The admin of concerts, whose room is one of those that exist: only here are both known."""

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Offer the rooms by name."""
        if db_field.name == "room":
            return forms.ChoiceField(
                label=capfirst(db_field.verbose_name),
                choices=lambda: list(
                    WaitingRoom.objects.order_by("pk").values_list("slug", "name")
                ),
                initial=db_field.default,
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)


@admin.register(WaitingRoom)
class WaitingRoomAdmin(admin.ModelAdmin):
    """Rooms: their limits and state take effect with the next admission."""

    list_display = ("name", "slug", "state", "capacity", "admit_per_minute", "now_serving")
    list_filter = ("state",)
    search_fields = ("name", "slug")
    readonly_fields = ("last_number", "now_serving", "admission_checked_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the slug of a room that exists: concerts and customers know it by that."""
        return (*self.readonly_fields, "slug") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a room is closed instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save only what staff changed: the counters move while the form is open."""
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            super().save_model(request, obj, form, change)


@admin.register(QueueEntry)
class QueueEntryAdmin(ReadOnlyAdmin):
    """Places in line."""

    list_display = ("number", "room", "customer", "state", "joined_at", "admitted_at", "end_reason")
    list_filter = ("state", "room", "end_reason")
    list_select_related = ("room", "customer")
    search_fields = ("customer__email",)
    exclude = ("token_hash",)
    ordering = ("-id",)
