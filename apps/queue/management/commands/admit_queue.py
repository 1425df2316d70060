"""`manage.py admit_queue`."""

from apps.core.sweep_command import SweepCommand
from apps.queue import services


class Command(SweepCommand):
    """Runs the sweep of the same name."""

    help = "Let the next in line into every room, once, now. Example: manage.py admit_queue --json"
    sweep_name = "admit_queue"
    sweep = services.admit_queue
