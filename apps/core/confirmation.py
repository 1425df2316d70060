"""The page that asks staff before they act: it says what will happen, and takes a reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import site
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.core.errors import DomainError, InvalidRequest
from apps.core.limits import REASON_LENGTH_MAX


class ReasonForm(forms.Form):
    """Why staff do it; forms with more to ask for derive from this one."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_LENGTH_MAX,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("It is recorded with your name."),
    )


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What the page says, and what it does.

    `consequences` are sentences: what will happen. `act` takes the form's cleaned data, calls one
    service, and returns what to tell afterwards; a `DomainError` of it is told as well, and changes
    nothing. `done` is the address to go back to.
    """

    title: str | Promise
    subject: Model
    consequences: Sequence[str | Promise]
    button: str | Promise
    act: Callable[[dict[str, Any]], str | Promise]
    done: str
    form_class: type[ReasonForm] = ReasonForm
    initial: dict[str, Any] = field(default_factory=dict)
    dangerous: bool = False


def confirm(request: HttpRequest, confirmation: Confirmation) -> HttpResponse:
    """Ask on GET, act on POST. The caller has checked that this member of staff may."""
    form = confirmation.form_class(request.POST or None, initial=confirmation.initial)
    if request.method == "POST" and form.is_valid():
        try:
            told = confirmation.act(form.cleaned_data)
        except InvalidRequest as error:
            for entry in error.fields["errors"]:
                name = entry["field"] if entry["field"] in form.fields else None
                form.add_error(name, str(entry["detail"]))
        except DomainError as error:
            messages.error(request, str(error.detail))
            return HttpResponseRedirect(confirmation.done)
        else:
            messages.success(request, str(told))
            return HttpResponseRedirect(confirmation.done)
    context = {
        **site.each_context(request),
        "title": confirmation.title,
        "opts": confirmation.subject._meta,
        "confirmation": confirmation,
        "form": form,
    }
    return TemplateResponse(request, "admin/confirm.html", context)
