"""Places in line, in the admin."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from apps.accounts.customer_rows import CustomerRowsAdmin
from apps.core.admin import actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, confirm
from apps.core.subjects import may_see
from apps.queue.models import QueueEntry
from apps.queue.steering import remove_from_queue

# The colours of Unfold's labels.
STATES = {
    QueueEntry.State.WAITING: "info",
    QueueEntry.State.ADMITTED: "success",
    QueueEntry.State.ENDED: "default",
}


@admin.register(QueueEntry)
class QueueEntryAdmin(CustomerRowsAdmin):
    """Places in line, the newest first, found by number or by the customer's e-mail address."""

    list_display = (
        "number",
        "place",
        "room",
        "customer",
        "state_label",
        "joined_at",
        "admitted_at",
        "ended_at",
        "end_reason",
    )
    list_select_related = ("room", "customer")
    search_help_text = _("E-mail address of the customer, or how it begins")
    exclude = ("token_hash",)
    actions_detail = (*CustomerRowsAdmin.actions_detail, "remove")
    has_remove_permission = staff_permission("queue.remove_queueentry")

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer to take out who is in line, or inside."""
        if name == "remove":
            return row.state in QueueEntry.LIVE_STATES
        return super().offers_action(name, row)

    @display(description=_("state"), label=STATES)
    def state_label(self, entry: QueueEntry) -> tuple[str, str]:
        """The state, in colour."""
        return entry.state, entry.get_state_display()

    @action(
        description=_("Take out of the line"),
        url_path="remove",
        permissions=["remove"],
        icon="person_remove",
    )
    def remove(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and take somebody out of the line."""
        entry = self.get_object(request, str(object_id))
        if entry is None:
            raise Http404

        def act(cleaned: dict[str, Any]) -> Any:
            remove_from_queue(
                entry_id=entry.pk,
                actor=actor_of(request),
                reason=cleaned["reason"],
                now=read_clock(),
            )
            return _("%(customer)s is out of the line.") % {"customer": entry.customer}

        page = "waitingroom" if may_see(request, "queue.waitingroom") else "queueentry"
        done = {"waitingroom": entry.room_id, "queueentry": entry.pk}[page]
        return confirm(
            request,
            Confirmation(
                title=_("Take %(customer)s out of the line") % {"customer": entry.customer},
                subject=entry,
                consequences=list_consequences(entry),
                button=_("Take out of the line"),
                act=act,
                done=reverse(f"admin:queue_{page}_change", args=[done]),
                dangerous=True,
            ),
        )


def list_consequences(entry: QueueEntry) -> list[Any]:
    """Return what will happen where somebody is taken out."""
    inside = entry.state == QueueEntry.State.ADMITTED
    return [
        _("Their token ends at once: they are told that they are no longer in line."),
        _("Their place inside goes to the next in line.")
        if inside
        else _("Whoever stands behind them moves up."),
        _("Seats that they hold stay theirs until the deadline; release these on their own page."),
        _("They can join again, at the end. To keep somebody out, switch their account off."),
    ]
