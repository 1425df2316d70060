"""The side bar: what staff work with, by what they come for. Each sees what they may see."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# title, icon (Material Symbols), app label, model name
Page = tuple[str | Promise, str, str, str]

SECTIONS: tuple[tuple[str | Promise, tuple[Page, ...]], ...] = (
    (
        _("On sale"),
        (
            (_("Concerts"), "music_note", "concerts", "concert"),
            (_("Performances"), "event", "concerts", "performance"),
            (_("Prices"), "sell", "concerts", "concertprice"),
            (_("Venues"), "stadium", "concerts", "venue"),
            (_("Seating plans"), "event_seat", "concerts", "seatingplan"),
        ),
    ),
    (
        _("The line"),
        (
            (_("Waiting rooms"), "meeting_room", "queue", "waitingroom"),
            (_("Places in line"), "group", "queue", "queueentry"),
        ),
    ),
    (
        _("Sales"),
        (
            (_("Reservations"), "confirmation_number", "reservations", "reservation"),
            (_("Payments"), "payments", "payments", "payment"),
            (_("Wallets"), "account_balance_wallet", "wallet", "wallet"),
            (_("Ledger"), "receipt_long", "wallet", "walletentry"),
        ),
    ),
    (
        _("People and rules"),
        (
            (_("Customers and staff"), "person", "accounts", "user"),
            (_("Roles"), "shield_person", "auth", "group"),
            (_("Staff actions"), "history", "core", "staffaction"),
            (_("Broken invariants"), "gpp_maybe", "core", "integrityfinding"),
            (_("Scheduled work"), "schedule", "django_celery_beat", "periodictask"),
        ),
    ),
)


def style(request: HttpRequest) -> str:
    """Return the address of the back office's own style sheet."""
    return static("backoffice/backoffice.css")


def script(request: HttpRequest) -> str:
    """Return the address of the script that gives names to what Unfold leaves without."""
    return static("backoffice/frame.js")


def icon(request: HttpRequest) -> str:
    """Return the address of the icon that browsers show on the tab."""
    return static("backoffice/icon.svg")


def list_account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what stands in the menu under one's own name."""
    return [
        {"title": _("Change password"), "link": reverse("admin:password_change")},
        {"title": _("Two-step sign-in"), "link": reverse("admin:two_step_manage")},
    ]


def list_navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side bar; what a member of staff may not see is left out."""
    front = {"title": _("Overview"), "icon": "monitoring", "link": reverse("admin:index")}
    cases = {"title": _("Cases"), "icon": "support_agent", "link": reverse("admin:cases")}
    may_see_cases = _may_see(request, (_("Cases"), "support_agent", "accounts", "user"))
    sections: list[dict[str, Any]] = [{"items": [front, *([cases] if may_see_cases else [])]}]
    for title, pages in SECTIONS:
        items = [_describe(page) for page in pages if _may_see(request, page)]
        if items:
            sections.append({"title": title, "separator": True, "items": items})
    return sections


def _describe(page: Page) -> dict[str, Any]:
    title, icon, app, model = page
    return {"title": title, "icon": icon, "link": reverse(f"admin:{app}_{model}_changelist")}


def _may_see(request: HttpRequest, page: Page) -> bool:
    _title, _icon, app, model = page
    has_perm: Callable[[str], bool] = request.user.has_perm
    return has_perm(f"{app}.view_{model}") or has_perm(f"{app}.change_{model}")
