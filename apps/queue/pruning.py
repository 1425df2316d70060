"""Which history of rooms can be deleted. Draws are published, and stay."""

from datetime import datetime

from django.db.models import Min, Q, QuerySet

from apps.queue.models import QueueEntry, Turn


def list_old_entries(*, before: datetime) -> QuerySet[QueueEntry]:
    """Return the entries that ended before."""
    return QueueEntry.objects.filter(state=QueueEntry.State.ENDED, ended_at__lt=before)


def list_old_turns(*, before: datetime) -> QuerySet[Turn]:
    """Return the turns from before which no entry that stays has entered at or after: what is left of
    a room's history still adds up."""
    staying = QueueEntry.objects.exclude(state=QueueEntry.State.ENDED, ended_at__lt=before)
    needed = Q(pk=None)
    for room_id, first_turn in (
        staying.filter(admitted_turn__gt=0)
        .values_list("room_id")
        .annotate(first_turn=Min("admitted_turn"))
    ):
        needed |= Q(room=room_id, turn__gte=first_turn)
    return Turn.objects.filter(at__lt=before).exclude(needed)
