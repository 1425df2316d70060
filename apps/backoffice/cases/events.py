"""What happened, as the timeline of a case tells it: the rows behind the keys of one page, in words."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.backoffice.cases.case import Case
from apps.backoffice.cases.keys import Key, Kind
from apps.backoffice.cases.limits import CHANGES_TOLD_MAX
from apps.backoffice.cases.words import (
    tell_moment,
    tell_performance,
    tell_seats,
    tell_seconds,
    tell_span,
)
from apps.core.audit_log import (
    find_names,
    list_differences,
    tell_action,
    tell_reason,
    tell_subject,
)
from apps.core.models import StaffAction
from apps.core.money import format_money
from apps.payments.models import Payment
from apps.queue.models import QueueEntry
from apps.reservations.models import Reservation, ReservationSeat
from apps.wallet.models import WalletEntry

_LINE = (Kind.JOINED, Kind.ADMITTED, Kind.LINE_OVERDUE, Kind.LINE_ENDED)
_SEATS = (Kind.HELD, Kind.RESERVED, Kind.CONFIRMED, Kind.OVERDUE, Kind.ENDED)
_MONEY = (Kind.PAID, Kind.REFUNDED)
GROUPS = {
    **dict.fromkeys(_LINE, "line"),
    **dict.fromkeys(_SEATS, "seats"),
    **dict.fromkeys((*_MONEY, Kind.LEDGER), "money"),
    Kind.STAFF: "staff",
}
Ends = QueueEntry.EndReason
Causes = Reservation.EndCause


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened: what, with which limits and amounts, and where its row is."""

    key: Key
    title: str
    row: str
    address: str | None
    facts: list[str] = field(default_factory=list)
    # How long after the event before it, in words; nothing for the first of a page.
    since: str = ""

    @property
    def at(self) -> datetime:
        """Return when it happened."""
        return self.key.at

    @property
    def milliseconds(self) -> int:
        """Return when it happened, as the page's script counts."""
        return round(self.at.timestamp() * 1000)

    @property
    def group(self) -> str:
        """Return which filter of the page shows it."""
        return GROUPS[self.key.kind]


class Rows:
    """The rows that a page of keys names: one query for each kind of row, however many there are."""

    def __init__(self, keys: Sequence[Key]) -> None:
        def find(kinds: Iterable[Kind], rows: QuerySet[Any]) -> dict[int, Any]:
            wanted = {key.row for key in keys if key.kind in kinds}
            return rows.in_bulk(wanted) if wanted else {}

        self.entries: dict[int, QueueEntry] = find(
            _LINE, QueueEntry.objects.select_related("room", "presence")
        )
        self.reservations: dict[int, Reservation] = find(
            _SEATS, Reservation.objects.select_related("performance__concert")
        )
        self.payments: dict[int, Payment] = find(_MONEY, Payment.objects.all())
        self.ledger: dict[int, WalletEntry] = find(
            (Kind.LEDGER,), WalletEntry.objects.select_related("wallet")
        )
        self.actions: dict[int, StaffAction] = find((Kind.STAFF,), StaffAction.objects.all())
        self.names = find_names(self.actions.values())
        self.seats: dict[int, str] = name_seats(self.reservations)


def name_seats(reservation_ids: Iterable[int]) -> dict[int, str]:
    """Return the seats of each reservation, by name."""
    seats: dict[int, list[Any]] = {pk: [] for pk in reservation_ids}
    if seats:
        lines = ReservationSeat.objects.filter(reservation__in=list(seats)).select_related("seat")
        for line in lines:
            seats[line.reservation_id].append(line.seat)
    return {pk: tell_seats(of) for pk, of in seats.items()}


def list_events(case: Case, keys: Sequence[Key]) -> list[Event]:
    """Return the events of a page, oldest first, each with the time since the one before."""
    rows = Rows(keys)
    told = [_TELLERS[GROUPS[key.kind]](case, key, rows) for key in sorted(keys)]
    events = [event for event in told if event is not None]
    later = [
        replace(event, since=tell_span(event.at - before.at)) for before, event in pairwise(events)
    ]
    return [*events[:1], *later]


def _tell_line(case: Case, key: Key, rows: Rows) -> Event | None:
    entry = rows.entries.get(key.row)
    if entry is None:
        return None
    room = entry.room
    facts: list[str] = []
    match key.kind:
        case Kind.JOINED:
            title = _("Joined the line of %(room)s") % {"room": room}
            facts.append(
                _("number %(number)s, place %(place)s")
                % {"number": entry.number, "place": entry.place}
            )
        case Kind.ADMITTED:
            title = _("Let into %(room)s") % {"room": room}
            facts.append(_tell_session(entry))
        case _:
            reason = entry.end_reason
            if key.kind == Kind.LINE_OVERDUE:
                end = entry.ended_by_clock(case.now)
                reason = end[1] if end else Ends.IDLE
                facts.append(_("Over by the clock; nobody has written it down yet."))
            title = tell_line_end(entry, reason)
            if reason == Ends.IDLE:
                facts.append(_tell_idle_limit(entry))
    return Event(
        key=key,
        title=title,
        facts=facts,
        row=_("place in line %(id)s") % {"id": entry.pk},
        address=_address(entry),
    )


