"""The forms by which staff steer a room."""

import json
from datetime import datetime
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from unfold.widgets import INPUT_CLASSES, UnfoldAdminIntegerFieldWidget

from apps.core.confirmation import ReasonForm
from apps.queue.models import WaitingRoom
from apps.queue.steering import RoomChanges, field_of

LIMITS = ("capacity", "admit_per_minute", "session_seconds", "idle_seconds", "opens_at")


class SeenField(forms.Field):
    """What the page showed of a room, carried along: whoever acts on something else is told so."""

    widget = forms.HiddenInput

    def prepare_value(self, value: Any) -> Any:
        """Return the JSON of it."""
        return value if isinstance(value, str) else json.dumps(value, cls=DjangoJSONEncoder)

    def to_python(self, value: Any) -> RoomChanges:
        """Return what was shown."""
        try:
            seen = json.loads(value or "")
            if seen.get("opens_at"):
                seen["opens_at"] = parse_datetime(seen["opens_at"])
        except (ValueError, TypeError, AttributeError):
            raise ValidationError("no JSON of limits", code="invalid") from None
        return cast(RoomChanges, seen)


class SteeringForm(ReasonForm):
    """Why, and what was seen."""

    seen = SeenField()

    def clean(self) -> dict[str, Any]:
        """Say at the top of the page what is wrong with a field that nobody sees."""
        if "seen" in self.errors:
            raise ValidationError(_("Load this page again."))
        return self.cleaned_data


class LocalTimeInput(forms.DateTimeInput):
    """The browser's own field for a moment, to the second."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(
            attrs={"class": " ".join(INPUT_CLASSES), "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        )


def _limit(name: str) -> Any:
    field = field_of(name)
    return field.formfield(
        validators=field.validators,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"inputmode": "numeric"}),
    )


class LimitFields(forms.Form):
    """A room's limits, as the model checks them."""

    capacity = _limit("capacity")
    admit_per_minute = _limit("admit_per_minute")
    session_seconds = _limit("session_seconds")
    idle_seconds = _limit("idle_seconds")
    opens_at = cast(
        forms.Field,
        field_of("opens_at").formfield(form_class=forms.DateTimeField, widget=LocalTimeInput()),
    )


class LimitsForm(LimitFields, SteeringForm):
    """The limits, and why."""

    field_order = (*LIMITS, "reason", "seen")


def list_limits(room: WaitingRoom) -> RoomChanges:
    """Return a room's limits."""
    return cast(RoomChanges, {name: getattr(room, name) for name in LIMITS})


def find_changes(seen: RoomChanges, wanted: dict[str, Any]) -> RoomChanges:
    """Return those of the limits that are not as they were shown."""
    return cast(
        RoomChanges,
        {
            name: wanted[name]
            for name in LIMITS
            if name in wanted and _shown(wanted[name]) != _shown(seen.get(name))
        },
    )


def _shown(value: Any) -> Any:
    """Return a value as its field shows it, moments to the second."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value
