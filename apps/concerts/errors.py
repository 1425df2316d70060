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
