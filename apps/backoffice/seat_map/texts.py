"""The texts of the map's script."""

from typing import Any

from django.utils.translation import gettext as _


def list_texts() -> dict[str, Any]:
    """Return what the script says, in the language in use; `states` in the order of `STATES`."""
    return {
        "states": [
            _("Free"),
            _("On hold"),
            _("Reserved, not paid"),
            _("Sold"),
            _("Off sale"),
        ],
        "seat": _("Section {section}, row {row}, seat {number}"),
        "until": _("until {time}"),
        "blockedLater": _("off sale once it is free"),
        "selected": _("selected"),
        "chosen": _("Selected: {count}"),
        "chosenStates": _("{state}: {count}"),
        "none": _("No seat is selected."),
        "live": _("Live"),
        "paused": _("Paused"),
        "loading": _("Loading seats…"),
        "offline": _("No connection. Trying again…"),
        "signedOut": _("You are signed out, or may not see this. Reload the page."),
        "failed": _("That did not work. Nothing was changed; try again."),
        "moveHint": _("Choose the new seats, free and at the same price: {chosen} of {wanted}"),
        "moveWrongSeat": _("This seat is not free, or costs something else."),
        "reservation": _("Reservation {id}"),
        "show": _("Details"),
        "empty": _("This performance has no seats yet."),
        "needsFree": _("Select a seat that is not blocked."),
        "needsBlocked": _("Select a blocked seat."),
        "needsHold": _("Select seats of one hold, or of one reservation that is not paid."),
        "needsReservation": _("Select seats of one reservation."),
    }
