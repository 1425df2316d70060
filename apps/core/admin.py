"""What the admins of all apps share: lists that stay fast, edits that are recorded, rows that staff look
at and never write; and the audit log itself."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.admin import (
    EmptyFieldListFilter,
    SimpleListFilter,
    display,
    register,
)
from django.contrib.admin import (
    ModelAdmin as DjangoModelAdmin,
)
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponseBadRequest,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.views import ChangeList

from apps.core import audit_log
from apps.core.models import IntegrityFinding, StaffAction
from apps.core.recorded_edits import RecordsEdits, RecordsPasswords, actor_of
from apps.core.sheets import write_csv

__all__ = [
    "BoundedPaginator",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "RecordsPasswords",
    "StaffAdmin",
    "actor_of",
    "staff_permission",
]

# A list says how many rows it has up to this many; counting more costs more than it tells.
COUNT_MAX = 10_000
EXPORT_BATCH = 1_000


def staff_permission(name: str) -> Callable[..., bool]:
    """Return the method of an admin that says whether staff have the permission `app.codename`.

    Actions name it without “has_” and “_permission”. Named directly, Unfold would look for it in the
    database whenever a command starts.
    """

    def has_permission(admin: ModelAdmin, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(name)

    return has_permission


class BoundedPaginator(Paginator):
    """Pages over the first `COUNT_MAX` rows of a list; what lies behind is found by searching."""

    template_name = "admin/core/pagination.html"
    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, up to `COUNT_MAX`."""
        return self.object_list.order_by().values("pk")[:COUNT_MAX].count()

    @property
    def is_cut_off(self) -> bool:
        """Say whether there may be more."""
        return self.count == COUNT_MAX


class SortedList(ChangeList):
    """A list that is sorted by the columns that it offers for it, whatever an address asks for."""

    def get_ordering_field(self, field_name: str) -> Any:
        """Return what a column sorts by; None for one that is not offered."""
        offered = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if offered else None


class StaffAdmin(RecordsEdits):
    """The admin of a model, without the count of a whole table beside each list."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_filter_submit = True
    warn_unsaved_form = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return how lists are made."""
        return SortedList

    def offers_action(self, name: str, row: Any) -> bool:
        """Say whether the page of `row` offers an action that this member of staff may take: not where
        the row's state makes it useless."""
        return True

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the actions of a row's page."""
        actions = super().get_actions_detail(request, object_id)
        row = self.get_object(request, str(object_id)) if actions else None
        return [
            action
            for action in actions
            if row is None or self.offers_action(action.method.original_function_name, row)
        ]


class ReadOnlyAdmin(StaffAdmin):
    """Shows rows; refuses to add, change or delete any. What staff may do to them are actions, each with
    a permission, a reason and a service."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class ReadOnlyInline(TabularInline):
    """Shows rows beside their owner; refuses to add, change or delete any."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


def _link(address: str | None, text: str) -> str:
    return format_html('<a href="{}">{}</a>', address, text) if address else text


class ActionFilter(SimpleListFilter):
    """By what staff did, in words."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: DjangoModelAdmin) -> list[tuple[str, Any]]:
        """Offer what there are words for; to look up what there is would read the whole log."""
        return sorted(audit_log.ACTIONS.items(), key=lambda item: str(item[1]))

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Return the actions of that name."""
        return queryset.filter(action=self.value()) if self.value() else queryset


class DaysFilter(RangeDateFilter):
    """From one day to another, the last one included."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Return what was on these days, in the staff's time zone; a day that is none filters nothing."""
        name = self.parameter_name
        for lookup, key, days in (("gte", f"{name}_from", 0), ("lt", f"{name}_to", 1)):
            midnight = audit_log.find_midnight(self.used_parameters.get(key), days=days)
            if midnight:
                queryset = queryset.filter(**{f"{name}__{lookup}": midnight})
        return queryset


