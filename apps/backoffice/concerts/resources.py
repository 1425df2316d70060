"""What the columns of imported and exported files are: concerts, performances, prices, seats.

Times are by the clock of the venue. Seats are exported only: they are made from plans.
"""

import re
from copy import copy
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import CharWidget, IntegerWidget, Widget

from apps.concerts.limits import YEAR_MAX, YEAR_MIN
from apps.concerts.models import Concert, ConcertPrice, Performance, Seat, Venue
from apps.concerts.transitions import note_seat_limit
from apps.core.audit import Actor, record_action
from apps.core.clock import read_clock
from apps.core.edits import find_changes, take_snapshot, write_all
from apps.core.limits import REASON_LENGTH_MAX
from apps.queue.models import WaitingRoom

# A cell that begins so is a formula to Excel; an apostrophe makes it a text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
ESCAPE = "'"
NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def escape_formula(value: Any) -> Any:
    """Return a cell that no program takes for a formula."""
    if not isinstance(value, str) or not value.startswith(FORMULA_STARTS):
        return value
    return value if NUMBER.fullmatch(value) else ESCAPE + value


class TextWidget(CharWidget):
    """A text; one that was escaped when it was exported is what it was."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        """Return the text."""
        text = super().clean(value, row, **kwargs)
        text = "" if text is None else str(text).strip()
        return (
            text[1:] if text.startswith(tuple(ESCAPE + start for start in FORMULA_STARTS)) else text
        )


class WholeNumberWidget(IntegerWidget):
    """A whole number, or nothing."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int | None:
        """Return the number. Raise `ValueError` for a part of one, which others would cut off."""
        if value is None or str(value).strip() == "":
            return None
        text = str(value).strip().removesuffix(".0")
        if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
            raise ValueError(_("“%(value)s” should be a whole number.") % {"value": value})
        return int(text)


class NamedWidget(Widget):
    """A row of another table, by the field that people know it by."""

    def __init__(self, model: Any, field: str) -> None:
        super().__init__()
        self.model, self.field = model, field

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        """Return the row. Raise `ValueError` where there is none."""
        name = TextWidget().clean(value)
        found = self.model.objects.filter(**{self.field: name}).first()
        if found is None:
            told = _("There is no %(model)s “%(name)s”.")
            raise ValueError(told % {"model": self.model._meta.verbose_name, "name": name})
        return found

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Return the name."""
        return getattr(value, self.field) if value else ""


class VenueTimeWidget(Widget):
    """A time by the venue's clock; what says its offset from UTC itself is taken at its word."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> datetime:
        """Return the time. Raise `ValueError` where it is none, or where the clocks skip it."""
        if not isinstance(value, datetime):
            try:
                value = datetime.fromisoformat(str(value).strip())
            except ValueError:
                told = _("“%(value)s” should be a date and a time, such as 2026-12-24 19:00.")
                raise ValueError(told % {"value": value}) from None
        if not YEAR_MIN <= value.year <= YEAR_MAX:
            told = _("The year of “%(value)s” should be %(first)s to %(last)s.")
            raise ValueError(told % {"value": value, "first": YEAR_MIN, "last": YEAR_MAX})
        if value.tzinfo is not None:
            return value.astimezone(UTC)
        zone = find_zone(row)
        at = value.replace(tzinfo=zone).astimezone(UTC)
        if at.astimezone(zone).replace(tzinfo=None) != value:
            told = _("“%(value)s” does not exist in %(zone)s: the clocks skip it.")
            raise ValueError(told % {"value": value, "zone": zone.key})
        return at


def find_zone(row: Any) -> ZoneInfo:
    """Return the time zone of the venue that a row names, or whose concert it names."""
    venues = Venue.objects.all()
    if row.get("venue"):
        venue = venues.filter(name=TextWidget().clean(row["venue"])).first()
    else:
        slug = TextWidget().clean(row.get("concert") or row.get("slug"))
        venue = venues.filter(concerts__slug=slug).first()
    if venue is None:
        raise ValueError(_("The time zone is not known: name a venue or a concert that exists."))
    return ZoneInfo(venue.time_zone)


def show_time(at: datetime, venue: Venue) -> str:
    """Return a time by the venue's clock, with its offset: what can be imported again."""
    return at.astimezone(ZoneInfo(venue.time_zone)).isoformat(" ", "minutes")


class ExchangeResource(ModelResource):
    """What all of them share: texts that are no formulas, and rows that are checked like a form's."""

    def export_field(self, field: Field, instance: Any, **kwargs: Any) -> Any:
        """Return a cell that no program takes for a formula."""
        return escape_formula(super().export_field(field, instance, **kwargs))

    def after_init_instance(self, instance: Any, new: bool, row: Any, **kwargs: Any) -> None:
        """Keep what the row was, to record what becomes of it."""
        instance.before_import = None if new else take_snapshot(copy(instance))

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        """Record who imported the row, from which file."""
        user = kwargs["user"]
        after = take_snapshot(instance)
        before = instance.before_import
        was, became = find_changes(before, after) if before else ({}, write_all(after))
        record_action(
            actor=Actor(name=user.get_username(), user_id=user.pk),
            action="import",
            subject=instance,
            reason=(kwargs.get("file_name") or "import")[:REASON_LENGTH_MAX],
            before=was,
            after=became,
            now=read_clock(),
        )

    class Meta:
        clean_model_instances = True
        skip_unchanged = True
        report_skipped = True
        use_transactions = True


