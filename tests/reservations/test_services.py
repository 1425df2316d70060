"""The use cases of holds and reservations, without HTTP."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from apps.concerts.errors import ConcertNotFound, DateNotBookable, SeatNotFound
from apps.concerts.models import Concert, Seat
from apps.core.errors import InvalidRequest
from apps.queue.errors import (
    QueueNotAdmitted,
    QueueTokenExpired,
    QueueTokenInvalid,
    WrongWaitingRoom,
)
from apps.queue.models import Presence, QueueEntry, Turnstile
from apps.reservations import services
from apps.reservations.errors import (
    HoldExpired,
    HoldNotFound,
    SeatAlreadyReserved,
    SeatLimitExceeded,
    SeatUnavailable,
)
from apps.reservations.models import Reservation, ReservationSeat
from apps.reservations.transitions import cancel
from tests.factories import (
    NOW,
    ConcertFactory,
    PerformanceFactory,
    QueueEntryFactory,
    RoomFactory,
    UserFactory,
    make_seats,
)
from tests.reservations.support import (
    CLAIMS,
    DEADLINE,
    block,
    hold,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
)

pytestmark = pytest.mark.django_db


def ids(seats):
    return [seat.pk for seat in seats]


def assert_raises(error, act, *args, **kwargs):
    """Assert that the call raises `error` and writes nothing; return what was raised."""
    with nothing_written(), pytest.raises(error) as raised:
        act(*args, **kwargs)
    return raised.value


def hold_ids(entry, performance, seat_ids, **kwargs):
    given = {
        "entry_id": entry.pk,
        "concert_id": performance.concert_id,
        "date": performance.date,
        "seat_ids": seat_ids,
        "now": NOW,
    }
    return services.hold_seats(**{**given, **kwargs})


# Holding


def test_a_hold_is_one_reservation_with_a_line_for_each_seat(admitted, seats):
    held = hold(admitted, seats[:3])
    assert (held.status, held.total, held.currency) == ("held", 30_000, "KRW")
    assert (held.held_at, held.expires_at) == (NOW, NOW + timedelta(seconds=300))
    lines = ReservationSeat.objects.filter(reservation=held, released_at=None)
    assert sorted(lines.values_list("seat", "price")) == [(seat.pk, 10_000) for seat in seats[:3]]


def test_the_length_of_a_hold_is_a_setting(admitted, seats, settings):
    settings.HOLD_SECONDS = 7
    assert hold(admitted, seats[:1]).expires_at == NOW + timedelta(seconds=7)


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_all_or_none(admitted, seats, claim):
    claim(UserFactory(), seats[3:])
    error = assert_raises(SeatUnavailable, hold, admitted, seats)
    assert error.fields == {"seat_ids": [seats[3].pk]}


def test_every_seat_that_is_lost_is_named(admitted, seats):
    make_hold(UserFactory(), seats[:1])
    block(seats[2])
    error = assert_raises(SeatUnavailable, hold, admitted, seats)
    assert error.fields == {"seat_ids": [seats[0].pk, seats[2].pk]}


def test_the_index_is_a_fence_even_where_the_check_is_forgotten(admitted, seats, monkeypatch):
    make_hold(UserFactory(), seats[:1])
    monkeypatch.setattr(services, "require_free", lambda _seats, _claims: None)
    error = assert_raises(SeatUnavailable, hold, admitted, seats[1::-1])
    assert error.fields == {"seat_ids": ids(seats[:2])}


def test_other_broken_rules_are_not_mistaken_for_a_lost_seat(admitted, seats, settings):
    settings.HOLD_SECONDS = 0  # breaks "the deadline is after the hold"
    assert_raises(IntegrityError, hold, admitted, seats[:1])


def test_seats_of_two_performances_are_refused(admitted, performance, seats):
    evening = PerformanceFactory(
        concert=performance.concert, starts_at=performance.starts_at + timedelta(hours=4)
    )
    mixed = ids(seats[:1] + make_seats(evening, 1))
    error = assert_raises(InvalidRequest, hold_ids, admitted, performance, mixed)
    assert error.fields["errors"][0]["code"] == "several_performances"


@pytest.mark.parametrize("kind", ["unknown", "other concert", "other date", "twice"])
def test_seats_that_are_not_of_the_date_are_not_found(admitted, performance, seats, kind):
    match kind:
        case "unknown":
            seat_id = 999_999_999
        case "other concert":
            seat_id = make_seats(PerformanceFactory(), 1)[0].pk
        case "other date":
            starts_at = performance.starts_at + timedelta(days=1)
            other = PerformanceFactory(concert=performance.concert, starts_at=starts_at)
            seat_id = make_seats(other, 1)[0].pk
        case "twice":
            seat_id = seats[0].pk
    assert_raises(SeatNotFound, hold_ids, admitted, performance, [seats[0].pk, seat_id])


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_the_limit_counts_what_one_has(admitted, customer, performance, claim):
    seats = make_seats(performance, 6)
    claim(customer, seats[:3])
    error = assert_raises(SeatLimitExceeded, hold, admitted, seats[3:5])
    assert error.fields == {"limit": 4}
    assert hold(admitted, seats[3:4])


@pytest.mark.parametrize("ended", ["overdue", "given back", "other performance", "somebody else's"])
def test_the_limit_does_not_count_what_one_has_not(admitted, customer, performance, ended):
    seats = make_seats(performance, 8)
    match ended:
        case "overdue":
            make_reservation(customer, seats[:4], at=NOW - timedelta(minutes=5))
        case "given back":
            cancel(make_hold(customer, seats[:4]), now=NOW)
        case "other performance":
            evening = PerformanceFactory(
                concert=performance.concert, starts_at=performance.starts_at + timedelta(hours=4)
            )
            make_paid(customer, make_seats(evening, 4))
        case "somebody else's":
            make_hold(UserFactory(), seats[:4])
    assert hold(admitted, seats[4:])


def test_the_limit_is_the_concerts(admitted, performance, seats):
    Concert.objects.update(seats_per_customer=1)
    error = assert_raises(SeatLimitExceeded, hold, admitted, seats[:2])
    assert error.fields == {"limit": 1}


@pytest.mark.parametrize("make", [make_hold, make_reservation])
def test_taking_over_an_overdue_seat_expires_the_whole_reservation(admitted, seats, make):
    old = make(UserFactory(), seats[:3])
    hold(admitted, seats[1:2], now=DEADLINE + timedelta(seconds=7))
    old.refresh_from_db()
    assert (old.status, old.ended_at, old.expires_at) == ("expired", DEADLINE, DEADLINE)
    released = old.lines.values_list("seat", "released_at")
    assert dict(released) == dict.fromkeys(ids(seats[:3]), DEADLINE)


def test_one_take_over_may_end_several_reservations_and_its_own(admitted, customer, seats):
    old = [
        make_hold(who, [seat]) for who, seat in zip((UserFactory(), customer), seats, strict=False)
    ]
    hold(admitted, seats[:2], now=DEADLINE)
    for reservation in old:
        reservation.refresh_from_db()
        assert reservation.status == "expired"


def test_a_refused_take_over_expires_nothing(admitted, seats):
    make_hold(UserFactory(), seats[:1])
    make_paid(UserFactory(), seats[1:2])
    error = assert_raises(SeatUnavailable, hold, admitted, seats[:2], now=DEADLINE)
    assert error.fields == {"seat_ids": [seats[1].pk]}


def test_the_deadline_never_moves(admitted, seats):
    held = hold(admitted, seats[:1])
    hold(admitted, seats[1:2], now=NOW + timedelta(seconds=60))
    assert_raises(SeatUnavailable, hold, admitted, seats[:1], now=NOW + timedelta(seconds=90))
    at = NOW + timedelta(seconds=120)
    reserved = services.reserve_hold(entry_id=admitted.pk, hold_id=held.pk, now=at)
    assert (reserved.expires_at, reserved.reserved_at) == (DEADLINE, at)
    held.refresh_from_db()
    assert held.expires_at == DEADLINE


@pytest.mark.parametrize(
    ("at", "error"),
    [
        (timedelta(days=-1, microseconds=-1), DateNotBookable),
        (timedelta(days=30), DateNotBookable),
    ],
)
def test_not_on_sale(room, performance, seats, at, error):
    entry = make_inside()
    Presence.objects.update(last_seen_at=NOW + at)
    QueueEntry.objects.update(session_expires_at=NOW + timedelta(days=99))
    assert_raises(error, hold, entry, seats[:1], now=NOW + at)


def test_begun(room, performance, seats):
    entry, begins_at = make_inside(), performance.starts_at
    Concert.objects.update(sales_close_at=begins_at + timedelta(days=1))
    Presence.objects.update(last_seen_at=begins_at)
    QueueEntry.objects.update(session_expires_at=begins_at + timedelta(days=1))
    assert_raises(DateNotBookable, hold, entry, seats[:1], now=begins_at)
    assert hold(entry, seats[:1], now=begins_at - timedelta(microseconds=1))


@pytest.mark.parametrize("concert_id", [0, 999_999_999, 2**63])
def test_an_unknown_concert(admitted, performance, seats, concert_id):
    act = {"concert_id": concert_id}
    assert_raises(ConcertNotFound, hold_ids, admitted, performance, ids(seats[:1]), **act)


def test_an_unpublished_concert(admitted, performance, seats):
    Concert.objects.update(published=False)
    assert_raises(ConcertNotFound, hold, admitted, seats[:1])


def test_a_seat_held_in_the_room_of_its_concert_alone(admitted, seats):
    vip = RoomFactory(slug="vip")
    Concert.objects.update(room=vip.slug)
    error = assert_raises(WrongWaitingRoom, hold, admitted, seats[:1])
    assert error.fields == {"room": "vip"}
    assert hold(make_inside(room=vip), seats[:1])


# Every use case asks for the token under its lock.


def act_release(entry, reservation, now):
    services.release_hold(entry_id=entry.pk, hold_id=reservation.pk, now=now)


def act_reserve(entry, reservation, now):
    services.reserve_hold(entry_id=entry.pk, hold_id=reservation.pk, now=now)


def act_hold(entry, reservation, now):
    seat = Seat.objects.filter(performance=reservation.performance).last()
    hold(entry, [seat], now=now)


ACTS = pytest.mark.parametrize("act", [act_hold, act_release, act_reserve])


@ACTS
@pytest.mark.parametrize("reason", QueueEntry.EndReason.values)
def test_an_ended_token_says_why(room, customer, seats, act, reason):
    entry = QueueEntryFactory(
        room=room, customer=customer, state="ended", ended_at=NOW, end_reason=reason
    )
    error = assert_raises(QueueTokenExpired, act, entry, make_hold(customer, seats[:1]), NOW)
    assert error.fields == {"reason": reason}


@ACTS
@pytest.mark.parametrize(
    ("idle_s", "session_s", "reason"), [(60, 3600, "idle"), (3600, 60, "session_over")]
)
def test_the_clock_ends_a_token_without_a_sweep(
    room, customer, seats, act, idle_s, session_s, reason
):
    room.idle_seconds, room.session_seconds = idle_s, session_s
    room.save()
    entry, held = make_inside(customer, room=room), make_hold(customer, seats[:1])
    at = NOW + timedelta(seconds=60)
    error = assert_raises(QueueTokenExpired, act, entry, held, at)
    assert error.fields == {"reason": reason}
    act(entry, held, at - timedelta(microseconds=1))


@ACTS
def test_who_waits_is_told_where_they_stand(room, customer, seats, act):
    Turnstile.objects.update(admitted=room.capacity)
    QueueEntryFactory(room=room)
    entry = QueueEntryFactory(room=room, customer=customer)
    error = assert_raises(QueueNotAdmitted, act, entry, make_hold(customer, seats[:1]), NOW)
    assert error.fields.pop("poll_after_seconds") == 1  # near the front
    assert error.fields == {
        "position": 2,
        "estimated_wait_seconds": 15,  # 500 places, each used for an hour
    }


@ACTS
def test_an_entry_that_is_gone(room, admitted, customer, seats, act):
    held = make_hold(customer, seats[:1])
    admitted.pk = 999_999_999
    assert_raises(QueueTokenInvalid, act, admitted, held, NOW)


@pytest.mark.parametrize("act", [act_release, act_reserve])
class TestOnesOwnHold:
    """Giving back and reserving ask the same of a hold."""

    def test_in_the_room_of_the_concert(self, customer, seats, act):
        entry = make_inside(customer, room=RoomFactory(slug="vip"))
        error = assert_raises(WrongWaitingRoom, act, entry, make_hold(customer, seats[:1]), NOW)
        assert error.fields == {"room": "main"}

    def test_of_oneself(self, admitted, seats, act):
        assert_raises(HoldNotFound, act, admitted, make_hold(UserFactory(), seats[:1]), NOW)

    def test_not_given_back(self, admitted, customer, seats, act):
        given_back = make_hold(customer, seats[:1])
        cancel(given_back, now=NOW)
        assert_raises(HoldNotFound, act, admitted, given_back, NOW)

    @pytest.mark.parametrize("make", [make_reservation, make_paid])
    def test_not_reserved(self, admitted, customer, seats, act, make):
        reservation = make(customer, seats[:1])
        error = assert_raises(SeatAlreadyReserved, act, admitted, reservation, NOW)
        assert error.fields == {"reservation_id": reservation.pk}

    def test_not_over(self, admitted, customer, seats, act):
        held = make_hold(customer, seats[:1])
        error = assert_raises(HoldExpired, act, admitted, held, DEADLINE)
        assert error.fields == {"expired_at": DEADLINE}
        services.expire_holds(now=DEADLINE)
        error = assert_raises(HoldExpired, act, admitted, held, DEADLINE)
        assert error.fields == {"expired_at": DEADLINE}


def test_a_hold_given_back_stays_with_when(admitted, customer, seats):
    held, at = make_hold(customer, seats[:2]), NOW + timedelta(seconds=9)
    services.release_hold(entry_id=admitted.pk, hold_id=held.pk, now=at)
    held.refresh_from_db()
    assert (held.status, held.ended_at) == ("cancelled", at)
    assert [line.released_at for line in held.lines.all()] == [at, at]
    assert hold(make_inside(), seats[:2], now=at)


def test_a_hold_survives_the_token_it_was_made_with(room, customer, seats):
    first = make_inside(customer)
    held = hold(first, seats[:1])
    QueueEntry.objects.filter(pk=first.pk).update(
        state="ended", ended_at=NOW, end_reason="reissued"
    )
    second = make_inside(customer)
    assert services.reserve_hold(entry_id=second.pk, hold_id=held.pk, now=NOW).pk == held.pk


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"expires_at": NOW}, "reservation_deadline"),
        ({"total": -1}, "reservation_total"),
        ({"status": "confirmed", "reserved_at": NOW}, "reservation_confirmed_is_paid"),
        ({"status": "expired"}, "reservation_end"),
        ({"ended_at": NOW}, "reservation_end"),
        ({"status": "reserved"}, "reservation_reserved"),
        ({"reserved_at": NOW}, "reservation_reserved"),
    ],
)
def test_the_database_keeps_the_states_apart(customer, seats, fields, constraint):
    held = make_hold(customer, seats[:1])
    with pytest.raises(IntegrityError, match=constraint):
        Reservation.objects.filter(pk=held.pk).update(**fields)


def test_they_say_what_they_are(customer, seats):
    held = make_hold(customer, seats[:1])
    assert str(held) == str(held.pk)
    assert str(held.lines.get()) == str(seats[0].pk)


def test_concerts_do_not_share_their_limits(admitted, seats):
    hold(admitted, seats)
    other = PerformanceFactory(concert=ConcertFactory())
    assert hold(admitted, make_seats(other, 4))
