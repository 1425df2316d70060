"""`manage.py expire_queue`."""

from apps.core.sweep_command import SweepCommand
from apps.queue import services


class Command(SweepCommand):
    """Runs the sweep of the same name."""

    help = "End the places of silent and over-long customers, once, now. Example: manage.py expire_queue --json"
    sweep_name = "expire_queue"
    sweep = services.expire_queue
