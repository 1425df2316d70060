"""The schedules of beat in the admin: does everything run?"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Func, OuterRef, QuerySet, Subquery, Value
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

# Imported so that it registers its own admins before these take their place.
from django_celery_beat.admin import PeriodicTaskForm, TaskChoiceField, TaskSelectWidget
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from apps.core.admin import ReadOnlyInline, StaffAdmin
from apps.core.clock import read_clock
from apps.core.limits import HEARTBEAT_MISSED_BEATS, HEARTBEAT_SILENCE_MIN_S
from apps.core.models import Heartbeat

# What the schedules that Encore makes are called; any other goes by its name.
TITLES: dict[str, str | Promise] = {
    "admit-queue": _("Letting people into the rooms"),
    "expire-queue": _("Ending silent and over-long places in line"),
    "expire-holds": _("Giving the seats of overdue holds back"),
    "refund-called-off": _("Refunding called-off performances"),
    "guard-integrity": _("Checking the invariants"),
}
# Beat writes down only every three minutes what it has sent; without a heartbeat nothing else is known.
UNHEARD_S = 300
MINUTE_S = 60

ON_TIME, LATE, OFF, NEVER = "on time", "late", "off", "never"
STATES: dict[str, str | Promise] = {
    ON_TIME: _("On time"),
    LATE: _("Late"),
    OFF: _("Switched off"),
    NEVER: _("Has not run yet"),
}
COLOURS = {ON_TIME: "success", LATE: "danger", OFF: "warning", NEVER: "info"}


def with_heartbeats(tasks: QuerySet[PeriodicTask]) -> QuerySet[PeriodicTask]:
    """Add `beat_at`: when the task itself last said that it ran, where it does."""
    own_name = Func(OuterRef("task"), Value("."), Value(-1), function="split_part")
    beats = Heartbeat.objects.beaten().filter(name=own_name).values("beat_at")
    return tasks.annotate(beat_at=Subquery(beats)).select_related("interval", "crontab")


def last_run(task: PeriodicTask) -> datetime | None:
    """Return when a task of `with_heartbeats` last ran; None where it never did."""
    run: datetime | None = task.beat_at or task.last_run_at
    return run


def next_run(task: PeriodicTask, *, now: datetime) -> datetime | None:
    """Return when it is due; None where it is switched off, or runs for the first time."""
    ran_at = last_run(task)
    if not task.enabled or ran_at is None:
        return None
    if task.interval:
        due: datetime = ran_at + task.interval.schedule.run_every
        return due
    due = now + task.schedule.remaining_estimate(ran_at)
    return due


def state_of(task: PeriodicTask, *, now: datetime) -> str:
    """Return one of `STATES`: it is late after as many missed beats as `/readyz` waits for."""
    if not task.enabled:
        return OFF
    due = next_run(task, now=now)
    if due is None:
        return NEVER
    every_s = task.interval.schedule.run_every.total_seconds() if task.interval else 0
    patience_s = max((HEARTBEAT_MISSED_BEATS - 1) * every_s, HEARTBEAT_SILENCE_MIN_S)
    if task.beat_at is None:
        patience_s = max(patience_s, UNHEARD_S)
    return LATE if now > due + timedelta(seconds=patience_s) else ON_TIME


def title_of(task: PeriodicTask) -> str:
    """Return what staff know a task by."""
    return str(TITLES.get(task.name, task.name))


class TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):
    """Beat's list of tasks, as the other lists look."""


class ScheduleForm(PeriodicTaskForm):
    """Beat's form with the tasks that exist alone: there is no other that could run."""

    regtask = None
    task = TaskChoiceField(label=_("Task"), required=False, widget=TaskSelect)

    def clean(self) -> dict[str, Any]:
        """Check that it runs by one timing, and say so as people do; beat would say it in English."""
        cleaned: dict[str, Any] = super().clean()
        if bool(cleaned.get("interval")) == bool(cleaned.get("crontab")):
            self.add_error("interval", _("Choose an interval or a crontab, one of the two."))
            self._validate_unique = False
        return cleaned


admin.site.unregister(
    (PeriodicTask, IntervalSchedule, CrontabSchedule, ClockedSchedule, SolarSchedule)
)


