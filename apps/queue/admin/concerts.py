"""Concerts in the admin, with the rooms that there are."""

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.text import capfirst

from apps.concerts.admin import ConcertAdmin
from apps.concerts.models import Concert
from apps.queue.models import WaitingRoom

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
