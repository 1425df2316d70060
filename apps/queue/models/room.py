"""A waiting room: what staff decide about it, and what moves while it is in use."""

from datetime import datetime, timedelta
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.core.db import transaction
from apps.queue import limits


class WaitingRoom(models.Model):
    """A line with its own limits, which staff set. What moves stands in rows of their own beside it,
    so that joining, letting in and changing a limit never wait for each other."""

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
    opens_at = models.DateTimeField(
        _("opens at"),
        null=True,
        blank=True,
        help_text=_(
            "Nobody enters before. Those who came before it are put in random order at that moment."
        ),
    )

    class Meta:
        verbose_name = _("waiting room")
        verbose_name_plural = _("waiting rooms")
        permissions = [
            ("steer_waitingroom", "Can open, pause, drain and close a room, and change its limits"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(capacity__gte=1), name="room_capacity"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and give a new room its dispenser and its turnstile."""
        made = self._state.adding
        with transaction():
            super().save(*args, **kwargs)
            if made:
                Dispenser.objects.create(room=self)
                Turnstile.objects.create(room=self)

    @property
    def takes_joins(self) -> bool:
        """Say whether one may take a place in line."""
        return self.state in (self.State.OPEN, self.State.PAUSED)

    @property
    def lets_in(self) -> bool:
        """Say whether those who wait are let in, as far as staff's switch goes."""
        return self.state in (self.State.OPEN, self.State.DRAINING)

    def silent_since(self, now: datetime) -> datetime:
        """Return the moment at or before which the last call of a silent customer was."""
        return now - timedelta(seconds=self.idle_seconds)


class Dispenser(models.Model):
    """Gives out a room's numbers. Each join locks this row, last and briefly, until it commits: a
    number is never seen before the smaller ones are."""

    room = models.OneToOneField(WaitingRoom, models.CASCADE, primary_key=True)
    last_number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.room_id}: {self.last_number}"


class Turnstile(models.Model):
    """Where a room lets people in. Whoever does so locks this row: one at a time, so that the free
    places are counted once. The counts are those of the last look at the room."""

    room = models.OneToOneField(WaitingRoom, models.CASCADE, primary_key=True)
    turn = models.BigIntegerField(
        default=0, help_text="How often people were let in: the room's own clock, which never errs."
    )
    now_serving = models.BigIntegerField(default=0, help_text="The highest place let in so far.")
    entered = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="People let in so far. Pruning the turns leaves it as it is.",
    )
    waiting = models.IntegerField(
        default=0,
        help_text="When last counted, less those let in since: below 0 where they had just joined.",
    )
    admitted = models.PositiveIntegerField(default=0)
    free_places = models.PositiveIntegerField(
        default=0, help_text="How many more might have entered, had they been there."
    )
    last_number = models.BigIntegerField(default=0, help_text="The dispenser's, when counted.")
    counted_place = models.BigIntegerField(default=0, help_text="`now_serving`, when counted.")
    before_shift = models.BigIntegerField(
        default=0, help_text="By how many the segments' `before` is too great."
    )
    counted_at = models.DateTimeField(null=True, help_text="When the line was last counted.")
    sampled_at = models.DateTimeField(null=True, help_text="When a turn was last written down.")
    drawn_for = models.DateTimeField(null=True, help_text="The opening whose order is drawn.")
    leaving_per_s = models.FloatField(
        default=0, help_text="Sessions that end a second, for each person inside, as seen lately."
    )
    giving_up_per_s = models.FloatField(
        default=0, help_text="Places given up a second, for each person waiting, as seen lately."
    )

    def __str__(self) -> str:
        return f"{self.room_id}: {self.now_serving}"

    @property
    def people_waiting(self) -> int:
        """How many wait, as far as is known."""
        return max(self.waiting, 0)


class Turn(models.Model):
    """What happened at a turnstile since its turn before: the history that estimates, limits a minute
    and charts are made from."""

    room = models.ForeignKey(WaitingRoom, models.CASCADE, db_index=False, related_name="turns")
    turn = models.BigIntegerField()
    at = models.DateTimeField()
    entered = models.PositiveIntegerField(help_text="People let in.")
    finished = models.PositiveIntegerField(help_text="Sessions that ended.")
    gave_up = models.PositiveIntegerField(help_text="People who stopped waiting.")
    waiting = models.PositiveIntegerField(help_text="People who wait, afterwards.")
    admitted = models.PositiveIntegerField(help_text="People inside, afterwards.")
    capacity = models.PositiveIntegerField(help_text="The room's limit then.")
    waiting_s = models.FloatField(help_text="Seconds that people have waited, all together.")
    inside_s = models.FloatField(help_text="Seconds that people were inside, all together.")

    class Meta:
        indexes = [models.Index(fields=["room", "at"], name="queue_turns")]

    def __str__(self) -> str:
        return f"{self.room_id}: {self.turn}"


class Draw(models.Model):
    """The random order of those who came before a room opened. Whoever knows the seed can repeat it:
    ascending by the SHA-256 of `seed:number`."""

    room = models.ForeignKey(WaitingRoom, models.PROTECT, db_index=False, related_name="draws")
    opens_at = models.DateTimeField()
    drawn_at = models.DateTimeField()
    seed = models.CharField(max_length=64)
    entries = models.PositiveIntegerField(default=0, help_text="How many were put in order.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "opens_at"], name="queue_draw_once"),
        ]

    def __str__(self) -> str:
        return f"{self.room_id}: {self.opens_at}"
