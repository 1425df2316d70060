"""The state of the guard on the admin's front page."""

from typing import Any

from django import template
from django.utils.translation import gettext_lazy as _

from apps.concerts.models import Concert
from apps.core.findings import list_open_findings
from apps.core.models import Heartbeat
from config.guard import NAME

register = template.Library()

# Findings and concerts that the page names; the list behind the link has all.
NAMED_MAX = 20


@register.inclusion_tag("admin/guard.html", takes_context=True)
def guard_state(context: dict[str, Any]) -> dict[str, Any]:
    """Show when the guard ran, what it found broken and whose sale is stopped, to who may see that."""
    if not context["request"].user.has_perm("core.view_integrityfinding"):
        return {"shown": False}
    findings = list_open_findings()
    return {
        "shown": True,
        "title": _("Invariants"),
        "ran_label": _("last checked"),
        "ran_at": Heartbeat.objects.filter(name=NAME).values_list("beat_at", flat=True).first(),
        "never": _("never"),
        "broken_label": _("broken"),
        "broken": findings.count(),
        "findings": findings[:NAMED_MAX],
        "stopped_label": _("sale stopped"),
        "stopped": Concert.objects.filter(sale_stopped_at__isnull=False)[:NAMED_MAX],
    }
