"""Concerts in the admin: what they say, their prices and performances, and whether customers see them."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import action, display

from apps.concerts.models import Concert, ConcertPrice, Performance
from apps.concerts.publishing import Gap, Place, find_gaps
from apps.concerts.selectors import filter_by_sale_state, was_ever_published
from apps.concerts.services import publish_concert, resume_sale, unpublish_concert
from apps.concerts.transitions import note_seat_limit
from apps.core.admin import StaffAdmin, actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, confirm
from apps.core.money import format_money

SaleState = Concert.SaleState
STATE_COLOURS = {
    SaleState.DRAFT: "default",
    SaleState.SOON: "info",
    SaleState.ON_SALE: "success",
    SaleState.OVER: "default",
    SaleState.STOPPED: "danger",
}

MENDING = {
    Place.CONCERT: _("Change the concert"),
    Place.PRICES: _("Set prices"),
    Place.PERFORMANCES: _("Add performances"),
    Place.SEATS: _("Make its seats"),
    Place.PLANS: _("Draw a seating plan"),
    Place.ROOM: _("See the waiting room"),
}


class SaleStateFilter(admin.SimpleListFilter):
    """Concerts by how their sale stands."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return the states."""
        return SaleState.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Concert]) -> QuerySet[Concert]:
        """Return the concerts of the chosen state."""
        state = self.value()
        if state not in SaleState.values:
            return queryset
        return filter_by_sale_state(queryset, SaleState(str(state)), now=read_clock())


class PriceInline(TabularInline):
    """The prices of a concert."""

    model = ConcertPrice
    extra = 0
    hide_title = True
    fields = ("grade", "price", "shown_price")
    readonly_fields = ("shown_price",)
    ordering = ("-price",)

    @admin.display(description=_("as customers see it"))
    def shown_price(self, price: ConcertPrice) -> str:
        """The price as people write it."""
        return format_money(price.price, price.concert.currency) if price.pk else "-"


class PerformanceInline(TabularInline):
    """The performances of a concert."""

    model = Performance
    extra = 0
    hide_title = True
    fields = ("starts_at", "date", "called_off_at")
    readonly_fields = ("date", "called_off_at")
    ordering = ("starts_at",)
    show_change_link = True


