"""Payments: one for each reservation that was ever confirmed."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.reservations.models import Reservation


class Payment(models.Model):
    """What a customer paid for one reservation."""

    class Status(models.TextChoices):
        SUCCEEDED = "succeeded", _("succeeded")
        REFUNDED = "refunded", _("refunded")

    reservation = models.OneToOneField(
        Reservation, models.PROTECT, related_name="+", verbose_name=_("reservation")
    )
    # No index of its own: one below begins with it.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("customer"),
    )
    status = models.CharField(_("status"), max_length=10, choices=Status.choices)
    amount = models.BigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    paid_at = models.DateTimeField(_("paid at"))
    refunded_at = models.DateTimeField(_("refunded at"), null=True)

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        permissions = [
            ("refund_payment", "Can give a payment back"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="payment_amount"),
            models.CheckConstraint(
                condition=Q(status="succeeded", refunded_at__isnull=True)
                | Q(status="refunded", refunded_at__isnull=False),
                name="payment_refund",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-id"], name="payment_newest"),
            # Staff's list. Rows enter it as they are refunded, so paying never writes it.
            models.Index(fields=["-id"], name="payment_refunded", condition=Q(status="refunded")),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"

    @property
    def reference(self) -> str:
        """Return what the ledger calls this payment."""
        return f"payment:{self.pk}"
