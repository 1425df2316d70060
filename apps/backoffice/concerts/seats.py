"""The pages that give performances their seats from a plan: what will happen, before it does."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.concerts.admin.plan_input import count_seats
from apps.concerts.limits import PERFORMANCES_PER_CONCERT_MAX
from apps.concerts.models import Concert, Performance, SeatingPlan
from apps.core.admin import actor_of
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, ReasonForm, confirm
from apps.reservations.seating import (
    PlanEffect,
    add_performances,
    find_missing_prices,
    foresee_plan_seats,
    make_plan_seats,
)

# Seats in the way that are named one by one.
NAMED_MAX = 10


def make_seats(request: HttpRequest, performance: Performance) -> HttpResponse:
    """Ask for a plan, say what it does to the performance's seats, take a reason, and make them."""
    concert = performance.concert
    done = reverse("admin:concerts_performance_change", args=[performance.pk])
    plans = list_plans(concert)
    chosen = request.GET.get("plan", "")
    plan = next((plan for plan in plans if str(plan.pk) == chosen), None)
    problems = []
    if plan is not None:
        problems = list_problems(performance, plan)
    if plan is None or problems:
        context = {
            **admin.site.each_context(request),
            "title": _("Make the seats from a plan"),
            "opts": performance._meta,
            "performance": performance,
            "concert": concert,
            "plans": plans,
            "plan": plan,
            "problems": problems,
            "done": done,
        }
        return TemplateResponse(request, "backoffice/plan_seats.html", context)

    def act(cleaned: dict[str, Any]) -> str:
        effect = make_plan_seats(
            performance_id=performance.pk,
            plan_id=plan.pk,
            actor=actor_of(request),
            reason=cleaned["reason"],
            now=read_clock(),
        )
        return " ".join(describe_effect(effect))

    effect = foresee_plan_seats(performance=performance, plan=plan, now=read_clock())
    return confirm(
        request,
        Confirmation(
            title=_("Make the seats from “%(plan)s”") % {"plan": plan.name},
            subject=performance,
            consequences=describe_effect(effect),
            button=_("Make the seats"),
            act=act,
            done=done,
            dangerous=bool(effect.removed),
        ),
    )


def list_plans(concert: Concert) -> list[SeatingPlan]:
    """Return the plans of the concert's venue that have seats."""
    return list(
        SeatingPlan.objects.filter(venue=concert.venue_id, seat_count__gt=0).order_by("name")
    )


def list_problems(performance: Performance, plan: SeatingPlan) -> list[str]:
    """Return why the plan cannot be used as things are."""
    if performance.called_off_at is not None:
        return [_("The performance was called off.")]
    missing = find_missing_prices(performance.concert, plan)
    if missing:
        told = _("These grades have no price in the concert: %(grades)s.")
        return [told % {"grades": ", ".join(missing)}]
    effect = foresee_plan_seats(performance=performance, plan=plan, now=read_clock())
    if effect.in_the_way:
        named = ", ".join(str(seat) for seat in effect.in_the_way[:NAMED_MAX])
        told = ngettext(
            "%(count)s taken seat stands elsewhere in the plan, or nowhere: %(seats)s.",
            "%(count)s taken seats stand elsewhere in the plan, or nowhere: %(seats)s.",
            len(effect.in_the_way),
        )
        return [
            told % {"count": len(effect.in_the_way), "seats": named},
            _("Taken seats are never changed or removed, so this plan cannot be used."),
        ]
    return []


def describe_effect(effect: PlanEffect) -> list[str]:
    """Return in sentences what a plan does, or did, to the seats of a performance."""
    sentences = [
        (effect.made, _("New: %(seats)s.")),
        (effect.changed, _("Changed in grade, price or place: %(seats)s.")),
        (effect.removed, _("Not in the plan, and withdrawn: %(seats)s.")),
        (effect.kept, _("Taken, and kept at the grade and price of their sale: %(seats)s.")),
    ]
    told = [text % {"seats": count_seats(count)} for count, text in sentences if count]
    return told or [_("The seats are as the plan has them: nothing changes.")]


