"""Waiting rooms and the places in their lines."""

from apps.queue.models.entry import Presence, QueueEntry, QueueEntryQuerySet, hash_token
from apps.queue.models.room import Dispenser, Draw, Turn, Turnstile, WaitingRoom
from apps.queue.models.segment import Departure, Segment

__all__ = [
    "Departure",
    "Dispenser",
    "Draw",
    "Presence",
    "QueueEntry",
    "QueueEntryQuerySet",
    "Segment",
    "Turn",
    "Turnstile",
    "WaitingRoom",
    "hash_token",
]
