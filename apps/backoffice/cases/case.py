"""Whose case it is, and which parts of it a member of staff may see."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.reservations.models import Reservation

# What a case is made of, and the model that staff must be allowed to see for it.
PARTS: dict[str, tuple[str, str | Promise]] = {
    "line": ("queue.queueentry", _("places in line")),
    "seats": ("reservations.reservation", _("holds and reservations")),
    "payments": ("payments.payment", _("payments")),
    "ledger": ("wallet.walletentry", _("the ledger")),
    "staff": ("core.staffaction", _("staff actions")),
}


def may_see(user: Any, model: str) -> bool:
    """Say whether staff may see the rows of “app.model”; who may change them may see them."""
    app, name = model.split(".")
    return user.has_perm(f"{app}.view_{name}") or user.has_perm(f"{app}.change_{name}")


@dataclass(frozen=True, kw_only=True)
class Case:
    """All of a customer, or what belongs to one reservation of theirs, at the moment `now`."""

    viewer: Any
    customer: User
    now: datetime
    reservation: Reservation | None = None
    parts: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def open(
        cls, viewer: Any, customer: User, *, now: datetime, reservation: Reservation | None = None
    ) -> "Case":
        """Return the case, with the parts that the viewer may see."""
        parts = frozenset(name for name, (model, _word) in PARTS.items() if may_see(viewer, model))
        return cls(viewer=viewer, customer=customer, now=now, reservation=reservation, parts=parts)

    @property
    def left_out(self) -> list[str]:
        """Return what this viewer may not see, in words."""
        return [str(word) for name, (_model, word) in PARTS.items() if name not in self.parts]

    def tell_customer(self, customer: User) -> str:
        """Return who somebody is to the viewer: nobody by name to those who may not see customers."""
        if may_see(self.viewer, "accounts.user"):
            return str(customer)
        if customer.pk == self.customer.pk:
            return str(_("the customer"))
        return str(_("another customer"))
