"""Rooms and lines in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.transaction import on_commit
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from apps.concerts.admin import ConcertAdmin
from apps.concerts.models import Concert
from apps.core.admin import ReadOnlyAdmin, StaffAdmin
from apps.core.clock import read_clock
from apps.queue.admission import look_after
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
class WaitingRoomAdmin(StaffAdmin):
    """Rooms: their limits and state take effect with the next admission."""

    list_display = (
        "name",
        "slug",
        "state",
        "capacity",
        "admit_per_minute",
        "waiting",
        "now_serving",
    )
    list_filter = ("state",)
    search_fields = ("name", "slug")
    readonly_fields = ("waiting", "inside", "now_serving", "counted_at")
    list_select_related = ("turnstile",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the slug of a room that exists: concerts and customers know it by that."""
        return (*self.readonly_fields, "slug") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a room is closed instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save what staff changed, and let the next in by the new limits at once."""
        super().save_model(request, obj, form, change)
        on_commit(lambda: look_after(obj.pk, now=read_clock()), robust=True)

    @admin.display(description=_("waiting"))
    def waiting(self, room: WaitingRoom) -> int:
        """How many wait, when last counted."""
        return room.turnstile.people_waiting

    @admin.display(description=_("inside"))
    def inside(self, room: WaitingRoom) -> int:
        """How many are inside, when last counted."""
        return room.turnstile.admitted

    @admin.display(description=_("now serving"))
    def now_serving(self, room: WaitingRoom) -> int:
        """The highest place let in so far."""
        return room.turnstile.now_serving

    @admin.display(description=_("last looked after"))
    def counted_at(self, room: WaitingRoom) -> str | None:
        """When somebody last let people in and counted the line."""
        at = room.turnstile.counted_at
        # The page of one room writes a callable's value as it is, in UTC.
        return localize(localtime(at)) if at else None


@admin.register(QueueEntry)
class QueueEntryAdmin(ReadOnlyAdmin):
    """Places in line."""

    list_display = (
        "number",
        "place",
        "room",
        "customer",
        "state",
        "joined_at",
        "admitted_at",
        "end_reason",
    )
    list_filter = ("state", "room", "end_reason")
    list_select_related = ("room", "customer")
    search_fields = ("customer__email",)
    exclude = ("token_hash",)
    ordering = ("-id",)
