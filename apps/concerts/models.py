"""Venues with their plans, concerts, performances and seats: static while they are on sale, but for
staff blocking seats."""

from datetime import date as Date
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.transaction import atomic
from django.utils.translation import gettext_lazy as _

from apps.concerts import limits


def default_currency() -> str:
    """Return the currency that new concerts are sold in (ISO 4217)."""
    return settings.CURRENCY


def default_time_zone() -> str:
    """Return the time zone that new venues are in (IANA name)."""
    return settings.TIME_ZONE


def default_seats_per_customer() -> int:
    """Return how many seats one customer may have of one performance, unless the concert says otherwise."""
    return settings.SEATS_PER_CUSTOMER


def validate_time_zone(name: str) -> None:
    """Raise `ValidationError` where `name` is no IANA time zone."""
    if name not in available_timezones():
        raise ValidationError(_("“%(name)s” is no IANA time zone."), params={"name": name})


class Venue(models.Model):
    """Where concerts take place. Its time zone decides on which date a performance is."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default=default_time_zone, validators=[validate_time_zone]
    )

    class Meta:
        verbose_name = _("venue")
        verbose_name_plural = _("venues")

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; performances here go on the date that their start has in the venue's time zone."""
        with atomic():
            super().save(*args, **kwargs)
            move_dates(Performance.objects.filter(concert__venue=self))


class SeatingPlan(models.Model):
    """Where the seats of a venue are: drawn once, for any number of performances.

    Performances have seats of their own, made from it: a change of the plan changes none of them.
    """

    venue = models.ForeignKey(Venue, models.PROTECT, related_name="plans", verbose_name=_("venue"))
    name = models.CharField(_("name"), max_length=100)
    seat_count = models.PositiveIntegerField(_("seats"), default=0, editable=False)
    # The sections that staff drew, as the form had them; none where the seats came from a file.
    drawing = models.JSONField(default=list, blank=True, editable=False)

    class Meta:
        verbose_name = _("seating plan")
        verbose_name_plural = _("seating plans")
        constraints = [
            models.UniqueConstraint(fields=["venue", "name"], name="plan_once"),
        ]

    def __str__(self) -> str:
        return f"{self.venue}, {self.name}"


class PlanSeat(models.Model):
    """One seat of a plan."""

    plan = models.ForeignKey(
        SeatingPlan, models.CASCADE, related_name="seats", verbose_name=_("seating plan")
    )
    section = models.CharField(_("section"), max_length=50)
    row = models.CharField(_("row"), max_length=20)
    number = models.CharField(_("number"), max_length=20)
    grade = models.CharField(_("grade"), max_length=50)
    x = models.FloatField("x")
    y = models.FloatField("y")
    position = models.PositiveIntegerField(_("house order"))

    class Meta:
        verbose_name = _("seat of a plan")
        verbose_name_plural = _("seats of a plan")
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "section", "row", "number"], name="plan_seat_once"
            ),
            models.UniqueConstraint(fields=["plan", "position"], name="plan_seat_house_order"),
        ]

    def __str__(self) -> str:
        return f"{self.section} {self.row}-{self.number}"


class ConcertQuerySet(models.QuerySet["Concert"]):
    """Queries over concerts."""

    def published(self) -> "ConcertQuerySet":
        """Return the concerts that customers may see."""
        return self.filter(published=True)


