"""`manage.py refund_payment`."""

from apps.payments import services
from config.staff import EndingCommand


class Command(EndingCommand):
    """Refunds a payment."""

    help = (
        "Give a payment back to the wallet that paid it, also after the cut-off; its seats are free at "
        'once. Example: manage.py refund_payment 9 --reason "broken seat" --withdraw'
    )
    id_name = "payment_id"
    service = services.refund_payment