@register(StaffAction)
class StaffActionAdmin(ReadOnlyAdmin):
    """What staff did, to what, and why."""

    list_display = ("when", "who", "what", "done_to", "why", "changes")
    list_display_links = ("when",)
    sortable_by = ("when",)
    list_filter = (ActionFilter, ("at", DaysFilter))
    search_fields = ("actor_name", "reason")
    search_help_text = _("Who, why, “reservation:42” or 42")
    ordering = ("-at", "-id")
    fields = ("when", "who", "what", "done_to", "why", "difference")
    readonly_fields = fields
    list_before_template = "admin/core/staffaction/export.html"

    class Media:
        css = {"all": ["backoffice/case-audit.css"]}

    def get_urls(self) -> list[URLPattern]:
        """Return the pages of the log, and the log as a file."""
        export = self.admin_site.admin_view(self.export)
        return [path("export/", export, name="core_staffaction_export"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Find by what it was done to, where that is asked for; else by who and why."""
        subjects = audit_log.list_subjects(search_term)
        if subjects:
            return queryset.filter(subject__in=subjects), False
        return super().get_search_results(request, queryset, search_term)

    @display(description=_("at"), ordering="at")
    def when(self, action: StaffAction) -> str:
        """Return when it was done, to the second."""
        return audit_log.tell_time(action.at)

    @display(description=_("who"))
    def who(self, action: StaffAction) -> str:
        """Return who did it."""
        return action.actor_name

    @display(description=_("action"))
    def what(self, action: StaffAction) -> str:
        """Return what was done, in words."""
        return audit_log.tell_action(action.action)

    @display(description=_("done to"))
    def done_to(self, action: StaffAction) -> str:
        """Return what it was done to, with a link to its page."""
        subject = action.subject
        return _link(audit_log.link_subject(subject), audit_log.tell_subject(subject))

    @display(description=_("reason"))
    def why(self, action: StaffAction) -> str:
        """Return the reason."""
        return audit_log.tell_reason(action.reason)

    @display(description=_("changes"))
    def changes(self, action: StaffAction) -> str:
        """Return the first of what it changed, in one line."""
        return audit_log.tell_briefly(audit_log.list_differences(action))

    @display(description=_("changes"))
    def difference(self, action: StaffAction) -> str:
        """Return what it changed, before beside after."""
        rows = audit_log.list_differences(action, audit_log.find_names([action]))
        return render_to_string("admin/core/staffaction/difference.html", {"rows": rows})

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the log as the list shows it, filtered and searched, as a CSV file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            actions = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseBadRequest()
        heading = [str(_(name)) for name in ("at", "who", "action", "done to", "reason")]
        lines = write_csv(
            [*heading, str(_("before")), str(_("after"))], _list_rows(actions, get_language())
        )
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="staff-actions.csv"'},
        )


def _list_rows(actions: QuerySet[StaffAction], language: str | None) -> Iterator[list[str]]:
    """Yield the rows of the file, newest first, from so many actions at a time."""
    actions = actions.order_by("-id")
    last = None
    while batch := list((actions.filter(pk__lt=last) if last else actions)[:EXPORT_BATCH]):
        with override(language):
            names = audit_log.find_names(batch)
            rows = [_describe(action, names) for action in batch]
        yield from rows
        last = batch[-1].pk


def _describe(action: StaffAction, names: audit_log.Names) -> list[str]:
    differences = audit_log.list_differences(action, names)
    return [
        localtime(action.at).isoformat(timespec="milliseconds"),
        action.actor_name,
        audit_log.tell_action(action.action),
        action.subject,
        audit_log.tell_reason(action.reason),
        "; ".join(f"{row.label}: {row.before}" for row in differences if row.before is not None),
        "; ".join(f"{row.label}: {row.after}" for row in differences if row.after is not None),
    ]


@register(IntegrityFinding)
class IntegrityFindingAdmin(ReadOnlyAdmin):
    """What the guard of the invariants has found."""

    list_display = ("rule", "row", "detail", "concert", "found", "seen", "gone")
    list_display_links = ("rule",)
    sortable_by = ("found",)
    list_filter = ("invariant", ("gone_at", EmptyFieldListFilter))
    search_fields = ("=subject", "detail")
    ordering = ("-found_at", "-id")
    fields = ("rule", "row", "detail", "concert", "found", "seen", "gone")
    readonly_fields = fields

    @display(description=_("invariant"), ordering="invariant")
    def rule(self, finding: IntegrityFinding) -> str:
        """Return what should be true, and is not."""
        return audit_log.tell_invariant(finding.invariant)

    @display(description=_("broken row"))
    def row(self, finding: IntegrityFinding) -> str:
        """Return the row, with a link to its page."""
        subject = finding.subject
        return _link(audit_log.link_subject(subject), audit_log.tell_subject(subject))

    @display(description=_("concert"))
    def concert(self, finding: IntegrityFinding) -> str:
        """Return the concert that it concerns, with a link to its page."""
        if finding.concert_id is None:
            return ""
        subject = f"concert:{finding.concert_id}"
        return _link(audit_log.link_subject(subject), audit_log.tell_subject(subject))

    @display(description=_("found at"), ordering="found_at")
    def found(self, finding: IntegrityFinding) -> str:
        """Return when the guard first saw it."""
        return audit_log.tell_time(finding.found_at)

    @display(description=_("last seen at"))
    def seen(self, finding: IntegrityFinding) -> str:
        """Return when the guard last saw it."""
        return audit_log.tell_time(finding.seen_at)

    @display(description=_("gone at"))
    def gone(self, finding: IntegrityFinding) -> str:
        """Return since when the row is whole again."""
        return audit_log.tell_time(finding.gone_at) if finding.gone_at else str(_("still broken"))