class Concert(models.Model):
    """What is on sale, within its sales window and under its limits."""

    class SaleState(models.TextChoices):
        DRAFT = "draft", _("draft")
        SOON = "soon", _("soon on sale")
        ON_SALE = "on_sale", _("on sale")
        OVER = "over", _("sale over")
        STOPPED = "stopped", _("sale stopped")

    slug = models.SlugField(_("slug"), max_length=100, unique=True)
    title = models.CharField(_("title"), max_length=200)
    artist = models.CharField(_("artist"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    venue = models.ForeignKey(
        Venue, models.PROTECT, related_name="concerts", verbose_name=_("venue")
    )
    sales_open_at = models.DateTimeField(_("sales open at"))
    sales_close_at = models.DateTimeField(_("sales close at"))
    seats_per_customer = models.PositiveSmallIntegerField(
        _("seats per customer"),
        default=default_seats_per_customer,
        validators=[MinValueValidator(1), MaxValueValidator(limits.SEATS_PER_CUSTOMER_MAX)],
        help_text=_("For each performance, live holds counted."),
    )
    cancel_until_hours = models.PositiveSmallIntegerField(
        _("cancellation cut-off"),
        default=limits.CANCEL_UNTIL_HOURS_DEFAULT,
        validators=[MaxValueValidator(limits.CANCEL_UNTIL_HOURS_MAX)],
        help_text=_("Hours before a performance until which its reservations can be cancelled."),
    )
    currency = models.CharField(_("currency"), max_length=3, default=default_currency)
    published = models.BooleanField(_("published"), default=False)
    # The slug of a room of the queue app, which stands above this one and adds the foreign key.
    room = models.SlugField(
        _("waiting room"), max_length=100, default=limits.MAIN_ROOM, db_index=False
    )

    # Set by the guard of the invariants, lifted by staff: nothing is held, reserved or paid meanwhile.
    sale_stopped_at = models.DateTimeField(_("sale stopped at"), null=True, editable=False)
    sale_stopped_reason = models.CharField(
        _("why the sale was stopped"), max_length=200, blank=True, editable=False
    )

    # The rehearsal that made it and removes it, by its name: it is sold, but on no list.
    rehearsal = models.CharField(max_length=50, null=True, editable=False)

    objects = ConcertQuerySet.as_manager()

    class Meta:
        verbose_name = _("concert")
        verbose_name_plural = _("concerts")
        permissions = [
            ("publish_concert", "Can put a concert on sale or take it off"),
            ("resume_sale", "Can let a stopped sale go on"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(sales_open_at__lt=F("sales_close_at")), name="concert_sales_window"
            ),
            models.CheckConstraint(
                condition=Q(seats_per_customer__gte=1), name="concert_seats_per_customer"
            ),
            models.CheckConstraint(
                condition=Q(sale_stopped_at__isnull=True) | ~Q(sale_stopped_reason=""),
                name="concert_sale_stopped_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; the performances go on the date that their start has at the venue."""
        with atomic():
            super().save(*args, **kwargs)
            move_dates(Performance.objects.filter(concert=self))

    def clean(self) -> None:
        """Refuse a sales window that closes before it opens."""
        if self.sales_open_at and self.sales_close_at and self.sales_open_at >= self.sales_close_at:
            raise ValidationError({"sales_close_at": _("Sales should close after they open.")})

    def is_on_sale(self, now: datetime) -> bool:
        """Say whether seats may be held at `now`."""
        return self.sales_open_at <= now < self.sales_close_at

    def get_sale_state(self, now: datetime) -> SaleState:
        """Return how the sale stands at `now`. That nobody sees it, or that it is stopped, goes first."""
        if not self.published:
            return self.SaleState.DRAFT
        if self.sale_stopped_at is not None:
            return self.SaleState.STOPPED
        if now < self.sales_open_at:
            return self.SaleState.SOON
        return self.SaleState.ON_SALE if self.is_on_sale(now) else self.SaleState.OVER


class ConcertPrice(models.Model):
    """What a seat of a grade costs. The seats that are made from a plan get it; a change of it changes
    no seat that exists."""

    concert = models.ForeignKey(
        Concert, models.CASCADE, related_name="prices", verbose_name=_("concert")
    )
    grade = models.CharField(_("grade"), max_length=50)
    price = models.BigIntegerField(
        _("price"),
        help_text=_("In the currency's minor unit."),
        validators=[MinValueValidator(0), MaxValueValidator(limits.PRICE_MAX)],
    )

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints = [
            models.UniqueConstraint(fields=["concert", "grade"], name="price_once"),
            models.CheckConstraint(
                condition=Q(price__gte=0, price__lte=limits.PRICE_MAX), name="concert_price"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.concert}, {self.grade}"


class Performance(models.Model):
    """One show of a concert. Two on one date are allowed."""

    concert = models.ForeignKey(
        Concert, models.PROTECT, related_name="performances", verbose_name=_("concert")
    )
    starts_at = models.DateTimeField(_("starts at"))
    date = models.DateField(
        _("date"), editable=False, help_text=_("The calendar date in the venue's time zone.")
    )
    called_off_at = models.DateTimeField(_("called off at"), null=True, editable=False)

    class Meta:
        verbose_name = _("performance")
        verbose_name_plural = _("performances")
        permissions = [
            ("call_off_performance", "Can call a performance off"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["concert", "starts_at"], name="performance_once_at_a_time"
            ),
        ]
        indexes = [models.Index(fields=["concert", "date"], name="performance_by_date")]

    def __str__(self) -> str:
        return f"{self.concert} {self.date}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, with the date that the start has at the venue."""
        self.date = self.date_at_venue()
        super().save(*args, **kwargs)

    def date_at_venue(self) -> Date:
        """Return the calendar date that the start has in the venue's time zone."""
        return self.starts_at.astimezone(ZoneInfo(self.concert.venue.time_zone)).date()

    def cancellable_until(self) -> datetime:
        """Return the moment until which a paid reservation can be cancelled."""
        return self.starts_at - timedelta(hours=self.concert.cancel_until_hours)


def move_dates(performances: models.QuerySet[Performance]) -> None:
    """Give each performance the date that its start has at its venue."""
    for performance in performances.select_related("concert__venue"):
        if performance.date != performance.date_at_venue():
            performance.save(update_fields=["date"])


class Seat(models.Model):
    """One seat of one performance."""

    # No index of its own: one below begins with it.
    performance = models.ForeignKey(
        Performance,
        models.CASCADE,
        db_index=False,
        related_name="seats",
        verbose_name=_("performance"),
    )
    section = models.CharField(_("section"), max_length=50)
    row = models.CharField(_("row"), max_length=20)
    number = models.CharField(_("number"), max_length=20)
    grade = models.CharField(_("grade"), max_length=50)
    price = models.BigIntegerField(_("price"), help_text=_("In the currency's minor unit."))
    x = models.FloatField("x")
    y = models.FloatField("y")
    position = models.PositiveIntegerField(
        _("house order"), help_text=_("Neighbours in a row have positions one apart.")
    )
    blocked = models.BooleanField(_("blocked"), default=False)
    blocked_reason = models.CharField(_("reason for blocking"), max_length=200, blank=True)
    # The transaction that last blocked or unblocked it, kept by a trigger, for `?since=`.
    changed_in = models.BigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("seat")
        verbose_name_plural = _("seats")
        permissions = [
            ("block_seat", "Can block and unblock seats"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["performance", "section", "row", "number"], name="seat_once"
            ),
            models.CheckConstraint(
                condition=Q(price__gte=0, price__lte=limits.PRICE_MAX), name="seat_price"
            ),
            models.CheckConstraint(
                condition=Q(blocked=False) | ~Q(blocked_reason=""), name="seat_blocked_with_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["performance", "position"], name="seat_house_order"),
            models.Index(fields=["performance", "changed_in"], name="seat_changes"),
        ]

    def __str__(self) -> str:
        return f"{self.section} {self.row}-{self.number}"
