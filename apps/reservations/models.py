"""A hold and the reservation that it becomes: one row through its life, and a line for each seat.

The state is the reservation's; a line only says whether it still claims its seat. A claim ends by
`released_at`, or by the clock: see `deadlines`.
"""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.concerts.models import Performance, Seat
from apps.reservations.deadlines import is_overdue, live, overdue


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Queries over holds and reservations. What is overdue is over, swept or not."""

    def live(self, now: datetime) -> "ReservationQuerySet":
        """Return those that claim their seats at `now`."""
        return self.filter(live(now))

    def overdue(self, now: datetime) -> "ReservationQuerySet":
        """Return the unpaid ones whose deadline has passed and that nobody has written down."""
        return self.filter(overdue(now))


class Reservation(models.Model):
    """A customer's claim on seats of one performance: held, then reserved, then paid."""

    class Status(models.TextChoices):
        HELD = "held", _("held")
        RESERVED = "reserved", _("reserved, not paid")
        CONFIRMED = "confirmed", _("confirmed")
        EXPIRED = "expired", _("expired")
        CANCELLED = "cancelled", _("cancelled")

    class EndCause(models.TextChoices):
        DEADLINE = "deadline", _("the deadline passed")
        CUSTOMER = "customer", _("the customer gave it back")
        STAFF = "staff", _("staff ended it")
        CALLED_OFF = "called_off", _("the performance was called off")

    # Neither has an index of its own: those below begin with them.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("customer"),
    )
    performance = models.ForeignKey(
        Performance, models.PROTECT, db_index=False, related_name="+", verbose_name=_("performance")
    )
    status = models.CharField(_("status"), max_length=10, choices=Status.choices)
    total = models.BigIntegerField(_("total"))
    currency = models.CharField(_("currency"), max_length=3)
    held_at = models.DateTimeField(_("held at"))
    expires_at = models.DateTimeField(
        _("expires at"), help_text=_("Set when the seats are held; it never moves.")
    )
    reserved_at = models.DateTimeField(_("reserved at"), null=True)
    confirmed_at = models.DateTimeField(_("confirmed at"), null=True)
    ended_at = models.DateTimeField(_("expired or cancelled at"), null=True)
    end_cause = models.CharField(
        _("why it ended"), max_length=10, choices=EndCause.choices, null=True
    )
    # The id of its payment in the app above this one.
    payment_id = models.BigIntegerField(_("payment"), null=True, unique=True)
    # Its lines with their seats, in house order, where a service has just read or written them.
    known_lines: "list[ReservationSeat] | None" = None
    # The transaction that changed it last, kept by a trigger, for `?since=`.
    changed_in = models.BigIntegerField(default=0, editable=False)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        permissions = [
            ("release_reservation", "Can end a hold or an unpaid reservation"),
            ("move_reservation", "Can move a reservation to other seats"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("held_at")), name="reservation_deadline"
            ),
            models.CheckConstraint(condition=Q(total__gte=0), name="reservation_total"),
            models.CheckConstraint(
                condition=Q(
                    status="confirmed", payment_id__isnull=False, confirmed_at__isnull=False
                )
                | ~Q(status="confirmed"),
                name="reservation_confirmed_is_paid",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["held", "reserved", "confirmed"],
                    ended_at__isnull=True,
                    end_cause__isnull=True,
                )
                | Q(status="expired", ended_at__isnull=False, end_cause="deadline")
                | Q(
                    status="cancelled",
                    ended_at__isnull=False,
                    end_cause__in=["customer", "staff", "called_off"],
                ),
                name="reservation_end",
            ),
            models.CheckConstraint(
                condition=Q(status="held", reserved_at__isnull=True)
                | Q(status__in=["reserved", "confirmed"], reserved_at__isnull=False)
                | Q(status__in=["expired", "cancelled"]),
                name="reservation_reserved",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-id"], name="reservation_newest"),
            models.Index(
                fields=["performance"],
                name="reservation_live",
                condition=Q(status__in=("held", "reserved", "confirmed")),
            ),
            models.Index(
                fields=["expires_at"],
                name="reservation_deadlines",
                condition=Q(status__in=("held", "reserved")),
            ),
            models.Index(fields=["performance", "changed_in"], name="reservation_changes"),
            # Staff's lists. Rows enter it as they end, so holding and paying never write it.
            models.Index(
                fields=["end_cause", "-id"],
                name="reservation_ended",
                condition=Q(end_cause__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"

    def is_overdue(self, now: datetime) -> bool:
        """Say whether this unpaid claim's time is over."""
        unpaid = self.status in (self.Status.HELD, self.Status.RESERVED)
        return unpaid and is_overdue(self.expires_at, now)


class ReservationSeatQuerySet(models.QuerySet["ReservationSeat"]):
    """Queries over the lines of reservations."""

    def live(self, now: datetime) -> "ReservationSeatQuerySet":
        """Return the lines that claim their seat at `now`."""
        return self.filter(live(now, "reservation__"), released_at__isnull=True)


class ReservationSeat(models.Model):
    """One seat of a reservation, at the price it had."""

    reservation = models.ForeignKey(
        Reservation, models.PROTECT, related_name="lines", verbose_name=_("reservation")
    )
    seat = models.ForeignKey(Seat, models.PROTECT, related_name="+", verbose_name=_("seat"))
    price = models.BigIntegerField(_("price"))
    released_at = models.DateTimeField(_("released at"), null=True)

    objects = ReservationSeatQuerySet.as_manager()

    class Meta:
        verbose_name = _("reserved seat")
        verbose_name_plural = _("reserved seats")
        constraints = [
            # The last fence against a seat sold twice; the row locks are the first.
            models.UniqueConstraint(
                fields=["seat"],
                condition=Q(released_at__isnull=True),
                name="reservation_seat_claimed_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seat_id}"