class PerformancesForm(ReasonForm):
    """The starts of new performances, and the plan of their seats."""

    starts = forms.CharField(
        label=gettext_lazy("Starts"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text=gettext_lazy("One a line, by the venue's clock: 2026-12-24 19:00"),
    )
    plan = forms.ModelChoiceField(
        label=gettext_lazy("Seating plan"),
        queryset=SeatingPlan.objects.none(),
        required=False,
        empty_label=gettext_lazy("Without seats for now"),
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ("starts", "plan", "reason")
    zone: ZoneInfo

    def clean_starts(self) -> list[datetime]:
        """Return the times, each of a line."""
        lines = enumerate(self.cleaned_data["starts"].splitlines(), start=1)
        starts = [self._read_start(number, line) for number, line in lines if line.strip()]
        if len(set(starts)) < len(starts):
            raise forms.ValidationError(_("A start is there twice."))
        if len(starts) > PERFORMANCES_PER_CONCERT_MAX:
            told = _("A concert has at most %(most)s performances.")
            raise forms.ValidationError(told % {"most": PERFORMANCES_PER_CONCERT_MAX})
        return starts

    def _read_start(self, number: int, line: str) -> datetime:
        try:
            start = datetime.fromisoformat(line.strip())
        except ValueError:
            told = _("Line %(line)s: “%(text)s” should be a date and a time, 2026-12-24 19:00.")
            raise forms.ValidationError(told % {"line": number, "text": line.strip()}) from None
        start = start if start.tzinfo else start.replace(tzinfo=self.zone)
        if start <= read_clock():
            raise forms.ValidationError(_("Line %(line)s: it is past.") % {"line": number})
        return start


def build_performances_form(concert: Concert) -> type[PerformancesForm]:
    """Return the form for one concert: its venue's plans and clock."""

    class ConcertPerformancesForm(PerformancesForm):
        zone = ZoneInfo(concert.venue.time_zone)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            plans = SeatingPlan.objects.filter(venue=concert.venue_id, seat_count__gt=0)
            self.fields["plan"].queryset = plans.order_by("name")  # type: ignore[attr-defined]
            self.fields["plan"].label_from_instance = name_plan  # type: ignore[attr-defined]

        def clean_plan(self) -> SeatingPlan | None:
            """Refuse a plan with grades that have no price."""
            plan: SeatingPlan | None = self.cleaned_data["plan"]
            missing = find_missing_prices(concert, plan) if plan else []
            if missing:
                told = _("These grades have no price in the concert: %(grades)s.")
                raise forms.ValidationError(told % {"grades": ", ".join(missing)})
            return plan

    return ConcertPerformancesForm


def name_plan(plan: SeatingPlan) -> str:
    """Return how a list of one venue's plans calls it."""
    return f"{plan.name} ({count_seats(plan.seat_count)})"


def add_shows(request: HttpRequest, concert: Concert) -> HttpResponse:
    """Ask for starts, a plan and a reason, and make performances with their seats."""

    def act(cleaned: dict[str, Any]) -> str:
        plan = cleaned["plan"]
        made = add_performances(
            concert_id=concert.pk,
            starts=cleaned["starts"],
            plan_id=plan and plan.pk,
            actor=actor_of(request),
            reason=cleaned["reason"],
            now=read_clock(),
        )
        return ngettext(
            "%(count)s performance was added.", "%(count)s performances were added.", len(made)
        ) % {"count": len(made)}

    plans = list_plans(concert)
    return confirm(
        request,
        Confirmation(
            title=_("Add performances"),
            subject=concert,
            consequences=list(_introduce(concert, plans)),
            button=_("Add performances"),
            act=act,
            done=reverse("admin:concerts_concert_change", args=[concert.pk]),
            form_class=build_performances_form(concert),
            initial={"plan": plans[0] if len(plans) == 1 else None},
        ),
    )


def _introduce(concert: Concert, plans: Iterable[SeatingPlan]) -> Iterable[str]:
    yield _("Each start becomes a performance, by the clock of %(venue)s (%(zone)s).") % {
        "venue": concert.venue,
        "zone": concert.venue.time_zone,
    }
    if plans:
        yield _("With a plan, each gets its seats at the concert's prices.")
    else:
        yield _("The venue has no seating plan: the performances have no seats for now.")
