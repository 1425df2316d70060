"""What holds, reservations, payments and wallets should do, in plain Python: nothing of the product
decides anything here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime, timedelta

from tests.stateful.base import Brief, Refused
from tests.stateful.line import Entry

HOLD = timedelta(minutes=5)
BALANCE_MAX = 2**53 - 1
# Who lets more holds of a concert run out than this, in this time, waits: the tests' own settings.
LAPSES_MAX = 1
LAPSES_COUNT_FOR = timedelta(hours=1)


@dataclass(eq=False, kw_only=True)
class Concert:
    id: int
    room: str
    limit: int
    sales_open_at: datetime
    sales_close_at: datetime
    cancel_until: timedelta
    performances: list["Performance"] = field(default_factory=list)


@dataclass(eq=False, kw_only=True)
class Performance(Brief):
    id: int
    name: str
    concert: Concert
    starts_at: datetime
    date: Date
    seats: list["Seat"] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def cut_off(self) -> datetime:
        return self.starts_at - self.concert.cancel_until


@dataclass(eq=False, kw_only=True)
class Seat(Brief):
    id: int
    performance: Performance
    price: int
    blocked: bool = False

    def __repr__(self) -> str:
        return f"<seat {self.performance.seats.index(self)} of {self.performance.name}>"


@dataclass(eq=False, kw_only=True)
class Payment:
    paid_at: datetime
    id: int = 0
    refunded_at: datetime | None = None


@dataclass(eq=False, kw_only=True)
class Claim(Brief):
    """A hold and the reservation that it becomes."""

    customer: int
    performance: Performance
    seats: list[Seat]
    held_at: datetime
    id: int = 0
    status: str = "held"
    reserved_at: datetime | None = None
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None
    end_cause: str | None = None
    payment: Payment | None = None

    def __repr__(self) -> str:
        return f"<claim of customer {self.customer} on {self.seats}>"

    @property
    def total(self) -> int:
        return sum(seat.price for seat in self.seats)

    @property
    def expires_at(self) -> datetime:
        """It never moves."""
        return self.held_at + HOLD

    def status_at(self, now: datetime) -> str:
        """Return the status by the clock, whatever has been written down."""
        overdue = self.status in ("held", "reserved") and self.expires_at <= now
        return "expired" if overdue else self.status

    def claims_seats(self, now: datetime) -> bool:
        return self.status_at(now) in ("held", "reserved", "confirmed")

    def end(self, status: str, cause: str, at: datetime) -> None:
        self.status, self.end_cause, self.ended_at = status, cause, at


@dataclass(kw_only=True)
class Posting:
    """A line of a wallet's ledger; `paid_for` is the payment that it is about."""

    kind: str
    amount: int
    balance_after: int
    at: datetime
    paid_for: Payment | None = None


