"""Why a customer has no seat: a plain sentence or two for each reservation and each place in line that ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.backoffice.cases.case import Case
from apps.backoffice.cases.limits import ANSWERS_MAX, LINE_ANSWERS_MAX
from apps.backoffice.cases.words import (
    tell_moment,
    tell_performance,
    tell_seats,
    tell_seconds,
    tell_span,
)
from apps.core.audit_log import tell_reason
from apps.core.models import StaffAction
from apps.core.money import format_money
from apps.payments.models import Payment
from apps.queue.models import QueueEntry
from apps.reservations.models import Reservation, ReservationSeat

Status = Reservation.Status
Causes = Reservation.EndCause
Ends = QueueEntry.EndReason


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of one reservation or place in line, in sentences."""

    at: datetime
    heading: str
    address: str
    sentences: list[str]


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What the sentences are made of, read at once for all reservations of a page."""

    lines: dict[int, list[ReservationSeat]]
    # Who claimed a seat next, by the line that lost it.
    next_claims: dict[int, ReservationSeat]
    payments: dict[int, Payment]
    # What staff did, by its subject and the moment that it ended.
    actions: dict[tuple[str, datetime], StaffAction]


def list_answers(case: Case) -> list[Answer]:
    """Return what became of the case's reservations and places in line, the latest first."""
    reservations = _list_reservations(case)
    entries = _list_entries(case)
    evidence = _find_evidence(case, reservations, entries)
    answers = [_answer_reservation(case, row, evidence) for row in reservations]
    answers += [_answer_entry(case, entry, evidence) for entry in entries]
    return sorted(answers, key=lambda answer: answer.at, reverse=True)


def _list_reservations(case: Case) -> list[Reservation]:
    if "seats" not in case.parts:
        return []
    rows = Reservation.objects.filter(customer=case.customer).select_related("performance__concert")
    if case.reservation is not None:
        return list(rows.filter(pk=case.reservation.pk))
    over = Q(status__in=(Status.EXPIRED, Status.CANCELLED)) | Q(
        performance__called_off_at__isnull=False
    )
    ended = rows.filter(over | Q(pk__in=rows.overdue(case.now).values("pk")))
    return list(ended.order_by("-pk")[:ANSWERS_MAX])


def _list_entries(case: Case) -> list[QueueEntry]:
    """Return the places in line that ended otherwise than by paying, or that the clock has ended."""
    if "line" not in case.parts:
        return []
    rows = QueueEntry.objects.filter(customer=case.customer).exclude(end_reason=Ends.PAID)
    if case.reservation is not None:
        till = case.reservation.ended_at or case.now
        rows = rows.filter(joined_at__lte=till).filter(
            Q(ended_at__isnull=True) | Q(ended_at__gte=case.reservation.held_at)
        )
    # One that lives takes a place of these, and is passed over below: there is one for a room at most.
    found = rows.select_related("room", "presence").order_by("-pk")[: 2 * LINE_ANSWERS_MAX]
    return [entry for entry in found if _find_end(entry, case.now)][:LINE_ANSWERS_MAX]


def _find_end(entry: QueueEntry, now: datetime) -> tuple[datetime, str] | None:
    """Return when and why a place in line ended, written down or not."""
    if entry.ended_at is not None:
        return entry.ended_at, entry.end_reason
    return entry.ended_by_clock(now)


def _find_evidence(
    case: Case, reservations: Sequence[Reservation], entries: Sequence[QueueEntry]
) -> _Evidence:
    pks = [row.pk for row in reservations]
    later = ReservationSeat.objects.filter(
        seat=OuterRef("seat"),
        reservation__held_at__gte=Coalesce(
            OuterRef("reservation__ended_at"), OuterRef("reservation__expires_at")
        ),
    ).exclude(reservation=OuterRef("reservation"))
    lines: Any = (
        ReservationSeat.objects.filter(reservation__in=pks)
        .select_related("seat")
        .annotate(next_claim=Subquery(later.order_by("reservation__held_at").values("pk")[:1]))
        if pks
        else []
    )
    by_reservation: dict[int, list[ReservationSeat]] = {pk: [] for pk in pks}
    for line in lines:
        by_reservation[line.reservation_id].append(line)
    claims = ReservationSeat.objects.select_related("reservation__customer").in_bulk(
        {line.next_claim for line in lines if line.next_claim}
    )
    subjects = [f"reservation:{pk}" for pk in pks] + [f"queueentry:{row.pk}" for row in entries]
    actions = StaffAction.objects.filter(subject__in=subjects)
    payments = Payment.objects.filter(reservation__in=pks)
    return _Evidence(
        lines=by_reservation,
        next_claims={line.pk: claims[line.next_claim] for line in lines if line.next_claim},
        payments={row.reservation_id: row for row in payments} if "payments" in case.parts else {},
        actions={(row.subject, row.at): row for row in actions} if "staff" in case.parts else {},
    )


def _answer_reservation(case: Case, row: Reservation, evidence: _Evidence) -> Answer:
    lines = evidence.lines[row.pk]
    seats = tell_seats(line.seat for line in lines)
    ended_at = row.ended_at or (row.expires_at if row.is_overdue(case.now) else None)
    heading = _("Reservation %(id)s: %(seats)s, %(performance)s") % {
        "id": row.pk,
        "seats": seats,
        "performance": tell_performance(row.performance),
    }
    sentences = [_tell_end(case, row, seats, evidence)]
    if ended_at is not None:
        sentences += _tell_next(case, lines, ended_at, evidence)
    return Answer(
        at=ended_at or row.performance.called_off_at or row.confirmed_at or row.held_at,
        heading=heading,
        address=reverse("admin:reservation_case", args=[row.pk]),
        sentences=sentences,
    )


