"""What can go wrong with holds and reservations."""

from django.utils.translation import gettext_lazy as _

from apps.core.errors import Conflict, Missing, Over, TooManyRequests


class SeatUnavailable(Conflict):
    """A seat is held, reserved, sold or blocked (4.1.3); no seat of the request is held."""

    code = "seat_unavailable"
    title = _("Seat not available")
    detail = _("Somebody was faster. None of your seats is held; choose others.")
    example = {"seat_ids": [17], "alternatives": [[18], [16], [37]]}


class SeatLimitExceeded(Conflict):
    """Over the customer's limit for the performance, live holds counted."""

    code = "seat_limit_exceeded"
    title = _("Too many seats")
    detail = _("That is more seats of this performance than one customer may have.")
    example = {"limit": 4}


class TooManyLapsedHolds(TooManyRequests):
    """The customer has let too many holds of the concert run out lately, unpaid."""

    code = "too_many_lapsed_holds"
    title = _("Too many holds run out")
    detail = _(
        "You have let the time for too many seats of this concert run out. You can choose seats again "
        "later; seats that you give back yourself do not count."
    )


class HoldNotFound(Missing):
    """The hold is unknown, given back, or somebody else's."""

    code = "hold_not_found"
    title = _("Hold not found")
    detail = _("You have no such hold.")


class HoldExpired(Over):
    """The hold's time is over (5.1.3, 6.1.4)."""

    code = "hold_expired"
    title = _("Time is over")
    detail = _("The time for these seats is over. Nothing was charged; choose your seats again.")
    example = {"expired_at": "2026-11-01T10:05:00Z"}


class SeatAlreadyReserved(Conflict):
    """The hold has become a reservation already (5.1.4)."""

    code = "seat_already_reserved"
    title = _("Already reserved")
    detail = _("These seats are reserved already.")
    example = {"reservation_id": 5}


class ReservationNotFound(Missing):
    """The reservation is unknown, or somebody else's."""

    code = "reservation_not_found"
    title = _("Reservation not found")
    detail = _("You have no such reservation.")


class ReservationNotReleasable(Conflict):
    """Staff can release what is unpaid and not over; this is neither."""

    code = "reservation_not_releasable"
    title = _("Cannot be released")
    detail = _("Only a hold or an unpaid reservation whose time is not over can be released.")


class ReservationNotMovable(Conflict):
    """Staff can move what claims its seats, of a performance that takes place; this does not."""

    code = "reservation_not_movable"
    title = _("Cannot be moved")
    detail = _("Only a reservation that still has its seats can be moved.")


class SeatNotOfReservation(Conflict):
    """A seat that staff want to move the reservation from is not, or no longer, one of its seats."""

    code = "seat_not_of_reservation"
    title = _("Not a seat of this reservation")
    detail = _("The reservation does not have these seats any more. Look again.")


class SeatPricesDiffer(Conflict):
    """The new seats are not as many as the old ones, or do not cost the same, seat for seat."""

    code = "seat_prices_differ"
    title = _("Other prices")
    detail = _("Choose as many seats as are moved, each of the same price.")