class ConcertResource(ExchangeResource):
    """Concerts by their slug. Whether customers see one is exported, and never imported."""

    slug = Field("slug", "slug", TextWidget())
    title = Field("title", "title", TextWidget())
    artist = Field("artist", "artist", TextWidget())
    description = Field("description", "description", TextWidget())
    venue = Field("venue", "venue", NamedWidget(Venue, "name"))
    sales_open_at = Field("sales_open_at", "sales_open_at", VenueTimeWidget())
    sales_close_at = Field("sales_close_at", "sales_close_at", VenueTimeWidget())
    seats_per_customer = Field("seats_per_customer", "seats_per_customer", WholeNumberWidget())
    cancel_until_hours = Field("cancel_until_hours", "cancel_until_hours", WholeNumberWidget())
    currency = Field("currency", "currency", TextWidget())
    room = Field("room", "room", TextWidget())
    published = Field("published", "published", readonly=True)

    class Meta(ExchangeResource.Meta):
        model = Concert
        import_id_fields = ("slug",)
        fields = (
            "slug", "title", "artist", "description", "venue", "sales_open_at", "sales_close_at",
            "seats_per_customer", "cancel_until_hours", "currency", "room", "published",
        )  # fmt: skip

    def dehydrate_sales_open_at(self, concert: Concert) -> str:
        """The opening, by the venue's clock."""
        return _show_time_of(concert.sales_open_at, concert)

    def dehydrate_sales_close_at(self, concert: Concert) -> str:
        """The close, by the venue's clock."""
        return _show_time_of(concert.sales_close_at, concert)

    def validate_instance(
        self, instance: Any, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        """Refuse a room that does not exist, and another currency of what has prices already."""
        errors = dict(import_validation_errors or {})
        if not WaitingRoom.objects.filter(slug=instance.room).exists():
            told = _("There is no waiting room “%(room)s”.") % {"room": instance.room}
            errors["room"] = ValidationError(told)
        was = instance.before_import.values if instance.before_import else {}
        moves = was.get("currency", instance.currency) != instance.currency
        if moves and instance.performances.filter(seats__isnull=False).exists():
            told = _("The concert has seats with prices: its currency stays.")
            errors["currency"] = ValidationError(told)
        super().validate_instance(instance, errors, validate_unique)

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        """Record also where fewer seats are allowed than before."""
        super().after_save_instance(instance, row, **kwargs)
        user = kwargs["user"]
        if instance.before_import:
            note_seat_limit(
                instance,
                before=instance.before_import.values["seats_per_customer"],
                actor=Actor(name=user.get_username(), user_id=user.pk),
                now=read_clock(),
            )


class PerformanceResource(ExchangeResource):
    """Performances of concerts that exist; one that is there stays as it is."""

    concert = Field("concert", "concert", NamedWidget(Concert, "slug"))
    starts_at = Field("starts_at", "starts_at", VenueTimeWidget())

    class Meta(ExchangeResource.Meta):
        model = Performance
        import_id_fields = ("concert", "starts_at")
        fields = ("concert", "starts_at")

    def dehydrate_starts_at(self, performance: Performance) -> str:
        """The start, by the venue's clock."""
        return _show_time_of(performance.starts_at, performance.concert)


class PriceResource(ExchangeResource):
    """Prices by grade, in the currency's minor unit. Seats that exist keep theirs."""

    concert = Field("concert", "concert", NamedWidget(Concert, "slug"))
    grade = Field("grade", "grade", TextWidget())
    price = Field("price", "price", WholeNumberWidget())

    class Meta(ExchangeResource.Meta):
        model = ConcertPrice
        import_id_fields = ("concert", "grade")
        fields = ("concert", "grade", "price")


class SeatResource(ExchangeResource):
    """Seats of performances, for export."""

    concert = Field("performance__concert__slug", "concert")
    starts_at = Field("performance__starts_at", "starts_at")

    class Meta(ExchangeResource.Meta):
        model = Seat
        fields = (
            "concert", "starts_at", "section", "row", "number", "grade", "price", "x", "y",
            "position", "blocked", "blocked_reason",
        )  # fmt: skip
        export_order = fields

    def dehydrate_starts_at(self, seat: Seat) -> str:
        """The start, by the venue's clock."""
        return _show_time_of(seat.performance.starts_at, seat.performance.concert)


def _show_time_of(at: datetime | None, concert: Concert) -> str:
    # The preview of a new row asks before it has any.
    return show_time(at, concert.venue) if at and concert.venue_id else ""
