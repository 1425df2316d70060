"""What staff do to the seats that they have chosen on the map: what will happen, and doing it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import time_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.concerts.blocking import block_seats_for_staff, unblock_seats_for_staff
from apps.concerts.errors import SeatNotFound, SeatsBlocked, SeatsNotBlocked
from apps.concerts.models import Performance, Seat
from apps.core.audit import Actor
from apps.reservations.deadlines import UNPAID
from apps.reservations.errors import ReservationNotFound, ReservationNotReleasable
from apps.reservations.models import Reservation
from apps.reservations.moving import move_reservation, pair_seats
from apps.reservations.selectors import find_claimed
from apps.reservations.services import release_for_staff

# Seats that a sentence names before it counts the rest.
NAMED_MAX = 8
PAIRS_MAX = 20


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a member of staff wants: the seats chosen, those to move to, and whose reservation."""

    performance: Performance
    seat_ids: Sequence[int]
    to_ids: Sequence[int]
    reservation_id: int
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that staff can do; `preview` says what will happen, `run` calls the one service and says
    what has. Both raise the `DomainError` that keeps it from happening."""

    title: str | Promise
    permissions: tuple[str, ...]
    preview: Callable[[Request], list[str]]
    run: Callable[[Request, Actor, str], str]
    dangerous: bool = False


def preview_block(request: Request) -> list[str]:
    """Say how many seats go off sale now, later, or are blocked already."""
    counts = _count(request)
    if not counts["free"] + counts["claimed"]:
        raise SeatsBlocked
    return (
        _say(
            ngettext(
                "%(count)d free seat goes off sale.",
                "%(count)d free seats go off sale.",
                counts["free"],
            ),
            counts["free"],
        )
        + _say(
            ngettext(
                "%(count)d held or sold seat stays with its customer, and is off sale once it is free.",
                "%(count)d held or sold seats stay with their customers, and are off sale once they are free.",
                counts["claimed"],
            ),
            counts["claimed"],
        )
        + _say(
            ngettext(
                "%(count)d seat is blocked already and keeps its reason.",
                "%(count)d seats are blocked already and keep their reasons.",
                counts["blocked"] + counts["claimed_blocked"],
            ),
            counts["blocked"] + counts["claimed_blocked"],
        )
    )


def preview_unblock(request: Request) -> list[str]:
    """Say how many seats go on sale, and what they were blocked for."""
    counts = _count(request)
    if not counts["blocked"] + counts["claimed_blocked"]:
        raise SeatsNotBlocked
    reasons = sorted({seat.blocked_reason for seat in _find(request) if seat.blocked})
    return [
        *_say(
            ngettext(
                "%(count)d seat goes on sale again.",
                "%(count)d seats go on sale again.",
                counts["blocked"],
            ),
            counts["blocked"],
        ),
        *_say(
            ngettext(
                "%(count)d held or sold seat stays with its customer, and is on sale once it is free.",
                "%(count)d held or sold seats stay with their customers, and are on sale once they are free.",
                counts["claimed_blocked"],
            ),
            counts["claimed_blocked"],
        ),
        _("Blocked for: %(reasons)s") % {"reasons": _join(reasons)},
    ]


def preview_release(request: Request) -> list[str]:
    """Say whose seats become free."""
    claim = _find_claim(request)
    if claim.status not in UNPAID or claim.is_overdue(request.now):
        raise ReservationNotReleasable
    seats = [line.seat for line in claim.lines.select_related("seat").order_by("seat__position")]
    return [
        _("Reservation %(id)d of %(customer)s ends, all of it.")
        % {"id": claim.pk, "customer": claim.customer},
        _("Free again: %(seats)s") % {"seats": _join([str(seat) for seat in seats])},
        _("Nothing was paid. Its time would have been over at %(time)s.")
        % {"time": time_format(localtime(claim.expires_at), "H:i:s")},
        *([_("Seats that are blocked stay off sale.")] if any(s.blocked for s in seats) else []),
    ]


def preview_move(request: Request) -> list[str]:
    """Say which seat goes to which."""
    claim = _find_claim(request)
    seats = {seat.pk: seat for seat in _find(request)}
    leaving, taking = set(request.seat_ids), set(request.to_ids)
    pairs = pair_seats(
        [seats[pk] for pk in leaving - taking], [seats[pk] for pk in taking - leaving]
    )
    sentences = [f"{old} → {new}" for old, new in pairs[:PAIRS_MAX]]
    if len(pairs) > PAIRS_MAX:
        rest = len(pairs) - PAIRS_MAX
        sentences += _say(ngettext("and %(count)d more", "and %(count)d more", rest), rest)
    sentences.append(
        _("Reservation %(id)d of %(customer)s has the new seats at once, at the same price.")
        % {"id": claim.pk, "customer": claim.customer}
    )
    if claim.status in UNPAID:
        sentences.append(
            _("The time for paying stays: until %(time)s.")
            % {"time": time_format(localtime(claim.expires_at), "H:i:s")}
        )
    return sentences


def run_block(request: Request, actor: Actor, reason: str) -> str:
    """Block the seats."""
    seats = block_seats_for_staff(
        performance_id=request.performance.pk,
        seat_ids=request.seat_ids,
        actor=actor,
        reason=reason,
        now=request.now,
    )
    told = ngettext("%(count)d seat is blocked.", "%(count)d seats are blocked.", len(seats))
    return told % {"count": len(seats)}


def run_unblock(request: Request, actor: Actor, reason: str) -> str:
    """Put the seats on sale again."""
    seats = unblock_seats_for_staff(
        performance_id=request.performance.pk,
        seat_ids=request.seat_ids,
        actor=actor,
        reason=reason,
        now=request.now,
    )
    told = ngettext(
        "%(count)d seat is blocked no more.", "%(count)d seats are blocked no more.", len(seats)
    )
    return told % {"count": len(seats)}


def run_release(request: Request, actor: Actor, reason: str) -> str:
    """End the hold or unpaid reservation."""
    claim = release_for_staff(
        reservation_id=_find_claim(request).pk, actor=actor, reason=reason, now=request.now
    )
    return _("Reservation %(id)d is released.") % {"id": claim.pk}


def run_move(request: Request, actor: Actor, reason: str) -> str:
    """Give the reservation its new seats."""
    moved = move_reservation(
        reservation_id=_find_claim(request).pk,
        from_seat_ids=request.seat_ids,
        to_seat_ids=request.to_ids,
        actor=actor,
        reason=reason,
        now=request.now,
    )
    return _("Reservation %(id)d has its new seats.") % {"id": moved.pk}


VIEW_RESERVATION = "reservations.view_reservation"
ACTS = {
    "block": Act(
        title=gettext_lazy("Block seats"),
        permissions=("concerts.block_seat",),
        preview=preview_block,
        run=run_block,
    ),
    "unblock": Act(
        title=gettext_lazy("Unblock seats"),
        permissions=("concerts.block_seat",),
        preview=preview_unblock,
        run=run_unblock,
    ),
    "release": Act(
        title=gettext_lazy("Release a hold"),
        permissions=("reservations.release_reservation", VIEW_RESERVATION),
        preview=preview_release,
        run=run_release,
        dangerous=True,
    ),
    "move": Act(
        title=gettext_lazy("Move to other seats"),
        permissions=("reservations.move_reservation", VIEW_RESERVATION),
        preview=preview_move,
        run=run_move,
    ),
}


def _find(request: Request) -> list[Seat]:
    wanted = {*request.seat_ids, *request.to_ids}
    seats = list(Seat.objects.filter(performance=request.performance, pk__in=wanted))
    if len(seats) < len(wanted):
        raise SeatNotFound
    return seats


def _find_claim(request: Request) -> Reservation:
    """Return the reservation, where it is of this performance. Raise `ReservationNotFound`."""
    claim = (
        Reservation.objects.filter(performance=request.performance, pk=request.reservation_id)
        .select_related("customer")
        .first()
    )
    if claim is None:
        raise ReservationNotFound(_("This performance has no such reservation."))
    return claim


def _count(request: Request) -> Counter[str]:
    """Count the seats chosen: free, claimed, blocked, or claimed and blocked for later."""
    seats = _find(request)
    claimed = find_claimed([seat.pk for seat in seats], now=request.now)
    counts: Counter[str] = Counter()
    for seat in seats:
        if seat.pk in claimed:
            counts["claimed_blocked" if seat.blocked else "claimed"] += 1
        else:
            counts["blocked" if seat.blocked else "free"] += 1
    return counts


def _say(text: str, count: int) -> list[str]:
    return [text % {"count": count}] if count else []


def _join(names: Sequence[str]) -> str:
    told = ", ".join(names[:NAMED_MAX])
    return told if len(names) <= NAMED_MAX else f"{told} … (+{len(names) - NAMED_MAX})"
