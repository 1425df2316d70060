"""Steps that put concerts on sale. The caller holds a transaction, and the locks that each step names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import F

from apps.concerts.errors import DateNotBookable, SaleStopped
from apps.concerts.layout import PlannedSeat
from apps.concerts.limits import MAIN_ROOM
from apps.concerts.models import Concert, Performance, Seat, Venue
from apps.core.audit import Actor, record_action
from apps.core.db import lock_rows

if TYPE_CHECKING:
    # Not loaded with the steps that every process has, for the same reason as in `layout`.
    from apps.concerts.concert_file import ConcertEntry, VenueEntry

# Why the concert file blocks a seat. Blocks for any other reason are staff's, and stay.
FILE_BLOCK = "concert file"
WITHDRAWN = "withdrawn: not in the concert file"
SEAT_LIMIT_REASON = "the concert was changed"

SEAT_KEY = ("performance", "section", "row", "number")
SEAT_FIELDS = ("grade", "price", "x", "y", "position", "blocked", "blocked_reason")
# Positions of withdrawn seats lie behind all others, and have no neighbours.
WITHDRAWN_STEP = 2
SEAT_BATCH = 5_000


@dataclass(frozen=True, kw_only=True)
class SeatComparison:
    """The seats of a performance beside a plan: those to make, to change, and that the plan has not."""

    new: list[PlannedSeat]
    changed: list[tuple[Seat, PlannedSeat]]
    missing: list[Seat]


def lock_concerts(slugs: Iterable[str]) -> dict[str, Concert]:
    """Lock the concerts that exist, before any row of another kind, so that loads follow one another."""
    concerts = Concert.objects.select_related("venue").filter(slug__in=slugs)
    return {concert.slug: concert for concert in lock_rows(concerts)}


def ensure_venue(entry: "VenueEntry") -> Venue:
    """Return the venue of that name, made where there is none; one that exists stays as it is."""
    venue = Venue.objects.filter(name=entry.name).first()
    if venue is None:
        given = {"time_zone": entry.time_zone} if entry.time_zone else {}
        venue = Venue.objects.create(name=entry.name, **given)
    return venue


def save_concert(
    concert: Concert | None, entry: "ConcertEntry", venue: Venue, *, now: datetime
) -> tuple[Concert, str]:
    """Make the concert, or change the one that the caller has locked.

    Return it and what happened: `made`, `updated` or `unchanged`.
    """
    wanted = _read_fields(entry, venue)
    if concert is None:
        return Concert.objects.create(slug=entry.slug, **wanted), "made"
    changed = [name for name, value in wanted.items() if getattr(concert, name) != value]
    seat_limit = concert.seats_per_customer
    for name in changed:
        setattr(concert, name, wanted[name])
    if changed:
        concert.save(update_fields=changed)
    note_seat_limit(concert, before=seat_limit, actor=Actor(name=FILE_BLOCK), now=now)
    return concert, "updated" if changed else "unchanged"


def note_seat_limit(concert: Concert, *, before: int, actor: Actor, now: datetime) -> None:
    """Record that the seats per customer are fewer than before: who has more had them rightly, which
    invariant 7 cannot know otherwise."""
    if concert.seats_per_customer < before:
        record_action(
            actor=actor,
            action="lower_seat_limit",
            subject=concert,
            reason=SEAT_LIMIT_REASON,
            before={"seats_per_customer": before},
            after={"seats_per_customer": concert.seats_per_customer},
            now=now,
        )


def _read_fields(entry: "ConcertEntry", venue: Venue) -> dict[str, Any]:
    optional = {
        "description": entry.description,
        "seats_per_customer": entry.seats_per_customer,
        "cancel_until_hours": entry.cancel_until_hours,
        "published": entry.published,
    }
    return {
        "title": entry.title,
        "artist": entry.artist,
        "venue": venue,
        "sales_open_at": entry.sales_open_at,
        "sales_close_at": entry.sales_close_at,
        "room": entry.room.slug if entry.room else MAIN_ROOM,
        **{name: value for name, value in optional.items() if value is not None},
    }


def ensure_performance(
    concert: Concert, performances: Mapping[datetime, Performance], starts_at: datetime
) -> tuple[Performance, bool]:
    """Return the one of the concert's `performances` at that time, and whether it was made now."""
    performance = performances.get(starts_at)
    if performance is None:
        return Performance.objects.create(concert=concert, starts_at=starts_at), True
    return performance, False


