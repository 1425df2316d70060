"""What can go wrong with concerts, dates and seats."""

from django.utils.translation import gettext_lazy as _

from apps.core.errors import Conflict, Missing


class ConcertNotFound(Missing):
    """The concert is unknown or not published (3.1.4, 3.2.4, 4.1.4)."""

    code = "concert_not_found"
    title = _("Concert not found")
    detail = _("There is no such concert.")


class SeatNotFound(Missing):
    """A seat is unknown, or of another date."""

    code = "seat_not_found"
    title = _("Seat not found")
    detail = _("There is no such seat on this date.")


class DateNotBookable(Conflict):
    """There is no performance on the date, or it is not on sale (3.2.5, 4.1.5)."""

    code = "date_not_bookable"
    title = _("Date not bookable")
    detail = _("No performance of this concert can be booked for this date.")


class SaleStopped(Conflict):
    """The guard of the invariants has stopped the sale of the concert; staff lift it."""

    code = "sale_stopped"
    title = _("Sale stopped")
    detail = _("The sale of this concert is stopped for a check. Nothing was charged; please wait.")


class SaleNotStopped(Conflict):
    """The sale that staff want to go on was not stopped."""

    code = "sale_not_stopped"
    title = _("Sale not stopped")
    detail = _("The sale of this concert is not stopped.")


class PerformanceNotFound(Missing):
    """The performance that staff act on is unknown."""

    code = "performance_not_found"
    title = _("Performance not found")
    detail = _("There is no such performance.")


class SeatsBlocked(Conflict):
    """All seats that staff want to block are blocked."""

    code = "seats_blocked"
    title = _("Blocked already")
    detail = _("All of these seats are blocked already.")


class SeatsNotBlocked(Conflict):
    """None of the seats that staff want to unblock is blocked."""

    code = "seats_not_blocked"
    title = _("Not blocked")
    detail = _("None of these seats is blocked.")


class ConcertNotReady(Conflict):
    """Something is missing without which a concert cannot be published."""

    code = "concert_not_ready"
    title = _("Concert not ready")
    detail = _("Something is still missing. The page of the concert says what.")


class PlanNotFound(Missing):
    """The plan is unknown, empty, or of another venue."""

    code = "plan_not_found"
    title = _("Seating plan not found")
    detail = _("The venue of the concert has no such seating plan with seats.")


class PerformanceOver(Conflict):
    """The performance has begun, was called off, or is unknown."""

    code = "performance_over"
    title = _("Performance over")
    detail = _("The performance is past or was called off.")


class PricesMissing(Conflict):
    """A plan has grades that the concert has no price for."""

    code = "prices_missing"
    title = _("Prices missing")
    detail = _("The plan has grades that have no price in the concert.")


class SeatsTaken(Conflict):
    """Seats that somebody has stand elsewhere in the plan, or nowhere."""

    code = "seats_taken"
    title = _("Seats taken")
    detail = _("Seats that are taken stand elsewhere in the plan, or nowhere. Nothing was changed.")


class StartsTaken(Conflict):
    """The concert has a performance at that time."""

    code = "starts_taken"
    title = _("Performance exists")
    detail = _("The concert has a performance at one of these times already. Nothing was made.")
