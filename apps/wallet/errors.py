"""What can go wrong with money."""

from django.utils.translation import gettext_lazy as _

from apps.core.errors import Conflict, PaymentNeeded


class InsufficientBalance(PaymentNeeded):
    """The wallet holds less than is asked (6.1.3)."""

    code = "insufficient_balance"
    title = _("Balance too low")
    detail = _("Your balance is too low. Charge your wallet and try again.")
    example = {"balance": 10_000, "required": 154_000, "currency": "KRW"}


class BalanceLimitExceeded(Conflict):
    """The wallet would hold more than a wallet may."""

    code = "balance_limit_exceeded"
    title = _("Balance limit exceeded")
    detail = _("Your wallet cannot hold that much.")
    example = {"balance": 9_007_199_254_740_000, "limit": 9_007_199_254_740_991}
