"""Concerts and performances as staff work with them: with sales, rooms, seats, import and export."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action

from apps.backoffice.concerts import seats
from apps.backoffice.concerts.counts import count_by_concert, count_by_performance
from apps.backoffice.concerts.exchange import ListExportMixin, ListImportExportMixin
from apps.backoffice.concerts.lists import SeatCountMixin
from apps.backoffice.concerts.resources import (
    ConcertResource,
    PerformanceResource,
    PriceResource,
    SeatResource,
)
from apps.concerts.admin import ConcertPriceAdmin, PerformanceAdmin, SeatAdmin
from apps.concerts.models import Concert, ConcertPrice, Performance, Seat
from apps.concerts.publishing import Gap, Place
from apps.core.admin import actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, confirm
from apps.core.money import format_money
from apps.payments.calling_off import call_off_performance, count_outstanding
from apps.queue.admin import GuardedConcertAdmin
from apps.queue.models import WaitingRoom

admin.site.unregister((Concert, ConcertPrice, Performance, Seat))


@admin.register(Concert)
class SellingConcertAdmin(SeatCountMixin, ListImportExportMixin, GuardedConcertAdmin):
    """Concerts with the seats that are sold."""

    resource_classes = [ConcertResource]
    count_seats = staticmethod(count_by_concert)
    list_display = (
        "title", "artist", "venue", "state", "sold", "sales_open_at", "sales_close_at", "room",
    )  # fmt: skip
    actions_detail = ("add_performances", *GuardedConcertAdmin.actions_detail)
    has_add_performances_permission = staff_permission("concerts.add_performance")

    def find_more_gaps(self, concert: Concert) -> Sequence[Gap]:
        """Return what is wrong with the concert's waiting room."""
        room = WaitingRoom.objects.filter(slug=concert.room).first()
        if room is None:
            text = _("Its waiting room “%(room)s” does not exist.") % {"room": concert.room}
            return [Gap(text=str(text), place=Place.CONCERT)]
        if room.state == WaitingRoom.State.CLOSED:
            text = _("Its waiting room “%(room)s” is closed: nobody gets in.") % {"room": room}
            return [Gap(text=str(text), place=Place.ROOM, row_id=room.pk)]
        return []

    def link_gap(self, gap: Gap, concert: Concert) -> str:
        """Return the address where a gap is mended."""
        if gap.place == Place.ROOM:
            return reverse("admin:queue_waitingroom_change", args=[gap.row_id])
        if gap.place == Place.SEATS:
            return reverse("admin:concerts_performance_make_seats", args=[gap.row_id])
        if gap.place == Place.PERFORMANCES:
            return reverse("admin:concerts_concert_add_performances", args=[concert.pk])
        return super().link_gap(gap, concert)

    @action(
        description=_("Add performances"),
        url_path="add-performances",
        permissions=["add_performances"],
        icon="event",
    )
    def add_performances(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Ask for starts and a plan, and make performances with their seats."""
        return seats.add_shows(request, self.get_row(request, object_id))


@admin.register(ConcertPrice)
class ExchangedPriceAdmin(ListImportExportMixin, ConcertPriceAdmin):
    """Prices, with import and export."""

    resource_classes = [PriceResource]


@admin.register(Seat)
class ExportedSeatAdmin(ListExportMixin, SeatAdmin):
    """Seats, with export alone: they are made from plans."""

    resource_classes = [SeatResource]
    list_select_related = ("performance__concert__venue",)


@admin.register(Performance)
class SellingPerformanceAdmin(SeatCountMixin, ListImportExportMixin, PerformanceAdmin):
    """Performances with the seats that are sold; they get seats from plans, and are called off."""

    resource_classes = [PerformanceResource]
    count_seats = staticmethod(count_by_performance)
    list_display = ("concert", "date", "start_at_venue", "sold", "called_off_at")
    actions_detail = (*PerformanceAdmin.actions_detail, "make_seats", "call_off")
    has_make_seats_permission = staff_permission("concerts.add_seat")
    has_call_off_permission = staff_permission("concerts.call_off_performance")

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer nothing but its seat map for a performance that was called off."""
        if name in ("make_seats", "call_off"):
            return row.called_off_at is None
        return super().offers_action(name, row)

    @action(
        description=_("Make the seats from a plan"),
        url_path="make-seats",
        permissions=["make_seats"],
        icon="event_seat",
    )
    def make_seats(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Ask for a plan, say what it does, and make the seats."""
        return seats.make_seats(request, self._get_row(request, object_id))

    @action(
        description=_("Call off"),
        url_path="call-off",
        permissions=["call_off"],
        icon="event_busy",
    )
    def call_off(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Say how much goes back to how many, ask for a reason, and call the performance off."""
        performance = self._get_row(request, object_id)

        def act(cleaned: dict[str, Any]) -> Any:
            call_off_performance(
                performance_id=performance.pk,
                actor=actor_of(request),
                reason=cleaned["reason"],
                now=read_clock(),
            )
            return _("The performance is called off. Everybody gets their money back.")

        return confirm(
            request,
            Confirmation(
                title=_("Call the performance off"),
                subject=performance,
                consequences=describe_calling_off(performance),
                button=_("Call off for good"),
                act=act,
                done=reverse("admin:concerts_performance_change", args=[performance.pk]),
                dangerous=True,
            ),
        )

    def _get_row(self, request: HttpRequest, object_id: Any) -> Performance:
        performance = self.get_object(request, str(object_id))
        if performance is None:
            raise Http404
        return performance


def describe_calling_off(performance: Performance) -> list[Any]:
    """Return in sentences what calling a performance off does."""
    if performance.called_off_at is not None:
        return [_("It is called off already: nothing more happens.")]
    outstanding = count_outstanding(Performance.objects.filter(pk=performance.pk))
    money = format_money(outstanding.money, performance.concert.currency)
    paid = ngettext(
        "%(count)s paid reservation is cancelled and %(money)s goes back.",
        "%(count)s paid reservations are cancelled and %(money)s go back.",
        outstanding.paid,
    )
    unpaid = ngettext(
        "%(count)s hold or unpaid reservation ends.",
        "%(count)s holds and unpaid reservations end.",
        outstanding.unpaid,
    )
    return [
        _("Nobody can buy seats of it any more."),
        paid % {"count": f"{outstanding.paid:,}", "money": money},
        unpaid % {"count": f"{outstanding.unpaid:,}"},
        _("The money goes to the customers' wallets within minutes."),
        _("This cannot be undone."),
    ]
