"""Wallets and their ledger. The database keeps the rules: see the triggers in the first migrations.

An entry posts itself: inserting it adds its amount to the wallet's balance. No other write of a
balance is accepted, and none at all of an entry that exists.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.wallet.limits import BALANCE_MAX


class Wallet(models.Model):
    """A customer's balance: the sum of the entries."""

    customer = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        primary_key=True,
        related_name="+",
        verbose_name=_("customer"),
    )
    balance = models.BigIntegerField(_("balance"), default=0)
    currency = models.CharField(_("currency"), max_length=3)
    updated_at = models.DateTimeField(_("updated at"))

    class Meta:
        verbose_name = _("wallet")
        verbose_name_plural = _("wallets")
        permissions = [
            ("adjust_wallet", "Can adjust a balance"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(balance__gte=0, balance__lte=BALANCE_MAX), name="wallet_balance"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.balance} {self.currency}"


class WalletEntry(models.Model):
    """One line of the ledger: append-only."""

    class Kind(models.TextChoices):
        CHARGE = "charge", _("charge")
        PAYMENT = "payment", _("payment")
        REFUND = "refund", _("refund")
        ADJUSTMENT = "adjustment", _("adjustment")

    # No index of its own: one below begins with it.
    wallet = models.ForeignKey(
        Wallet, models.PROTECT, db_index=False, related_name="entries", verbose_name=_("wallet")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    amount = models.BigIntegerField(
        _("amount"), help_text=_("Positive into the wallet, negative out of it.")
    )
    balance_after = models.BigIntegerField(_("balance after"))
    reference = models.CharField(
        _("reference"), max_length=100, blank=True, help_text=_("What it was for: “payment:42”.")
    )
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("wallet entry")
        verbose_name_plural = _("wallet entries")
        constraints = [
            # One debit and one refund for each payment, whatever retries.
            models.UniqueConstraint(
                fields=["kind", "reference"],
                condition=~Q(reference=""),
                name="wallet_entry_once_for_each_reference",
            ),
            models.CheckConstraint(
                condition=Q(kind="payment", amount__lte=0)
                | Q(kind__in=["charge", "refund"], amount__gte=0)
                | Q(kind="adjustment"),
                name="wallet_entry_sign",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["charge", "adjustment"]) | ~Q(reference=""),
                name="wallet_entry_reference",
            ),
        ]
        indexes = [
            models.Index(fields=["wallet", "-id"], name="wallet_entry_newest"),
            # Staff's list of what is rare; charging and paying never write it.
            models.Index(
                fields=["kind", "-id"],
                name="wallet_entry_rare",
                condition=Q(kind__in=("refund", "adjustment")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"
