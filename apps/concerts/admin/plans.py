"""Seating plans in the admin: drawn or uploaded on one page, with their picture before they are saved."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.concerts.admin.plan_input import (
    PlanInput,
    count_seats,
    describe_picture,
    list_notes,
    list_plan_seats,
    offer_input,
    read_input,
)
from apps.concerts.models import PlanSeat, SeatingPlan
from apps.concerts.services import save_plan
from apps.core.admin import StaffAdmin
from apps.core.db import lock_row, transaction
from apps.core.edits import take_snapshot


@admin.register(SeatingPlan)
class SeatingPlanAdmin(StaffAdmin):
    """Seating plans."""

    list_display = ("name", "venue", "seat_count")
    list_filter = ("venue",)
    list_select_related = ("venue",)
    search_fields = ("name", "venue__name")
    ordering = ("venue__name", "name")

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, and the address that answers with the picture of what is being drawn."""
        preview = self.admin_site.admin_view(require_POST(self.preview))
        own = [path("preview/", preview, name="concerts_seatingplan_preview")]
        return own + super().get_urls()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say how many seats go with the plans, and not each of them."""
        counts = {
            SeatingPlan._meta.verbose_name_plural: len(objs),
            PlanSeat._meta.verbose_name_plural: sum(plan.seat_count for plan in objs),
        }
        return [str(plan) for plan in objs], counts, set(), []

    def preview(self, request: HttpRequest) -> JsonResponse:
        """Answer what the form would make: its picture, its grades, and what is wrong."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        given = read_input(request, None)
        return JsonResponse(
            {
                **describe_picture(given.seats),
                "problems": given.problems,
                "notes": list_notes(given.seats),
            }
        )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the form of a new plan, and save it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._edit(request, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a plan with its picture; save what staff change, where they may."""
        plan = self.get_object(request, object_id)
        if plan is None:
            raise Http404
        if not self.has_view_or_change_permission(request, plan):
            raise PermissionDenied
        return self._edit(request, plan)

    def _edit(self, request: HttpRequest, plan: SeatingPlan | None) -> HttpResponse:
        may_save = plan is None or self.has_change_permission(request, plan)
        if request.method == "POST":
            if not may_save:
                raise PermissionDenied
            given = read_input(request, plan)
            if given.form.is_valid() and not given.problems:
                return self._save(request, plan, given)
            seats = given.seats
            if seats is None and plan is not None and not given.problems:
                seats = list_plan_seats(plan)
        else:
            given = offer_input(request, plan)
            seats = given.seats
        context = {
            **self.admin_site.each_context(request),
            "title": str(plan) if plan else _("Draw a seating plan"),
            "opts": self.opts,
            "original": plan,
            "form": given.form,
            "sections": given.sections,
            "problems": given.problems,
            "may_save": may_save,
            "may_delete": plan is not None and self.has_delete_permission(request, plan),
            "drawn": describe_picture(seats),
            "notes": list_notes(seats),
            "settings": {
                "preview": reverse("admin:concerts_seatingplan_preview"),
                "failed": _("The picture could not be drawn. Is the connection gone?"),
            },
        }
        return TemplateResponse(request, "backoffice/plan.html", context)

    def _save(
        self, request: HttpRequest, plan: SeatingPlan | None, given: PlanInput
    ) -> HttpResponse:
        with transaction():
            # The form has written into `plan` already.
            row = lock_row(SeatingPlan.objects.filter(pk=plan.pk)) if plan else None
            before = take_snapshot(row) if row else None
            saved = save_plan(
                plan_id=plan.pk if plan else None,
                venue_id=given.form.cleaned_data["venue"].pk,
                name=given.form.cleaned_data["name"],
                seats=given.seats,
                drawing=given.drawing,
            )
            self.record_edit(request, before=before, pk=saved.pk)
        told = _("The plan “%(plan)s” is saved: %(seats)s.")
        messages.success(request, told % {"plan": saved, "seats": count_seats(saved.seat_count)})
        return HttpResponseRedirect(reverse("admin:concerts_seatingplan_change", args=[saved.pk]))
