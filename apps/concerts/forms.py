"""The forms by which staff draw seating plans."""

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.forms import BaseFormSet, formset_factory
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.concerts import limits
from apps.concerts.models import SeatingPlan, Venue
from apps.concerts.plans import SectionShape

DRAWN, FROM_FILE = "draw", "file"


def _number(label: Any, lowest: int, highest: int, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=lowest,
        max_value=highest,
        widget=UnfoldAdminIntegerFieldWidget(),
        **options,
    )


def _measure(label: Any, lowest: int, highest: int, **options: Any) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        required=False,
        initial=0,
        validators=[MinValueValidator(lowest), MaxValueValidator(highest)],
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        **options,
    )


class PlanForm(forms.ModelForm):
    """Whose plan it is, and whether its seats are drawn or come from a file."""

    source = forms.ChoiceField(
        label=_("Where the seats come from"),
        choices=[(DRAWN, _("Draw sections")), (FROM_FILE, _("Upload a file"))],
        initial=DRAWN,
        widget=UnfoldAdminRadioSelectWidget(),
    )
    file = forms.FileField(
        label=_("File with seats"),
        required=False,
        help_text=_("CSV or JSON with section, row, number, grade, x and y of each seat."),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.json,text/csv,application/json"}),
    )

    class Meta:
        model = SeatingPlan
        fields = ("venue", "name")
        widgets = {"venue": UnfoldAdminSelectWidget, "name": UnfoldAdminTextInputWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["venue"].queryset = Venue.objects.order_by("name")  # type: ignore[attr-defined]
        if self.instance.pk:
            self.fields["venue"].disabled = True


class SectionForm(forms.Form):
    """One section of a plan."""

    name = forms.CharField(label=_("Section"), max_length=50, widget=UnfoldAdminTextInputWidget())
    grade = forms.CharField(label=_("Grade"), max_length=50, widget=UnfoldAdminTextInputWidget())
    rows = _number(_("Rows"), 1, limits.ROWS_PER_SECTION_MAX)
    seats_per_row = _number(_("Seats in a row"), 1, limits.SEATS_PER_ROW_MAX)
    aisles = forms.CharField(
        label=_("Aisles after seats"),
        required=False,
        max_length=200,
        help_text=_("Numbers with commas: 5, 15"),
        widget=UnfoldAdminTextInputWidget(),
    )
    curve = _measure(_("Curve (°)"), 0, limits.CURVE_MAX, help_text=_("0 is straight."))
    angle = _measure(_("Angle (°)"), -360, 360, help_text=_("Clockwise."))
    x = _measure(_("Right of the middle"), -limits.COORDINATE_MAX, limits.COORDINATE_MAX)
    y = _measure(_("Away from the stage"), -limits.COORDINATE_MAX, limits.COORDINATE_MAX)

    def clean_aisles(self) -> list[int]:
        """Return the numbers."""
        parts = [part.strip() for part in self.cleaned_data["aisles"].split(",") if part.strip()]
        if not all(part.isascii() and part.isdigit() for part in parts):
            raise forms.ValidationError(_("Give numbers with commas between them."))
        return sorted({int(part) for part in parts})

    def clean(self) -> dict[str, Any]:
        """Take what is left out for 0."""
        cleaned = super().clean() or self.cleaned_data
        for name in ("curve", "angle", "x", "y"):
            if name in cleaned and cleaned[name] is None:
                cleaned[name] = 0
        return cleaned


class BaseSectionFormSet(BaseFormSet):
    """The sections of a plan, each with a name of its own."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Let no section stay empty: one that nobody wants is removed."""
        return {**super().get_form_kwargs(index), "empty_permitted": False}

    def clean(self) -> None:
        """Refuse two sections of one name."""
        seen: set[str] = set()
        for form in self.list_forms():
            name = form.cleaned_data.get("name", "")
            if name and name in seen:
                form.add_error("name", _("Another section has this name."))
            seen.add(name)

    def list_forms(self) -> list[SectionForm]:
        """Return the forms of the sections that are not removed."""
        return [
            form
            for form in self.forms
            if hasattr(form, "cleaned_data") and not form.cleaned_data.get("DELETE")
        ]

    def list_drawing(self) -> list[dict[str, Any]]:
        """Return what the forms say, as a plan keeps it. The caller has checked that they are valid."""
        return [
            {name: value for name, value in form.cleaned_data.items() if name != "DELETE"}
            for form in self.list_forms()
        ]

    def list_shapes(self) -> list[SectionShape]:
        """Return the sections. The caller has checked that they are valid."""
        return [SectionShape(**fields) for fields in self.list_drawing()]


SectionFormSet = formset_factory(
    SectionForm,
    formset=BaseSectionFormSet,
    extra=0,
    max_num=limits.PLAN_SECTIONS_MAX,
    validate_max=True,
    can_delete=True,
)


def read_drawing(drawing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a plan's sections as the forms show them."""
    return [{**fields, "aisles": ", ".join(map(str, fields["aisles"]))} for fields in drawing]
