"""Rooms and lines in the admin."""

from apps.queue.admin.concerts import GuardedConcertAdmin
from apps.queue.admin.entries import QueueEntryAdmin
from apps.queue.admin.rooms import WaitingRoomAdmin

__all__ = ["GuardedConcertAdmin", "QueueEntryAdmin", "WaitingRoomAdmin"]