@dataclass(kw_only=True)
class Sales:
    """Everything on sale, and who has what."""

    concerts: list[Concert]
    claims: list[Claim] = field(default_factory=list)
    ledgers: dict[int, list[Posting]] = field(default_factory=dict)

    @property
    def performances(self) -> list[Performance]:
        return [show for concert in self.concerts for show in concert.performances]

    @property
    def seats(self) -> list[Seat]:
        return [seat for performance in self.performances for seat in performance.seats]

    def claim_on(self, seat: Seat, now: datetime) -> Claim | None:
        return next((c for c in self.claims if seat in c.seats and c.claims_seats(now)), None)

    def seat_status(self, seat: Seat, now: datetime) -> str:
        """Return what a list of seats says of this one."""
        if claim := self.claim_on(seat, now):
            return "sold" if claim.status == "confirmed" else claim.status
        return "blocked" if seat.blocked else "available"

    # Holds and reservations

    def hold(
        self, entry: Entry, performance: Performance, seats: Sequence[Seat], now: datetime
    ) -> Claim:
        """Hold seats on the date of a performance: all of them or none."""
        concert = performance.concert
        entry.require_inside(now)
        self._require_room(entry, performance)
        on_date = [show for show in concert.performances if show.date == performance.date]
        bookable = [show for show in on_date if show.starts_at > now]
        if not bookable or not concert.sales_open_at <= now < concert.sales_close_at:
            raise Refused("DateNotBookable")
        self._require_few_lapses(entry.customer, concert, now)
        if any(seat.performance not in bookable for seat in seats):
            raise Refused("SeatNotFound")
        if len({seat.performance for seat in seats}) > 1:
            raise Refused("InvalidRequest")
        show = seats[0].performance
        mine = [c for c in self.claims if c.customer == entry.customer and c.performance is show]
        claimed = sum(len(claim.seats) for claim in mine if claim.claims_seats(now))
        if claimed + len(seats) > concert.limit:
            raise Refused("SeatLimitExceeded", limit=concert.limit)
        lost = [s.id for s in seats if s.blocked or self.claim_on(s, now)]
        if lost:
            raise Refused("SeatUnavailable", seat_ids=sorted(lost))
        # Whoever takes a seat of an overdue claim over writes down that all of it is over; and what is
        # over of their own, since it was not counted.
        for claim in self.claims:
            if claim in mine or not set(claim.seats).isdisjoint(seats):
                self._write_down(claim, now)
        hold = Claim(customer=entry.customer, performance=show, seats=list(seats), held_at=now)
        self.claims.append(hold)
        return hold

    def _require_few_lapses(self, customer: int, concert: Concert, now: datetime) -> None:
        lapses = [
            claim
            for claim in self.claims
            if claim.customer == customer
            and claim.performance.concert is concert
            and claim.status_at(now) == "expired"
            and claim.expires_at > now - LAPSES_COUNT_FOR
        ]
        if len(lapses) > LAPSES_MAX:
            raise Refused("TooManyLapsedHolds")

    def release(self, entry: Entry, claim: Claim, now: datetime) -> None:
        self._require_own_hold(entry, claim, now)
        claim.end("cancelled", "customer", now)

    def reserve(self, entry: Entry, claim: Claim, now: datetime) -> Claim:
        self._require_own_hold(entry, claim, now)
        claim.status, claim.reserved_at = "reserved", now
        return claim

    def _require_own_hold(self, entry: Entry, claim: Claim, now: datetime) -> None:
        entry.require_inside(now)
        status = claim.status_at(now)
        if claim.customer != entry.customer or status == "cancelled":
            raise Refused("HoldNotFound")
        if status == "expired":
            raise Refused("HoldExpired", expired_at=claim.expires_at)
        if status != "held":
            raise Refused("SeatAlreadyReserved", reservation_id=claim.id)
        self._require_room(entry, claim.performance)

    def _require_room(self, entry: Entry, performance: Performance) -> None:
        if entry.room.slug != performance.concert.room:
            raise Refused("WrongWaitingRoom", room=performance.concert.room)

    def expire(self, now: datetime) -> int:
        """Write down what the clock has ended; return how many."""
        return sum(self._write_down(claim, now) for claim in self.claims)

    def _write_down(self, claim: Claim, now: datetime) -> bool:
        if claim.status == claim.status_at(now):
            return False
        claim.end("expired", "deadline", claim.expires_at)
        return True

    # Money

    def balance(self, customer: int) -> int:
        return sum(posting.amount for posting in self.ledgers.get(customer, []))

    def charge(self, customer: int, amount: int, now: datetime) -> int:
        self._post(customer, "charge", amount, now)
        return self.balance(customer)

    def pay(self, entry: Entry, claim: Claim, now: datetime) -> Payment:
        """Pay: money, seats and the end of the token together."""
        entry.require_inside(now)
        status = claim.status_at(now)
        if claim.customer != entry.customer or status == "cancelled":
            raise Refused("ReservationNotFound")
        if status == "expired":
            raise Refused("HoldExpired", expired_at=claim.expires_at)
        if status == "held":
            raise Refused("ReservationNotFound")
        self._require_room(entry, claim.performance)
        if status == "confirmed":
            raise Refused("ReservationAlreadyPaid")
        payment = Payment(paid_at=now)
        self._post(claim.customer, "payment", -claim.total, now, payment)
        claim.status, claim.confirmed_at, claim.payment = "confirmed", now, payment
        entry.room.end(entry, "paid", now)
        return payment

    def cancel(self, customer: int, claim: Claim, now: datetime) -> Claim:
        """Cancel one's own reservation; what was paid comes back until the cut-off."""
        if claim.customer != customer or claim.reserved_at is None:
            raise Refused("ReservationNotFound")
        match claim.status_at(now):
            case "confirmed" if now < claim.performance.cut_off:
                assert claim.payment is not None
                self._post(customer, "refund", claim.total, now, claim.payment)
                claim.payment.refunded_at = now
            case "reserved":
                pass
            case _:
                raise Refused("ReservationNotCancellable")
        claim.end("cancelled", "customer", now)
        return claim

    def _post(
        self,
        customer: int,
        kind: str,
        amount: int,
        now: datetime,
        paid_for: Payment | None = None,
    ) -> None:
        balance = self.balance(customer)
        if balance + amount < 0:
            raise Refused("InsufficientBalance", balance=balance, required=-amount, currency="KRW")
        if balance + amount > BALANCE_MAX:
            raise Refused("BalanceLimitExceeded", balance=balance, limit=BALANCE_MAX)
        self.ledgers.setdefault(customer, []).append(
            Posting(
                kind=kind,
                amount=amount,
                balance_after=balance + amount,
                at=now,
                paid_for=paid_for,
            )
        )
