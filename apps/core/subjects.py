"""Rows by the names that records and the ledger have for them, “reservation:42”, as staff see them."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from apps.core.models import StaffAction

RECORDS_SHOWN_MAX = 20


def link_to(request: HttpRequest, page: str, pk: int | None, text: object) -> SafeString | str:
    """Return a link to the page of a row, `page` being “app.model”; the mere text for those who may not
    see it."""
    app, model = page.split(".")
    if pk is None or not may_see(request, page):
        return str(text)
    url = reverse(f"admin:{app}_{model}_change", args=[pk])
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


def may_see(request: HttpRequest, page: str) -> bool:
    """Say whether this member of staff may see rows of “app.model”."""
    app, model = page.split(".")
    return any(request.user.has_perm(f"{app}.{verb}_{model}") for verb in ("view", "change"))


def describe_records(request: HttpRequest, subjects: Sequence[str]) -> SafeString | str:
    """Return what staff did to the rows of these names, the latest first, as a table."""
    if not may_see(request, "core.staffaction"):
        return _("You may not see what staff did.")
    records = StaffAction.objects.filter(subject__in=subjects).order_by("-at", "-pk")
    return make_table(
        [_("at"), _("who"), _("action"), _("reason")],
        [
            (
                link_to(request, "core.staffaction", record.pk, localize(localtime(record.at))),
                record.actor_name,
                record.action,
                record.reason,
            )
            for record in records[:RECORDS_SHOWN_MAX]
        ],
    )


def make_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> SafeString | str:
    """Return a small table for the page of a row; a dash where it has no rows."""
    if not rows:
        return "-"
    return format_html(
        '<div class="encore-rows"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        format_html_join("", '<th scope="col">{}</th>', ((title,) for title in head)),
        format_html_join(
            "",
            "<tr>{}</tr>",
            ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
        ),
    )
