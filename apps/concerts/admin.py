"""Concerts, performances and seats in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from apps.concerts.models import Concert, Performance, Seat, Venue
from apps.concerts.services import resume_sale
from apps.concerts.transitions import note_seat_limit
from apps.core.admin import actor_of
from apps.core.clock import read_clock
from apps.core.errors import DomainError
from apps.core.limits import REASON_LENGTH_MAX


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


class ReasonForm(forms.Form):
    """Why staff do it."""

    reason = forms.CharField(label=_("Reason"), max_length=REASON_LENGTH_MAX, widget=forms.Textarea)


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
        "sale_stopped_at",
    )
    readonly_fields = ("sale_stopped_at", "sale_stopped_reason")
    list_filter = ("published", "venue", "room")
    search_fields = ("title", "artist", "slug")
    prepopulated_fields = {"slug": ("title",)}
    autocomplete_fields = ("venue",)
    inlines = (PerformanceInline,)
    change_form_template = "admin/concerts/concert_form.html"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and record where fewer seats are allowed than before."""
        with atomic():
            super().save_model(request, obj, form, change)
            if change:
                note_seat_limit(
                    obj,
                    before=form.initial["seats_per_customer"],
                    actor=actor_of(request),
                    now=read_clock(),
                )

    def get_urls(self) -> list[Any]:
        """Add the page on which a stopped sale is let go on."""
        resume = self.admin_site.admin_view(self.resume_sale_view)
        name = "concerts_concert_resume_sale"
        return [path("<int:concert_id>/resume-sale/", resume, name=name), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the concert, with the words of its button."""
        words = {"resume_label": _("Let the sale go on")}
        return super().change_view(request, object_id, form_url, {**words, **(extra_context or {})})

    def resume_sale_view(self, request: HttpRequest, concert_id: int) -> HttpResponse:
        """Ask for a reason, and let a stopped sale go on."""
        concert = self.get_object(request, str(concert_id))
        if concert is None:
            raise Http404
        if not self.has_change_permission(request, concert):
            raise PermissionDenied
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._resume_sale(request, concert, reason=form.cleaned_data["reason"])
        context = {
            **self.admin_site.each_context(request),
            "title": _("Let the sale go on"),
            "opts": self.opts,
            "concert": concert,
            "form": form,
        }
        return TemplateResponse(request, "admin/concerts/resume_sale.html", context)

    def _resume_sale(self, request: HttpRequest, concert: Concert, *, reason: str) -> HttpResponse:
        try:
            resume_sale(
                concert_id=concert.pk, actor=actor_of(request), reason=reason, now=read_clock()
            )
        except DomainError as error:
            self.message_user(request, str(error.detail), messages.ERROR)
        else:
            self.message_user(request, _("The sale goes on."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:concerts_concert_change", args=[concert.pk]))


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