def compare_seats(seats: Iterable[Seat], plan: Sequence[PlannedSeat]) -> SeatComparison:
    """Return how the seats of a performance differ from a plan of it."""
    planned = {seat.key: seat for seat in plan}
    changed, missing = [], []
    for seat in seats:
        wanted = planned.pop((seat.section, seat.row, seat.number), None)
        if wanted is None:
            missing.append(seat)
        elif find_differences(seat, wanted):
            changed.append((seat, wanted))
    return SeatComparison(new=list(planned.values()), changed=changed, missing=missing)


def find_differences(seat: Seat, planned: PlannedSeat) -> dict[str, Any]:
    """Return the fields of a seat that the plan has otherwise, with the plan's values."""
    blocked, reason = planned.blocked, FILE_BLOCK if planned.blocked else ""
    if seat.blocked and seat.blocked_reason not in (FILE_BLOCK, WITHDRAWN):
        blocked, reason = True, seat.blocked_reason
    # One comparison for each of very many seats; the rest only for those that differ.
    now = (seat.grade, seat.price, seat.x, seat.y, seat.position, seat.blocked, seat.blocked_reason)
    wanted = (
        *(planned.grade, planned.price, planned.x, planned.y, planned.position),
        *(blocked, reason),
    )
    if now == wanted:
        return {}
    return {
        name: value
        for name, old, value in zip(SEAT_FIELDS, now, wanted, strict=True)
        if old != value
    }


def insert_seats(performance: Performance, plan: Sequence[PlannedSeat]) -> None:
    """Make seats of a performance."""
    Seat.objects.bulk_create(
        (
            Seat(
                performance=performance,
                section=planned.section,
                row=planned.row,
                number=planned.number,
                grade=planned.grade,
                price=planned.price,
                x=planned.x,
                y=planned.y,
                position=planned.position,
                blocked=planned.blocked,
                blocked_reason=FILE_BLOCK if planned.blocked else "",
            )
            for planned in plan
        ),
        batch_size=SEAT_BATCH,
    )


def update_seats(seats: Sequence[Seat]) -> None:
    """Write seats that the caller has locked and changed."""
    # An upsert writes each batch in one statement that does not grow with the number of fields.
    Seat.objects.bulk_create(
        seats,
        update_conflicts=True,
        unique_fields=SEAT_KEY,
        update_fields=SEAT_FIELDS,
        batch_size=SEAT_BATCH,
    )


def withdraw_seats(seats: Sequence[Seat], *, after: int) -> int:
    """Block seats that the caller has locked, and put them behind position `after` of the house.

    What staff blocked keeps its reason. Return how many were not withdrawn before.
    """
    withdrawn, moved = 0, []
    for rank, seat in enumerate(sorted(seats, key=lambda seat: seat.pk), start=1):
        position = after + rank * WITHDRAWN_STEP
        fresh = not seat.blocked or seat.blocked_reason == FILE_BLOCK
        if fresh:
            seat.blocked, seat.blocked_reason = True, WITHDRAWN
            withdrawn += 1
        if fresh or seat.position != position:
            seat.position = position
            moved.append(seat)
    update_seats(moved)
    return withdrawn


def require_sale_goes_on(concert: Concert) -> None:
    """Raise `SaleStopped` where the guard of the invariants has stopped the concert's sale."""
    if concert.sale_stopped_at is not None:
        raise SaleStopped


def require_not_called_off(performance: Performance) -> None:
    """Raise `DateNotBookable` where the performance does not take place."""
    if performance.called_off_at is not None:
        raise DateNotBookable


def block_seats(seat_ids: Iterable[int], *, reason: str) -> None:
    """Take seats that the caller has locked off sale. Those that are blocked already keep their reason."""
    longest = Seat._meta.get_field("blocked_reason").max_length
    Seat.objects.filter(pk__in=seat_ids, blocked=False).update(
        blocked=True, blocked_reason=reason[:longest]
    )


def unblock_seats(seat_ids: Iterable[int]) -> None:
    """Put seats that the caller has locked on sale again."""
    Seat.objects.filter(pk__in=seat_ids).update(blocked=False, blocked_reason="")


def mark_changed(seat_ids: Iterable[int]) -> None:
    """Let `?since=` tell of seats that the caller has locked: their claims change without a trace in
    their reservation."""
    Seat.objects.filter(pk__in=seat_ids).update(blocked=F("blocked"))


def delete_seats(seats: Sequence[Seat]) -> None:
    """Delete seats that the caller has locked and that no reservation has ever had."""
    Seat.objects.filter(pk__in=[seat.pk for seat in seats]).delete()
    # A seat that is gone has no `changed_in`: lists that are kept see by the performance's row that they
    # do not hold any more.
    shows = Performance.objects.filter(pk__in={seat.performance_id for seat in seats})
    shows.update(called_off_at=F("called_off_at"))