def _tell_session(entry: QueueEntry) -> str:
    assert entry.admitted_at is not None
    assert entry.session_expires_at is not None
    return _("session of %(span)s, until %(time)s") % {
        "span": tell_span(entry.session_expires_at - entry.admitted_at),
        "time": tell_moment(entry.session_expires_at, beside=entry.admitted_at),
    }


def _tell_idle_limit(entry: QueueEntry) -> str:
    limit = tell_seconds(entry.room.idle_seconds)
    return _("The room's limit of silence is %(limit)s now.") % {"limit": limit}


def tell_line_end(entry: QueueEntry, reason: str) -> str:
    """Return why a place in line ended."""
    match reason:
        case Ends.IDLE:
            limit = tell_seconds(entry.room.idle_seconds)
            return _("Out of the line: nothing was heard for %(limit)s") % {"limit": limit}
        case Ends.SESSION_OVER:
            return _("Out of the room: the session was over")
        case Ends.PAID:
            return _("Out of the room: paid")
        case Ends.REISSUED:
            return _("The place ended: the customer joined again")
        case Ends.REMOVED:
            return _("Taken out of the line by staff")
        case _:
            return _("Left the line by themselves")


def _tell_reservation(case: Case, key: Key, rows: Rows) -> Event | None:
    reservation = rows.reservations.get(key.row)
    if reservation is None:
        return None
    seats = {"seats": rows.seats[reservation.pk]}
    total = format_money(reservation.total, reservation.currency)
    limit = tell_span(reservation.expires_at - reservation.held_at)
    until = tell_moment(reservation.expires_at, beside=reservation.held_at)
    facts: list[str] = []
    match key.kind:
        case Kind.HELD:
            title = _("Held %(seats)s") % seats
            facts = [
                tell_performance(reservation.performance),
                _("for %(limit)s, until %(until)s") % {"limit": limit, "until": until},
                total,
            ]
        case Kind.RESERVED:
            title = _("Reserved %(seats)s") % seats
            facts = [_("to be paid until %(until)s, as when they were held") % {"until": until}]
        case Kind.CONFIRMED:
            title = _("%(seats)s are the customer's") % seats
        case Kind.OVERDUE:
            title = _("The time to pay was over: %(seats)s went back on sale") % seats
            facts = [
                _("The hold's limit of %(limit)s decided.") % {"limit": limit},
                _("Over by the clock; nobody has written it down yet."),
            ]
        case _:
            title = _tell_end(reservation) % seats
            if reservation.end_cause == Causes.DEADLINE:
                facts = [
                    _("The hold's limit of %(limit)s decided.") % {"limit": limit},
                    _("It has been written down since."),
                ]
    return Event(
        key=key,
        title=title,
        facts=facts,
        row=_("reservation %(id)s") % {"id": reservation.pk},
        address=_address(reservation),
    )


def _tell_end(reservation: Reservation) -> str:
    match reservation.end_cause:
        case Causes.DEADLINE:
            return _("The time to pay was over: %(seats)s went back on sale")
        case Causes.CUSTOMER:
            return _("The customer gave %(seats)s back")
        case Causes.CALLED_OFF:
            return _("%(seats)s ended: the performance was called off")
        case _:
            return _("Staff ended the claim on %(seats)s")


def _tell_money(case: Case, key: Key, rows: Rows) -> Event | None:
    if key.kind == Kind.LEDGER:
        return _tell_ledger(key, rows)
    payment = rows.payments.get(key.row)
    if payment is None:
        return None
    amount = {"amount": format_money(payment.amount, payment.currency)}
    paid = key.kind == Kind.PAID
    return Event(
        key=key,
        title=(_("Paid %(amount)s") if paid else _("%(amount)s given back")) % amount,
        facts=[_("for reservation %(id)s") % {"id": payment.reservation_id}],
        row=_("payment %(id)s") % {"id": payment.pk},
        address=_address(payment),
    )


def _tell_ledger(key: Key, rows: Rows) -> Event | None:
    entry = rows.ledger.get(key.row)
    if entry is None:
        return None
    currency = entry.wallet.currency
    return Event(
        key=key,
        title=_("Wallet: %(kind)s %(amount)s")
        % {"kind": entry.get_kind_display(), "amount": format_money(entry.amount, currency)},
        facts=[
            _("balance %(amount)s") % {"amount": format_money(entry.balance_after, currency)},
            *([entry.reference] if entry.reference else []),
        ],
        row=_("ledger entry %(id)s") % {"id": entry.pk},
        address=_address(entry),
    )


def _tell_staff(case: Case, key: Key, rows: Rows) -> Event | None:
    action = rows.actions.get(key.row)
    if action is None:
        return None
    changes = [str(row) for row in list_differences(action, rows.names)]
    return Event(
        key=key,
        title=_("%(who)s %(did)s") % {"who": action.actor_name, "did": tell_action(action.action)},
        facts=[
            _("Reason: %(reason)s") % {"reason": tell_reason(action.reason)},
            f"{tell_subject(action.subject)}",
            *changes[:CHANGES_TOLD_MAX],
        ],
        row=_("record %(id)s") % {"id": action.pk},
        address=_address(action),
    )


def _address(row: Model) -> str:
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])


_TELLERS: dict[str, Callable[[Case, Key, Rows], Event | None]] = {
    "line": _tell_line,
    "seats": _tell_reservation,
    "money": _tell_money,
    "staff": _tell_staff,
}
