"""The pages of cases."""

from typing import Any

from django import forms
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.accounts.models import User
from apps.backoffice.cases.answers import list_answers
from apps.backoffice.cases.case import Case, may_see
from apps.backoffice.cases.events import list_events
from apps.backoffice.cases.keys import Key, list_keys
from apps.backoffice.cases.limits import EVENTS_PER_PAGE, QUERY_LENGTH_MAX
from apps.backoffice.cases.search import find_cases, list_performances
from apps.backoffice.cases.words import list_units, tell_performance
from apps.core.clock import read_clock
from apps.reservations.models import Reservation


class CaseSearchForm(forms.Form):
    """What to look for; a performance narrows a search by seat."""

    q = forms.CharField(max_length=QUERY_LENGTH_MAX, required=False, strip=True)
    performance = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)


def _list_filters() -> list[tuple[str, str]]:
    return [
        ("all", _("All")),
        ("line", _("Line")),
        ("seats", _("Seats")),
        ("money", _("Money")),
        ("staff", _("Staff")),
    ]


@require_safe
def search_cases(request: HttpRequest) -> HttpResponse:
    """Find a case: lead straight to the only one, or list a few."""
    _require_viewer(request)
    form = CaseSearchForm(request.GET)
    hits = []
    query = ""
    if form.is_valid():
        query = form.cleaned_data["q"]
        hits = find_cases(
            query,
            performance_id=form.cleaned_data["performance"],
            viewer=request.user,
            now=read_clock(),
        )
    if len(hits) == 1:
        return HttpResponseRedirect(hits[0].address)
    context = {"title": _("Cases"), "hits": hits, "asked": bool(request.GET.get("q", "").strip())}
    return _render(request, "backoffice/cases.html", context)


@require_safe
def show_customer(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Show all that happened to a customer."""
    _require_viewer(request)
    customer = get_object_or_404(User, pk=customer_id)
    case = Case.open(request.user, customer, now=read_clock())
    return _show(request, case, title=_("Case: %(customer)s") % {"customer": customer})


@require_safe
def show_reservation(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """Show all that happened to a reservation."""
    _require_viewer(request)
    if not may_see(request.user, "reservations.reservation"):
        raise PermissionDenied
    rows = Reservation.objects.select_related("customer", "performance__concert")
    reservation = get_object_or_404(rows, pk=reservation_id)
    case = Case.open(request.user, reservation.customer, now=read_clock(), reservation=reservation)
    return _show(request, case, title=_("Case: reservation %(id)s") % {"id": reservation.pk})


def _require_viewer(request: HttpRequest) -> None:
    if not may_see(request.user, "accounts.user"):
        raise PermissionDenied


def _show(request: HttpRequest, case: Case, *, title: str) -> HttpResponse:
    before = Key.parse(request.GET.get("before", ""))
    keys = list_keys(case, before=before, limit=EVENTS_PER_PAGE + 1)
    shown, more = keys[:EVENTS_PER_PAGE], keys[EVENTS_PER_PAGE:]
    reservation = case.reservation
    context = {
        "title": title,
        "case": case,
        "answers": list_answers(case),
        "events": list_events(case, shown),
        "older": shown[-1] if more else None,
        "is_newest": before is None,
        "filters": _list_filters(),
        "units": list_units(),
        "time_zone": get_current_timezone_name(),
        "performance": tell_performance(reservation.performance) if reservation else "",
    }
    return _render(request, "backoffice/case.html", context)


def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Render a page with the box that searches for cases."""
    chosen = request.GET.get("performance", "")
    performances = [
        (row.pk, tell_performance(row), str(row.pk) == chosen)
        for row in list_performances(read_clock())
    ]
    search = {"query": request.GET.get("q", ""), "performances": performances}
    return TemplateResponse(
        request, template, {**site.each_context(request), **context, "search": search}
    )
