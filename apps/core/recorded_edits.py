"""Plain edits in the admin, recorded as all that staff do is: who, what was, what is, and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.db.models import Model, QuerySet
from django.db.transaction import atomic
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.core import audit_log
from apps.core.audit import Actor, record_action
from apps.core.clock import read_clock
from apps.core.db import lock_row, lock_rows
from apps.core.edits import HIDDEN, Snapshot, find_changes, take_snapshot, write_all
from apps.core.limits import REASON_LENGTH_MAX

# Where a form keeps the row as it was, from saving it until all that belongs to it is saved.
_BEFORE = "row_before_edit"


def actor_of(request: HttpRequest) -> Actor:
    """Return the member of staff who asks."""
    return Actor(name=request.user.get_username(), user_id=request.user.pk)


class EditReasonForm(forms.Form):
    """Why staff edit a row by its form: they may say so, and need not."""

    edit_reason = forms.CharField(
        label=_("Reason for the change"),
        required=False,
        max_length=REASON_LENGTH_MAX,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("It is recorded with your name and with what you change."),
    )


def read_edit_reason(request: HttpRequest, default: str) -> str:
    """Return the reason that staff gave with a form, or `default`."""
    return request.POST.get("edit_reason", "").strip()[:REASON_LENGTH_MAX] or default


class RecordsEdits(ModelAdmin):
    """Records what staff add, edit and delete by plain forms, inlines included, in the commit of the edit.

    An admin whose `save_model` calls a service that records does not call this one's, and nothing is
    recorded twice.
    """

    change_form_after_template = "admin/core/edit_reason.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the form, with a field for the reason."""
        context["edit_reason_form"] = EditReasonForm(
            initial={"edit_reason": request.POST.get("edit_reason", "")}
        )
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save the row, and keep what it was for `save_related`."""
        row = lock_row(self.model._base_manager.filter(pk=obj.pk)) if change else None
        before = take_snapshot(row) if row else None
        super().save_model(request, obj, form, change)
        setattr(form, _BEFORE, (before,))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save what belongs to the row, and record what has become of the row itself."""
        super().save_related(request, form, formsets, change)
        kept = getattr(form, _BEFORE, None)
        if kept:
            self.record_edit(request, before=kept[0], pk=form.instance.pk)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save an inline's rows, and record what has become of each."""
        touched = [row.instance.pk for row in formset.initial_forms if row.has_changed()]
        rows = formset.model._base_manager
        before = [take_snapshot(row) for row in lock_rows(rows.filter(pk__in=touched))]
        super().save_formset(request, form, formset, change)
        for snapshot in before:
            self.record_edit(request, before=snapshot, pk=snapshot.row.pk)
        for row in formset.new_objects:
            self.record_edit(request, before=None, pk=row.pk, model=formset.model)

    def record_edit(
        self,
        request: HttpRequest,
        *,
        before: Snapshot | None,
        pk: Any,
        model: type[Model] | None = None,
    ) -> None:
        """Record what a row has become since `before`; None where it was not there. The caller holds a
        transaction. Nothing is recorded where nothing changed."""
        rows = (type(before.row) if before else model or self.model)._base_manager
        row = rows.filter(pk=pk).first()
        if before is None and row is not None:
            self._record(request, "add", row, audit_log.ADDED, ({}, write_all(take_snapshot(row))))
        elif before is not None and row is None:
            self._record(request, "delete", before.row, audit_log.DELETED, (write_all(before), {}))
        elif before is not None and row is not None:
            changes = find_changes(before, take_snapshot(row))
            if changes != ({}, {}):
                self._record(request, "edit", row, audit_log.EDITED, changes)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row, and record what it was."""
        with self._recording_deletion(request, self.model._base_manager.filter(pk=obj.pk)):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Delete rows, and record what each of them was."""
        pks = list(queryset.values_list("pk", flat=True))
        with self._recording_deletion(request, self.model._base_manager.filter(pk__in=pks)):
            super().delete_queryset(request, queryset)

    @contextmanager
    def _recording_deletion(self, request: HttpRequest, rows: QuerySet) -> Iterator[None]:
        with atomic():
            for row in lock_rows(rows):
                was = write_all(take_snapshot(row))
                self._record(request, "delete", row, audit_log.DELETED, (was, {}))
            yield

    def _record(
        self,
        request: HttpRequest,
        action: str,
        row: Model,
        reason: str,
        changes: tuple[dict[str, Any], dict[str, Any]],
    ) -> None:
        record_action(
            actor=actor_of(request),
            action=action,
            subject=row,
            reason=read_edit_reason(request, reason),
            before=changes[0],
            after=changes[1],
            now=read_clock(),
        )


class RecordsPasswords:
    """Records that staff changed somebody's password, never which; stands before Django's `UserAdmin`."""

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponseBase:
        """Change a password, and record it in the same commit."""
        with atomic():
            request.changes_password = True  # type: ignore[attr-defined]  # for `log_change`
            return super().user_change_password(request, id, form_url)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Log an edit; one of a password is recorded here, as no form's row is saved."""
        if getattr(request, "changes_password", False):
            record_action(
                actor=actor_of(request),
                action="change_password",
                subject=obj,
                reason=audit_log.EDITED,
                before={"password": HIDDEN},
                after={"password": HIDDEN},
                now=read_clock(),
            )
        return super().log_change(request, obj, message)  # type: ignore[misc]
