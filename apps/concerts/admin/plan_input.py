"""What staff send and see of a plan: the forms of its page, its seats, and its picture."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.concerts.forms import (
    FROM_FILE,
    BaseSectionFormSet,
    PlanForm,
    SectionFormSet,
    read_drawing,
)
from apps.concerts.models import PlanSeat, SeatingPlan
from apps.concerts.plans import (
    DrawnSeat,
    SectionShape,
    draw_picture,
    draw_sections,
    find_overlaps,
    list_grades,
    read_plan_file,
)
from apps.core.errors import InvalidRequest

SECTIONS = "sections"
FIRST_SHAPE = SectionShape(name="A", grade="VIP", rows=10, seats_per_row=20)


@dataclass(kw_only=True)
class PlanInput:
    """What staff sent of a plan: its forms, and the seats that they make.

    `seats` is None where something is wrong, or where the plan keeps those that it has.
    """

    form: PlanForm
    sections: Any
    seats: list[DrawnSeat] | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def drawing(self) -> list[dict[str, Any]]:
        """Return the sections as the plan keeps them; none of a file."""
        from_file = self.form.data.get("source") == FROM_FILE
        return [] if from_file else self.sections.list_drawing()


def offer_input(request: HttpRequest, plan: SeatingPlan | None) -> PlanInput:
    """Return the forms of a plan as it is; of a new one with a first section."""
    if plan is None:
        form = PlanForm(initial={"venue": request.GET.get("venue")})
        sections = SectionFormSet(prefix=SECTIONS, initial=read_drawing([asdict(FIRST_SHAPE)]))
        return PlanInput(form=form, sections=sections, seats=draw_sections([FIRST_SHAPE]))
    form = PlanForm(instance=plan, initial={} if plan.drawing else {"source": FROM_FILE})
    sections = SectionFormSet(prefix=SECTIONS, initial=read_drawing(plan.drawing))
    return PlanInput(form=form, sections=sections, seats=list_plan_seats(plan))


def read_input(request: HttpRequest, plan: SeatingPlan | None) -> PlanInput:
    """Return what staff sent, with what is wrong about the seats. A plan may keep the seats of a file."""
    form = PlanForm(request.POST, request.FILES, instance=plan)
    sections = SectionFormSet(request.POST, prefix=SECTIONS)
    given = PlanInput(form=form, sections=sections)
    try:
        if request.POST.get("source") != FROM_FILE:
            given.seats = _read_sections(given)
        elif file := request.FILES.get("file"):
            given.seats = read_plan_file(file.read())
        elif plan is None or not plan.seat_count:
            given.problems.append(_("Choose a file."))
    except InvalidRequest as error:
        given.problems += [str(entry["detail"]) for entry in error.fields["errors"]]
    return given


def _read_sections(given: PlanInput) -> list[DrawnSeat] | None:
    sections = given.sections
    if not sections.is_valid():
        given.problems += list_form_problems(sections)
        return None
    shapes = sections.list_shapes()
    if not shapes:
        given.problems.append(_("Add a section."))
        return None
    return draw_sections(shapes)


def list_form_problems(sections: BaseSectionFormSet) -> list[str]:
    """Return what is wrong with the sections, each with its section and field."""
    problems = [str(error) for error in sections.non_form_errors()]
    for index, form in enumerate(sections.list_forms(), start=1):
        name = form.data.get(form.add_prefix("name")) or index
        for field_name, errors in form.errors.items():
            label = form.fields[field_name].label if field_name in form.fields else ""
            problems += [
                _("Section %(section)s, %(field)s: %(error)s")
                % {"section": name, "field": label, "error": error}
                for error in errors
            ]
    return problems


def list_plan_seats(plan: SeatingPlan) -> list[DrawnSeat]:
    """Return the seats of a saved plan in house order."""
    rows = PlanSeat.objects.filter(plan=plan).order_by("position")
    return [DrawnSeat(*row) for row in rows.values_list(*DrawnSeat._fields)]


def count_seats(count: int) -> str:
    """Return a number of seats as people say it."""
    return ngettext("%(count)s seat", "%(count)s seats", count) % {"count": f"{count:,}"}


def describe_picture(seats: Sequence[DrawnSeat] | None) -> dict[str, Any]:
    """Return the picture of seats, how many they are, and their grades."""
    shown = seats or []
    return {
        "picture": draw_picture(shown),
        "count": count_seats(len(shown)),
        "grades": [
            {"name": grade.name, "seats": count_seats(grade.seats), "colour": grade.colour}
            for grade in list_grades(shown)
        ],
    }


def list_notes(seats: Sequence[DrawnSeat] | None) -> list[str]:
    """Return what may be meant so, but looks wrong."""
    overlaps = find_overlaps(seats or [])
    if not overlaps:
        return []
    first, second = (f"{seat.section} {seat.row}-{seat.number}" for seat in overlaps[0])
    told = ngettext(
        "%(count)s seat lies on another: %(first)s and %(second)s.",
        "%(count)s seats lie on others, such as %(first)s and %(second)s.",
        len(overlaps),
    )
    return [told % {"count": len(overlaps), "first": first, "second": second}]
