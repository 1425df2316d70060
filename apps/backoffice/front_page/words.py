"""What the front page's script says, in the language of whoever looks."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from apps.backoffice.front_page.limits import REFRESH_S
from apps.backoffice.front_page.watch import WORK
from apps.queue.models import WaitingRoom

TEXTS = {
    "as_of": _("As of %(time)s"),
    "failed": _("There are no new figures at the moment. These are the last; it is tried again."),
    "signed_out": _("You are signed out. Open the page again to sign in."),
    "closes": _("on sale until %(time)s"),
    "more": _("%(count)s more"),
    "counted": _("last counted at %(time)s"),
    "most": _("at most %(count)s, at %(time)s"),
    "unknown": _("Nothing is known of the last hours."),
    "money": _("paid %(paid)s, refunded %(refunded)s"),
    "paid": _("Paid in"),
    "refunded": _("Refunded"),
    "net": _("Left"),
    "hour": _("Hour from"),
    "lapsed": _("Lapsed holds"),
    "never": _("never"),
    "stopped": _("%(concert)s: sale stopped"),
    "sales_stopped": _("Sales stopped: %(count)s"),
    "broken": _("Broken invariants: %(count)s"),
    "late": _("Not running: %(work)s"),
}
STATES = {
    "sold": _("Sold"),
    "reserved": _("Reserved"),
    "held": _("Held"),
    "free": _("Free"),
    "blocked": _("Blocked"),
}
LINES = {
    "waiting": _("Waiting"),
    "inside": _("Inside, of the capacity"),
    "entered": _("Let in a minute"),
}
WORK_STATES = {
    "on_time": _("on time"),
    "late": _("late"),
    "off": _("switched off"),
}


def list_words() -> dict[str, Any]:
    """Return the texts and settings of the script."""
    return {
        "time_zone": settings.TIME_ZONE,
        "refresh_s": REFRESH_S,
        "texts": TEXTS,
        "states": STATES,
        "lines": LINES,
        "room_states": dict(WaitingRoom.State.choices),
        "work": WORK,
        "work_states": WORK_STATES,
    }
