"""What can go wrong in line."""

from django.utils.translation import gettext_lazy as _

from apps.core.errors import Conflict, Missing, Refused


class QueueTokenRequired(Refused):
    """The header `X-Queue-Token` is missing."""

    code = "queue_token_required"
    title = _("Queue token missing")
    detail = _("Take a place in line first and send its token as “X-Queue-Token”.")


class QueueTokenInvalid(Refused):
    """The token is unknown, or another customer's."""

    code = "queue_token_invalid"
    title = _("Queue token not valid")
    detail = _("This queue token is not one of yours. Take a place in line again.")


class QueueTokenExpired(Refused):
    """The token was good and is out of the line now (2.1.2); `reason` says why."""

    code = "queue_token_expired"
    title = _("No longer in line")
    detail = _("Your place in line has ended. Take a place in line again.")
    example = {"reason": "idle"}


class QueueNotAdmitted(Refused):
    """The customer is still waiting."""

    code = "queue_not_admitted"
    title = _("Still waiting")
    detail = _("It is not your turn yet. Keep your place and ask again.")
    example = {"position": 42, "estimated_wait_seconds": 90, "poll_after_seconds": 9}


class WrongWaitingRoom(Refused):
    """The token is for another room than the concert's; `room` is the concert's."""

    code = "wrong_waiting_room"
    title = _("Wrong waiting room")
    detail = _("This concert has another waiting room. Take a place in its line.")
    example = {"room": "iu"}


class RoomNotFound(Missing):
    """The room is unknown."""

    code = "room_not_found"
    title = _("Waiting room not found")
    detail = _("There is no such waiting room.")


class WaitingRoomClosed(Conflict):
    """The room takes nobody."""

    code = "waiting_room_closed"
    title = _("Waiting room closed")
    detail = _("This waiting room takes nobody at the moment.")


class NotInLine(Conflict):
    """The place has ended already, by a sweep or by the clock: there is nobody to take out."""

    code = "not_in_line"
    title = _("Not in line")
    detail = _("This customer is no longer in line.")


class RoomChanged(Conflict):
    """The room is not as the member of staff saw it."""

    code = "room_changed"
    title = _("Changed meanwhile")
    detail = _("Somebody has changed this room meanwhile. Look at it again.")
