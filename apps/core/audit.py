"""Who did what to seats, money or lines for the house, and why: kept in the commit of its effect."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from apps.core.errors import InvalidRequest
from apps.core.limits import REASON_LENGTH_MAX
from apps.core.models import StaffAction


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts for the house: a member of staff, or, without a `user_id`, whoever is at the terminal."""

    name: str
    user_id: int | None = None


def record_action(
    *,
    actor: Actor,
    action: str,
    subject: Model,
    reason: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    now: datetime,
) -> StaffAction:
    """Write down an action with the fields that it changed. The caller holds its transaction.

    Raise `InvalidRequest` where the reason is missing or too long.
    """
    return StaffAction.objects.create(
        at=now,
        actor_id=actor.user_id,
        actor_name=actor.name,
        action=action,
        subject=f"{subject._meta.model_name}:{subject.pk}",
        reason=clean_reason(reason),
        before=dict(before),
        after=dict(after),
    )


def clean_reason(reason: str) -> str:
    """Return a reason without the space around it. Raise `InvalidRequest` where nothing is left, or too
    much."""
    reason = reason.strip()
    if not reason:
        raise InvalidRequest.of("reason", "required", _("Say why."))
    if len(reason) > REASON_LENGTH_MAX:
        raise InvalidRequest.of("reason", "max_length", _("The reason is too long."))
    return reason
