"""`manage.py expire_holds`."""

from apps.core.sweep_command import SweepCommand
from apps.reservations import services


class Command(SweepCommand):
    """Runs the sweep of the same name."""

    help = "Give the seats of overdue holds back, once, now. Example: manage.py expire_holds --json"
    sweep_name = "expire_holds"
    sweep = services.expire_holds
