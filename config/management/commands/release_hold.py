"""`manage.py release_hold`."""

from apps.reservations import services
from config.staff import EndingCommand


class Command(EndingCommand):
    """Ends a hold or an unpaid reservation."""

    help = (
        "End a customer's hold or unpaid reservation before its time; its seats are free at once. "
        'Example: manage.py release_hold 42 --reason "asked by telephone" --by clerk@example.com'
    )
    id_name = "reservation_id"
    service = services.release_for_staff