@admin.register(PeriodicTask)
class ScheduleAdmin(StaffAdmin):
    """What runs by itself: how often, when last, when next, and whether it is late."""

    form = ScheduleForm
    list_display = ("title", "state", "last", "due", "every", "enabled")
    list_before_template = "backoffice/schedules.html"
    list_filter = ("enabled",)
    search_fields = ("name", "task")
    ordering = ("name",)
    readonly_fields = ("last_run_at", "total_run_count")
    fieldsets = (
        (None, {"fields": ("name", "task", "description", "enabled")}),
        (_("When"), {"fields": ("interval", "crontab", "start_time", "one_off")}),
        (_("How"), {"fields": ("args", "kwargs", "expire_seconds"), "classes": ("collapse",)}),
        (_("Runs"), {"fields": ("last_run_at", "total_run_count")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what is not to run is switched off."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        """Return the schedules with their heartbeats."""
        return with_heartbeats(super().get_queryset(request))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, and above it whether everything runs."""
        now = read_clock()
        by_state: dict[str, list[str]] = {state: [] for state in STATES}
        for task in with_heartbeats(PeriodicTask.objects.order_by("name")):
            by_state[state_of(task, now=now)].append(title_of(task))
        glance = {
            "all_run": not (by_state[LATE] or by_state[OFF] or by_state[NEVER]),
            "late": by_state[LATE],
            "off": by_state[OFF],
            "never": by_state[NEVER],
        }
        return super().changelist_view(request, {**(extra_context or {}), "glance": glance})

    @admin.display(description=_("work"), ordering="name")
    def title(self, task: PeriodicTask) -> str:
        """What it does."""
        return title_of(task)

    @display(description=_("state"), label=COLOURS)
    def state(self, task: PeriodicTask) -> tuple[str, str | Promise]:
        """Whether it runs."""
        state = state_of(task, now=read_clock())
        return state, STATES[state]

    @admin.display(description=_("last run"))
    def last(self, task: PeriodicTask) -> str:
        """How long ago it ran."""
        ran_at = last_run(task)
        if ran_at is None:
            return "—"
        return str(_("%(time)s ago") % {"time": _describe_span(ran_at, read_clock())})

    @admin.display(description=_("next due"))
    def due(self, task: PeriodicTask) -> str:
        """How long until it is due."""
        now = read_clock()
        due = next_run(task, now=now)
        if due is None:
            return "—"
        if due <= now:
            return str(_("now"))
        return str(_("in %(time)s") % {"time": _describe_span(now, due)})

    @admin.display(description=_("how often"))
    def every(self, task: PeriodicTask) -> str:
        """How often it runs."""
        if task.interval is None:
            return str(task.scheduler)
        return describe_seconds(task.interval.schedule.run_every.total_seconds())


def describe_seconds(seconds: float) -> str:
    """Return an interval in words: “every 5 seconds”."""
    count = int(seconds)
    if count % MINUTE_S:
        return ngettext("every second", "every %(count)d seconds", count) % {"count": count}
    minutes = count // MINUTE_S
    return ngettext("every minute", "every %(count)d minutes", minutes) % {"count": minutes}


def _describe_span(since: datetime, until: datetime) -> str:
    seconds = max(0, int((until - since).total_seconds()))
    if seconds < MINUTE_S:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    return timesince(since, until, depth=1)


class ScheduledInline(ReadOnlyInline):
    """What runs by an interval or a crontab."""

    model = PeriodicTask
    fields = ("name", "task", "enabled")
    verbose_name_plural = _("Runs by it")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        """Return the schedules in order."""
        return super().get_queryset(request).order_by("name")


class TimingAdmin(StaffAdmin):
    """When something runs. What runs by it is shown, since a change concerns all of that."""

    inlines = (ScheduledInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: everything that runs by it would be deleted too."""
        return False


@admin.register(IntervalSchedule)
class IntervalAdmin(TimingAdmin):
    """Every so many seconds."""

    list_display = ("__str__", "used")
    ordering = ("period", "every")

    def get_queryset(self, request: HttpRequest) -> QuerySet[IntervalSchedule]:
        """Return the intervals with what runs by them."""
        return super().get_queryset(request).prefetch_related("periodictask_set")

    @admin.display(description=_("runs by it"))
    def used(self, timing: IntervalSchedule) -> str:
        """What runs by it."""
        return ", ".join(title_of(task) for task in timing.periodictask_set.all()) or "—"


@admin.register(CrontabSchedule)
class CrontabAdmin(TimingAdmin):
    """At times of the day."""

    list_display = ("__str__", "used")
    fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CrontabSchedule]:
        """Return the crontabs with what runs by them."""
        return super().get_queryset(request).prefetch_related("periodictask_set")

    @admin.display(description=_("runs by it"))
    def used(self, timing: CrontabSchedule) -> str:
        """What runs by it."""
        return ", ".join(title_of(task) for task in timing.periodictask_set.all()) or "—"
