"""Waiting rooms and the places in their lines."""

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.queue import limits


class WaitingRoom(models.Model):
    """A line with its own limits. Admission and joining lock this row, so a room has one order."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        PAUSED = "paused", _("paused: joins, no entries")
        DRAINING = "draining", _("draining: entries, no joins")
        CLOSED = "closed", _("closed")

    slug = models.SlugField(_("slug"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    capacity = models.PositiveIntegerField(
        _("capacity"),
        validators=[MinValueValidator(1), MaxValueValidator(limits.CAPACITY_MAX)],
        help_text=_("How many may be inside at once."),
    )
    admit_per_minute = models.PositiveIntegerField(
        _("entries a minute"),
        default=0,
        validators=[MaxValueValidator(limits.ADMIT_PER_MINUTE_MAX)],
        help_text=_("0 is no limit."),
    )
    session_seconds = models.PositiveIntegerField(
        _("session (seconds)"),
        validators=[
            MinValueValidator(limits.SESSION_SECONDS_MIN),
            MaxValueValidator(limits.SESSION_SECONDS_MAX),
        ],
        help_text=_("How long somebody may stay inside."),
    )
    idle_seconds = models.PositiveIntegerField(
        _("idle limit (seconds)"),
        validators=[
            MinValueValidator(limits.IDLE_SECONDS_MIN),
            MaxValueValidator(limits.IDLE_SECONDS_MAX),
        ],
        help_text=_("How long somebody may be silent before they lose their place."),
    )
    last_number = models.BigIntegerField(_("last number"), default=0, editable=False)
    now_serving = models.BigIntegerField(_("now serving"), default=0, editable=False)
    admissions_per_second = models.FloatField(
        _("admissions a second"), default=0, editable=False, help_text=_("As seen lately.")
    )
    admission_checked_at = models.DateTimeField(_("last admission"), null=True, editable=False)

    class Meta:
        verbose_name = _("waiting room")
        verbose_name_plural = _("waiting rooms")
        constraints = [
            models.CheckConstraint(condition=Q(capacity__gte=1), name="room_capacity"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def takes_joins(self) -> bool:
        """Say whether one may take a place in line."""
        return self.state in (self.State.OPEN, self.State.PAUSED)

    @property
    def lets_in(self) -> bool:
        """Say whether those who wait are let in."""
        return self.state in (self.State.OPEN, self.State.DRAINING)

    def silent_since(self, now: datetime) -> datetime:
        """Return the moment at or before which the last call of a silent customer was."""
        return now - timedelta(seconds=self.idle_seconds)


class QueueEntryQuerySet(models.QuerySet["QueueEntry"]):
    """Queries over the places in line. What the clock has ended is ended, swept or not."""

    def waiting(self, room: WaitingRoom, now: datetime) -> "QueueEntryQuerySet":
        """Return those who wait in `room` and are not silent."""
        return self.filter(
            room=room,
            state=QueueEntry.State.WAITING,
            last_seen_at__gt=room.silent_since(now),
        )

    def admitted(self, room: WaitingRoom, now: datetime) -> "QueueEntryQuerySet":
        """Return those who are inside `room`, neither silent nor over their time."""
        return self.filter(
            room=room,
            state=QueueEntry.State.ADMITTED,
            last_seen_at__gt=room.silent_since(now),
            session_expires_at__gt=now,
        )

    def overdue(self, room: WaitingRoom, now: datetime) -> "QueueEntryQuerySet":
        """Return those of `room` whom the clock has ended and no sweep has written down."""
        return self.filter(room=room, state__in=QueueEntry.LIVE_STATES).filter(
            Q(last_seen_at__lte=room.silent_since(now)) | Q(session_expires_at__lte=now)
        )


class QueueEntry(models.Model):
    """One customer's place in one room."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        ADMITTED = "admitted", _("admitted")
        ENDED = "ended", _("ended")

    class EndReason(models.TextChoices):
        REISSUED = "reissued", _("reissued")
        IDLE = "idle", _("idle")
        SESSION_OVER = "session_over", _("session over")
        PAID = "paid", _("paid")
        LEFT = "left", _("left")
        REMOVED = "removed", _("removed")

    LIVE_STATES = (State.WAITING, State.ADMITTED)

    room = models.ForeignKey(
        WaitingRoom, models.PROTECT, related_name="entries", verbose_name=_("waiting room")
    )
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("customer")
    )
    number = models.BigIntegerField(_("number"))
    token_hash = models.BinaryField(max_length=32, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    joined_at = models.DateTimeField(_("joined at"))
    last_seen_at = models.DateTimeField(_("last seen at"))
    admitted_at = models.DateTimeField(_("admitted at"), null=True)
    session_expires_at = models.DateTimeField(_("session expires at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    end_reason = models.CharField(
        _("end reason"), max_length=12, choices=EndReason.choices, blank=True
    )

    objects = QueueEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("queue entry")
        verbose_name_plural = _("queue entries")
        constraints = [
            models.UniqueConstraint(fields=["room", "number"], name="queue_number_once"),
            models.UniqueConstraint(
                fields=["customer", "room"],
                condition=Q(state__in=("waiting", "admitted")),
                name="queue_one_live_entry",
            ),
            models.CheckConstraint(
                condition=Q(state="ended", ended_at__isnull=False) & ~Q(end_reason="")
                | ~Q(state="ended") & Q(ended_at__isnull=True, end_reason=""),
                name="queue_entry_end",
            ),
            models.CheckConstraint(
                condition=Q(admitted_at__isnull=True, session_expires_at__isnull=True)
                & ~Q(state="admitted")
                | Q(admitted_at__isnull=False, session_expires_at__isnull=False)
                & ~Q(state="waiting"),
                name="queue_entry_admission",
            ),
        ]
        indexes = [
            # Within a room ids grow as numbers do: both are given under the room's lock.
            models.Index(fields=["room", "id"], name="queue_line", condition=Q(state="waiting")),
            models.Index(fields=["room", "id"], name="queue_inside", condition=Q(state="admitted")),
            models.Index(
                fields=["room", "admitted_at"],
                name="queue_admissions",
                condition=Q(admitted_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.room} {self.number}"

    def ended_by_clock(self, now: datetime) -> tuple[datetime, "QueueEntry.EndReason"] | None:
        """Return when and why the clock has ended this live entry; None where it has not."""
        ends = [
            (
                self.last_seen_at + timedelta(seconds=self.room.idle_seconds),
                self.EndReason.IDLE,
            )
        ]
        if self.session_expires_at is not None:
            ends.append((self.session_expires_at, self.EndReason.SESSION_OVER))
        end = min(ends)
        return end if end[0] <= now else None


def hash_token(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