def _tell_end(case: Case, row: Reservation, seats: str, evidence: _Evidence) -> str:
    if row.status == Status.EXPIRED or row.is_overdue(case.now):
        return _(
            "The seats %(seats)s were held at %(held)s until %(until)s and were not paid for; they "
            "went back on sale at %(until)s."
        ) % {
            "seats": seats,
            "held": tell_moment(row.held_at),
            "until": tell_moment(row.expires_at, beside=row.held_at),
        }
    if row.status == Status.CANCELLED:
        return _tell_cancellation(row, evidence)
    if row.performance.called_off_at is not None:
        return _(
            "The performance was called off at %(at)s. The reservation is about to end, and what was "
            "paid to be given back."
        ) % {"at": tell_moment(row.performance.called_off_at)}
    if row.status == Status.CONFIRMED and row.confirmed_at is not None:
        return _("Nothing is lost: the seats are paid for and the customer's since %(at)s.") % {
            "at": tell_moment(row.confirmed_at)
        }
    return _("Nothing is lost yet: the seats are held until %(until)s, and not paid for.") % {
        "until": tell_moment(row.expires_at)
    }


def _tell_cancellation(row: Reservation, evidence: _Evidence) -> str:
    assert row.ended_at is not None
    payment = evidence.payments.get(row.pk)
    told: dict[str, Any] = {"at": tell_moment(row.ended_at)}
    if payment is not None:
        told["amount"] = format_money(payment.amount, payment.currency)
    if row.end_cause == Causes.CALLED_OFF:
        if payment is None:
            return _("The performance was called off; the claim ended at %(at)s.") % told
        return _("The performance was called off; %(amount)s were given back at %(at)s.") % told
    if row.end_cause == Causes.CUSTOMER:
        if payment is None:
            return _("The customer gave the seats back at %(at)s.") % told
        return _("The customer cancelled at %(at)s, and %(amount)s were given back.") % told
    action = evidence.actions.get((f"reservation:{row.pk}", row.ended_at))
    if action is None:
        return _("Staff ended it at %(at)s.") % told
    told |= {"who": action.actor_name, "reason": tell_reason(action.reason)}
    if payment is None:
        return _("Staff (%(who)s) ended the claim at %(at)s: “%(reason)s”") % told
    return _("Staff (%(who)s) gave the payment of %(amount)s back at %(at)s: “%(reason)s”") % told


def _tell_next(
    case: Case, lines: Sequence[ReservationSeat], ended_at: datetime, evidence: _Evidence
) -> Iterator[str]:
    """Yield who has held the seats since: a sentence for each reservation that took some."""
    taken: dict[int, list[ReservationSeat]] = {}
    for line in lines:
        claim = evidence.next_claims.get(line.pk)
        if claim is not None:
            taken.setdefault(claim.reservation_id, []).append(line)
    for of in taken.values():
        reservation = evidence.next_claims[of[0].pk].reservation
        yield _("%(seats)s: held by %(who)s at %(at)s.") % {
            "seats": tell_seats(line.seat for line in of),
            "who": _("the same customer")
            if reservation.customer_id == case.customer.pk
            else case.tell_customer(reservation.customer),
            "at": tell_moment(reservation.held_at, beside=ended_at),
        }
    if not taken:
        yield _("Nobody has held them since.")


def _answer_entry(case: Case, entry: QueueEntry, evidence: _Evidence) -> Answer:
    end = _find_end(entry, case.now)
    assert end is not None
    ended_at, reason = end
    return Answer(
        at=ended_at,
        heading=_("Line of %(room)s: number %(number)s")
        % {"room": entry.room, "number": entry.number},
        address=reverse("admin:queue_queueentry_change", args=[entry.pk]),
        sentences=[_tell_line_end(entry, reason, tell_moment(ended_at), evidence)],
    )


def _tell_line_end(entry: QueueEntry, reason: str, at: str, evidence: _Evidence) -> str:
    match reason:
        case Ends.IDLE:
            return _("The line was left at %(at)s because nothing was heard for %(limit)s.") % {
                "at": at,
                "limit": tell_seconds(entry.room.idle_seconds),
            }
        case Ends.SESSION_OVER:
            assert entry.admitted_at is not None
            assert entry.session_expires_at is not None
            return _("The session of %(limit)s was over before payment, at %(at)s.") % {
                "at": at,
                "limit": tell_span(entry.session_expires_at - entry.admitted_at),
            }
        case Ends.REISSUED:
            return _("The customer joined the line again at %(at)s; this place ended.") % {"at": at}
        case Ends.REMOVED:
            assert entry.ended_at is not None
            action = evidence.actions.get((f"queueentry:{entry.pk}", entry.ended_at))
            if action is None:
                return _("Staff took the customer out of the line at %(at)s.") % {"at": at}
            return _(
                "Staff (%(who)s) took the customer out of the line at %(at)s: “%(reason)s”"
            ) % {"who": action.actor_name, "at": at, "reason": tell_reason(action.reason)}
        case _:
            return _("The customer left the line at %(at)s.") % {"at": at}