@admin.register(Concert)
class ConcertAdmin(StaffAdmin):
    """Concerts with their prices and performances."""

    list_display: tuple[str, ...] = (
        "title", "artist", "venue", "state", "sales_open_at", "sales_close_at", "room",
    )  # fmt: skip
    list_select_related = ("venue",)
    list_filter = (SaleStateFilter, "venue", "room")
    list_per_page = 25
    search_fields = ("title", "artist", "slug")
    ordering = ("-id",)
    fieldsets = (
        (_("What it is"), {"fields": ("title", "artist", "slug", "description", "venue")}),
        (
            _("Sale"),
            {"fields": ("sales_open_at", "sales_close_at", "room", "currency")},
        ),
        (_("Rules"), {"fields": (("seats_per_customer", "cancel_until_hours"),)}),
    )
    stopped_fieldset = (
        _("Sale stopped"), {"fields": ("sale_stopped_at", "sale_stopped_reason")},
    )  # fmt: skip
    readonly_fields = ("sale_stopped_at", "sale_stopped_reason")
    autocomplete_fields = ("venue",)
    inlines = (PriceInline, PerformanceInline)
    change_form_outer_before_template = "admin/concerts/concert/readiness.html"
    actions_detail: tuple[str, ...] = ("publish", "unpublish", "resume_sale")
    has_publish_permission = staff_permission("concerts.publish_concert")
    has_resume_sale_permission = staff_permission("concerts.resume_sale")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Say why a sale is stopped where it is."""
        if obj is not None and obj.sale_stopped_at is not None:
            return (self.stopped_fieldset, *self.fieldsets)
        return self.fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the slug that customers may know, and the currency of what has a price already."""
        kept = []
        if obj is not None and was_ever_published(obj):
            kept.append("slug")
        if obj is not None and obj.performances.filter(seats__isnull=False).exists():
            kept.append("currency")
        return (*self.readonly_fields, *kept)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Make the slug of a new concert from its title."""
        return {} if obj else {"slug": ("title",)}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and record where fewer seats are allowed than before."""
        with atomic():
            super().save_model(request, obj, form, change)
            if change:
                note_seat_limit(
                    obj,
                    before=form.initial["seats_per_customer"],
                    actor=actor_of(request),
                    now=read_clock(),
                )

    @display(description=_("state"), label=STATE_COLOURS, ordering="published")
    def state(self, concert: Concert) -> tuple[str, Any]:
        """How the sale stands."""
        state = concert.get_sale_state(read_clock())
        return state, state.label

    # What is missing

    def find_more_gaps(self, concert: Concert) -> Sequence[Gap]:
        """Return what the concert lacks by what only the apps above know."""
        return ()

    def link_gap(self, gap: Gap, concert: Concert) -> str:
        """Return the address where a gap is mended."""
        page = reverse("admin:concerts_concert_change", args=[concert.pk])
        if gap.place == Place.PLANS:
            return reverse("admin:concerts_seatingplan_add") + f"?venue={gap.row_id}"
        if gap.place == Place.SEATS:
            return reverse("admin:concerts_performance_change", args=[gap.row_id])
        anchors = {Place.PRICES: "#prices-group", Place.PERFORMANCES: "#performances-group"}
        return page + anchors.get(gap.place, "")

    def describe_gaps(self, concert: Concert) -> list[dict[str, Any]]:
        """Return what the concert lacks, each with where it is mended."""
        gaps = [*find_gaps(concert, now=read_clock()), *self.find_more_gaps(concert)]
        return [
            {
                "text": gap.text,
                "blocks": gap.blocks,
                "link": self.link_gap(gap, concert),
                "mend": MENDING[gap.place],
            }
            for gap in gaps
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the concert with its state and, before customers see it, what it lacks."""
        concert = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if concert is not None:
            context["sale_state"] = concert.get_sale_state(read_clock())
            if not concert.published:
                context["gaps"] = self.describe_gaps(concert)
        return super().change_view(request, object_id, form_url, context)

    # Actions

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer what the state of the concert leaves to do."""
        if name == "publish":
            return not row.published
        if name == "unpublish":
            return row.published
        if name == "resume_sale":
            return row.sale_stopped_at is not None
        return super().offers_action(name, row)

    @action(
        description=_("Publish"), url_path="publish", permissions=["publish"], icon="visibility"
    )
    def publish(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Say what is missing; where nothing is, ask for a reason, and let customers see the concert."""
        concert = self.get_row(request, object_id)
        gaps = self.describe_gaps(concert)
        done = reverse("admin:concerts_concert_change", args=[concert.pk])
        if any(gap["blocks"] for gap in gaps):
            context = {
                **self.admin_site.each_context(request),
                "title": _("Not ready to be published"),
                "opts": self.opts,
                "concert": concert,
                "gaps": gaps,
                "done": done,
            }
            return TemplateResponse(request, "admin/concerts/concert/not_ready.html", context)

        def act(cleaned: dict[str, Any]) -> Any:
            publish_concert(
                concert_id=concert.pk,
                actor=actor_of(request),
                reason=cleaned["reason"],
                now=read_clock(),
                find_more_gaps=self.find_more_gaps,
            )
            return _("Customers see the concert.")

        return confirm(
            request,
            Confirmation(
                title=_("Publish"),
                subject=concert,
                consequences=[*self._describe_publishing(concert), *(gap["text"] for gap in gaps)],
                button=_("Publish"),
                act=act,
                done=done,
            ),
        )

    def _describe_publishing(self, concert: Concert) -> list[Any]:
        now = read_clock()
        if concert.is_on_sale(now):
            sale = _("Its sale is open: customers can buy at once.")
        else:
            sale = _("Customers see it; they can buy from the opening of its sale on.")
        return [sale, _("Its address stays as it is: %(slug)s") % {"slug": concert.slug}]

    @action(
        description=_("Take out of sight"),
        url_path="unpublish",
        permissions=["publish"],
        icon="visibility_off",
    )
    def unpublish(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Ask for a reason, and take the concert out of customers' sight."""
        concert = self.get_row(request, object_id)

        def act(cleaned: dict[str, Any]) -> Any:
            unpublish_concert(
                concert_id=concert.pk,
                actor=actor_of(request),
                reason=cleaned["reason"],
                now=read_clock(),
            )
            return _("Customers do not see the concert any more.")

        return confirm(
            request,
            Confirmation(
                title=_("Take out of sight"),
                subject=concert,
                consequences=[
                    _("Customers do not see the concert any more and can hold no seats of it."),
                    _("What they have reserved and paid for stays theirs."),
                ],
                button=_("Take out of sight"),
                act=act,
                done=reverse("admin:concerts_concert_change", args=[concert.pk]),
                dangerous=True,
            ),
        )

    @action(
        description=_("Let the sale go on"),
        url_path="resume-sale",
        permissions=["resume_sale"],
        icon="play_arrow",
    )
    def resume_sale(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a reason, and let a stopped sale go on."""
        concert = self.get_row(request, object_id)

        def act(cleaned: dict[str, Any]) -> Any:
            resume_sale(
                concert_id=concert.pk,
                actor=actor_of(request),
                reason=cleaned["reason"],
                now=read_clock(),
            )
            return _("The sale goes on.")

        consequences: list[Any] = []
        if concert.sale_stopped_at:
            consequences = [
                _("It was stopped: %(reason)s") % {"reason": concert.sale_stopped_reason},
                _("Seats can be held, reserved and paid for again."),
            ]
        return confirm(
            request,
            Confirmation(
                title=_("Let the sale go on"),
                subject=concert,
                consequences=consequences,
                button=_("Let the sale go on"),
                act=act,
                done=reverse("admin:concerts_concert_change", args=[concert.pk]),
            ),
        )

    def get_row(self, request: HttpRequest, object_id: Any) -> Concert:
        """Return the concert of an action's page. Raise `Http404`."""
        concert = self.get_object(request, str(object_id))
        if concert is None:
            raise Http404
        return concert
