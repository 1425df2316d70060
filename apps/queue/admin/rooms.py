"""Waiting rooms in the admin: how they are, who stands in them, and steering them."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from apps.core.admin import StaffAdmin, actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, confirm
from apps.core.db import lock_row
from apps.queue.admin import console
from apps.queue.admin.forms import (
    LIMITS,
    LimitFields,
    LimitsForm,
    SteeringForm,
    find_changes,
    list_limits,
)
from apps.queue.admin.words import tell_changes, tell_forecast, tell_state
from apps.queue.models import WaitingRoom
from apps.queue.steering import STEERED, RoomChanges, steer_room

State = WaitingRoom.State

# The colours of Unfold's labels.
STATES = {
    State.OPEN: "success",
    State.PAUSED: "warning",
    State.DRAINING: "info",
    State.CLOSED: "danger",
}
# Which button sets which state.
BUTTONS = {
    "open_room": State.OPEN,
    "pause_room": State.PAUSED,
    "drain_room": State.DRAINING,
    "close_room": State.CLOSED,
}
DONE = {
    State.OPEN: _("%(room)s is open."),
    State.PAUSED: _("%(room)s is paused."),
    State.DRAINING: _("%(room)s is draining."),
    State.CLOSED: _("%(room)s is closed."),
}


@admin.register(WaitingRoom)
class WaitingRoomAdmin(StaffAdmin):
    """Rooms. A new one is made by the form; of one that exists the form has the name alone, all else is
    steered, with a reason."""

    list_display = (
        "name",
        "slug",
        "state_label",
        "waiting",
        "inside",
        "admit_per_minute",
        "now_serving",
    )
    sortable_by = ("name", "slug")
    search_fields = ("name", "slug")
    list_select_related = ("turnstile",)
    actions_detail = (*BUTTONS, "change_limits")
    has_steer_permission = staff_permission("queue.steer_waitingroom")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rooms with their turnstiles."""
        return super().get_queryset(request).select_related("turnstile")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Ask for everything where a room is made."""
        names = ("name", "slug")
        return names if obj else (*names, "state", *LIMITS)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the slug of a room that exists: concerts and customers know it by that."""
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a room is closed instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Make a room, or rename one: what has been steered since the form was shown stays."""
        if change:
            lock_row(WaitingRoom.objects.filter(pk=obj.pk))
            obj.refresh_from_db(fields=STEERED)
        super().save_model(request, obj, form, change)

    @display(description=_("state"), label=STATES, ordering="state")
    def state_label(self, room: WaitingRoom) -> tuple[str, str]:
        """The state, in colour."""
        return room.state, room.get_state_display()

    @admin.display(description=_("waiting"))
    def waiting(self, room: WaitingRoom) -> int:
        """How many wait, when last counted."""
        return room.turnstile.people_waiting

    @admin.display(description=_("inside, of so many"))
    def inside(self, room: WaitingRoom) -> str:
        """How many are inside, when last counted."""
        return console.tell_inside(room)

    @admin.display(description=_("now serving"))
    def now_serving(self, room: WaitingRoom) -> int:
        """The highest place let in so far."""
        return room.turnstile.now_serving

    # The page of a room

    def get_urls(self) -> list[URLPattern]:
        """Add what the page of a room asks for while it is open."""
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/now/", view(self.show_now), name="queue_waitingroom_now"),
            path("<int:pk>/forecast/", view(self.show_forecast), name="queue_waitingroom_forecast"),
        ]
        return [*own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show a room that exists at a glance, above its form."""
        room = context.get("original")
        if room is not None:
            context |= console.describe_page(request, room, now=read_clock())
        return super().render_change_form(request, context, *args, **kwargs)

    def show_now(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer how a room is and has been, `since` a moment that the page has, as JSON."""
        room = self._get_room(request, pk)
        if not self.has_view_permission(request, room):
            raise PermissionDenied
        now = read_clock()
        history = console.describe_history(room, now=now, **console.read_span(request.GET))
        answer = {**console.describe_now(room, now=now), **history}
        return JsonResponse(answer, headers={"Cache-Control": "no-store"})

    def show_forecast(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer what limits would do that are being typed, as JSON; with the errors, by field, where
        they cannot be."""
        room = self._get_room(request, pk)
        if not self.has_steer_permission(request):
            raise PermissionDenied
        form = LimitFields(request.GET)
        if not form.is_valid():
            return JsonResponse({"errors": form.errors}, status=400)
        changes = find_changes(list_limits(room), form.cleaned_data)
        answer = describe_changes(room, changes, now=read_clock())
        return JsonResponse(answer, headers={"Cache-Control": "no-store"})

    def _get_room(self, request: HttpRequest, pk: Any) -> WaitingRoom:
        room = self.get_object(request, str(pk))
        if room is None:
            raise Http404
        return room

    # Steering

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer the states that a room is not in."""
        return BUTTONS.get(name) != row.state

    @action(
        description=_("Open"),
        url_path="open",
        permissions=["steer"],
        icon="play_arrow",
        variant=ActionVariant.SUCCESS,
    )
    def open_room(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and open a room."""
        return self._set_state(request, object_id, State.OPEN, _("Open"))

    @action(description=_("Pause"), url_path="pause", permissions=["steer"], icon="pause")
    def pause_room(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and let nobody in any more."""
        return self._set_state(request, object_id, State.PAUSED, _("Pause"))

    @action(description=_("Drain"), url_path="drain", permissions=["steer"], icon="logout")
    def drain_room(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and let nobody join any more."""
        return self._set_state(request, object_id, State.DRAINING, _("Drain"))

    @action(description=_("Close"), url_path="close", permissions=["steer"], icon="block")
    def close_room(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and let nobody join or enter any more."""
        return self._set_state(request, object_id, State.CLOSED, _("Close"))

    def _set_state(
        self, request: HttpRequest, object_id: int, state: str, button: Any
    ) -> HttpResponse:
        room = self._get_room(request, object_id)
        now = read_clock()
        changes: RoomChanges = {"state": state}

        def act(cleaned: dict[str, Any]) -> Any:
            self._steer(request, room, changes, cleaned)
            return DONE[State(state)] % {"room": room}

        answer = confirm(
            request,
            Confirmation(
                title=_("%(button)s: %(room)s") % {"button": button, "room": room},
                subject=room,
                consequences=[*tell_state(room, state), *console.tell_concerts(room)],
                button=button,
                act=act,
                done=reverse("admin:queue_waitingroom_change", args=[room.pk]),
                form_class=SteeringForm,
                initial={"seen": {"state": room.state}},
                dangerous=state in (State.DRAINING, State.CLOSED),
            ),
        )
        return add_forecast(answer, describe_changes(room, changes, now=now))

    @action(description=_("Change limits"), url_path="limits", permissions=["steer"], icon="tune")
    def change_limits(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for new limits and a reason, with the forecast of both, and change them."""
        room = self._get_room(request, object_id)
        shown = list_limits(room)

        def act(cleaned: dict[str, Any]) -> Any:
            changes = find_changes(cleaned["seen"], cleaned)
            if not changes:
                return _("Nothing was to be changed.")
            self._steer(request, room, changes, cleaned)
            return _("The limits of %(room)s are changed.") % {"room": room}

        answer = confirm(
            request,
            Confirmation(
                title=_("Limits of %(room)s") % {"room": room},
                subject=room,
                consequences=[
                    _("The new limits hold from the next moment on."),
                    _("Nobody who is inside is put out by a smaller capacity."),
                    *console.tell_concerts(room),
                ],
                button=_("Change limits"),
                act=act,
                done=reverse("admin:queue_waitingroom_change", args=[room.pk]),
                form_class=LimitsForm,
                initial={**shown, "seen": shown},
            ),
        )
        typed = LimitFields(request.POST or shown)
        changes = find_changes(shown, typed.cleaned_data) if typed.is_valid() else RoomChanges()
        url = reverse("admin:queue_waitingroom_forecast", args=[room.pk])
        return add_forecast(answer, describe_changes(room, changes, now=read_clock()), url=url)

    def _steer(
        self,
        request: HttpRequest,
        room: WaitingRoom,
        changes: RoomChanges,
        cleaned: dict[str, Any],
    ) -> None:
        steer_room(
            room_id=room.pk,
            changes=changes,
            actor=actor_of(request),
            reason=cleaned["reason"],
            now=read_clock(),
            seen=cleaned["seen"],
        )


def describe_changes(room: WaitingRoom, changes: RoomChanges, *, now: datetime) -> dict[str, Any]:
    """Return the forecast of a room's changes, and what to beware of, as the page shows them."""
    rows = tell_forecast(room, changes, now=now)
    return {
        "rows": [{"label": label, "now": before, "then": after} for label, before, after in rows],
        "warnings": list(tell_changes(room, changes)),
    }


def add_forecast(
    answer: HttpResponse, described: dict[str, Any], *, url: str | None = None
) -> HttpResponse:
    """Show the forecast on a page that asks; with the address to ask for it again while staff type."""
    if isinstance(answer, TemplateResponse):
        answer.template_name = "admin/queue/steer.html"
        assert answer.context_data is not None
        answer.context_data |= {"forecast": described, "forecast_url": url}
    return answer
