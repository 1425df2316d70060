"""What belongs to no single app: answers kept for retries, heartbeats, staff's actions, findings."""

from datetime import UTC, datetime

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class IdempotencyKey(models.Model):
    """The answer to the first request with a customer's key, written in the commit of its effect."""

    customer_id = models.BigIntegerField()
    key = models.CharField(max_length=255)
    request_digest = models.BinaryField(
        max_length=32, help_text="SHA-256 of method, path and body."
    )
    path = models.CharField(max_length=255, default="")
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer_id", "key"], name="idempotency_key_once"),
        ]

    def __str__(self) -> str:
        return self.key


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    """Queries over heartbeats."""

    def beaten(self) -> "HeartbeatQuerySet":
        """Return those of sweeps that have finished at least once."""
        return self.filter(beat_at__gt=Heartbeat.NEVER)


class Heartbeat(models.Model):
    """When a sweep last finished without an error, and what its runs came to, for the metrics.

    The figures are counted by the database, so that any number of workers add to the same ones.
    """

    # `beat_at` of a sweep that has only ever failed.
    NEVER = datetime(1970, 1, 1, tzinfo=UTC)

    name = models.CharField(max_length=50, primary_key=True)
    beat_at = models.DateTimeField(default=NEVER)
    runs = models.BigIntegerField(db_default=0, help_text="Those that failed are counted too.")
    failures = models.BigIntegerField(db_default=0)
    rows_touched = models.BigIntegerField(db_default=0)
    seconds = models.FloatField(db_default=0.0, help_text="Of all runs together.")
    last_seconds = models.FloatField(db_default=0.0, help_text="Of the last run.")

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class StaffAction(models.Model):
    """What a member of staff, or an operator at a terminal, did to seats, money or lines, and why.

    Written in the commit of its effect; the database refuses to change or delete one.
    """

    at = models.DateTimeField(_("at"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("member of staff"),
        help_text=_("Empty for whoever works at a terminal."),
    )
    actor_name = models.CharField(_("who"), max_length=254)
    action = models.CharField(_("action"), max_length=40)
    subject = models.CharField(_("done to"), max_length=60, help_text=_("“reservation:42”"))
    reason = models.CharField(_("reason"), max_length=500)
    before = models.JSONField(_("before"), default=dict, encoder=DjangoJSONEncoder)
    after = models.JSONField(_("after"), default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("staff action")
        verbose_name_plural = _("staff actions")
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="staff_action_has_a_reason"),
        ]
        indexes = [
            models.Index(fields=["-at"], name="staff_action_newest"),
            models.Index(fields=["subject", "-at"], name="staff_action_of_subject"),
            models.Index(fields=["action", "-at"], name="staff_action_of_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class IntegrityFinding(models.Model):
    """A row that broke an invariant, from when the guard first saw it until it was whole again."""

    invariant = models.PositiveSmallIntegerField(_("invariant"))
    subject = models.CharField(_("broken row"), max_length=120, help_text=_("“seat:17”"))
    detail = models.TextField(_("what is wrong"))
    concert_id = models.BigIntegerField(_("concert"), null=True)
    found_at = models.DateTimeField(_("found at"))
    seen_at = models.DateTimeField(_("last seen at"))
    gone_at = models.DateTimeField(_("gone at"), null=True)

    class Meta:
        verbose_name = _("broken invariant")
        verbose_name_plural = _("broken invariants")
        constraints = [
            models.UniqueConstraint(
                fields=["invariant", "subject"],
                condition=Q(gone_at__isnull=True),
                name="integrity_finding_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invariant}: {self.subject}"
