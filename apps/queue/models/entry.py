"""A customer's place in a room's line."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.queue.models.room import Draw, WaitingRoom


class QueueEntryQuerySet(models.QuerySet["QueueEntry"]):
    """Queries over the places in line. What the clock has ended is ended, swept or not."""

    def admitted(self, room: WaitingRoom, now: datetime) -> "QueueEntryQuerySet":
        """Return those who are inside `room`, neither silent nor over their time."""
        return self.filter(
            room=room,
            state=QueueEntry.State.ADMITTED,
            presence__last_seen_at__gt=room.silent_since(now),
            session_expires_at__gt=now,
        )

    def overdue_inside(self, room_id: Any, *, silent_since: Any, now: Any) -> "QueueEntryQuerySet":
        """Return those inside a room whom the clock has put out and nobody has written down."""
        return self.filter(room_id=room_id, state=QueueEntry.State.ADMITTED).filter(
            Q(presence__last_seen_at__lte=silent_since) | Q(session_expires_at__lte=now)
        )

    def silent_waiting(self, room: WaitingRoom, now: datetime) -> "QueueEntryQuerySet":
        """Return those who wait in `room` and have been silent too long, not written down."""
        return self.filter(
            room=room,
            state=QueueEntry.State.WAITING,
            presence__last_seen_at__lte=room.silent_since(now),
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
        WaitingRoom,
        models.PROTECT,
        db_index=False,
        related_name="entries",
        verbose_name=_("waiting room"),
    )
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("customer")
    )
    number = models.BigIntegerField(_("number"))
    place = models.BigIntegerField(
        _("place"), help_text=_("The order of the line: the number, or what was drawn.")
    )
    draw = models.ForeignKey(
        Draw, models.PROTECT, null=True, db_index=False, related_name="+", verbose_name=_("draw")
    )
    token_hash = models.BinaryField(max_length=32, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    joined_at = models.DateTimeField(_("joined at"))
    admitted_at = models.DateTimeField(_("admitted at"), null=True)
    admitted_turn = models.BigIntegerField(null=True, help_text="The turn that let them in.")
    session_expires_at = models.DateTimeField(_("session expires at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    ended_turn = models.BigIntegerField(null=True, help_text="The last turn before the end.")
    end_reason = models.CharField(
        _("end reason"), max_length=12, choices=EndReason.choices, blank=True
    )

    # Found together with an entry by its token: how many wait ahead, and whether the customer is one.
    ahead: int | None = None
    customer_is_active: bool | None = None

    objects = QueueEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("queue entry")
        verbose_name_plural = _("queue entries")
        permissions = [("remove_queueentry", "Can take somebody out of a line")]
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
            # Entries leave these as they leave the line.
            models.Index(fields=["room", "place"], name="queue_line", condition=Q(state="waiting")),
            models.Index(fields=["room", "id"], name="queue_inside", condition=Q(state="admitted")),
        ]

    def __str__(self) -> str:
        return f"{self.room} {self.number}"

    @property
    def last_seen_at(self) -> datetime:
        """When the customer of this live entry last called."""
        return self.presence.last_seen_at

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


class Presence(models.Model):
    """When the customer of a live entry last called (8.1.1), for as long as the entry lives.

    Apart from the entry and indexed by nothing that changes, so that a call rewrites one narrow row
    in its page, no index, and waits for nobody who has the entry locked.
    """

    entry = models.OneToOneField(
        QueueEntry, models.CASCADE, primary_key=True, db_constraint=False, related_name="presence"
    )
    last_seen_at = models.DateTimeField(_("last seen at"))

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.last_seen_at}"


def hash_token(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
