"""What staff end, and why: holds released, payments refunded."""

from datetime import timedelta

import pytest

from apps.concerts.models import Seat
from apps.core.audit import Actor
from apps.core.errors import InvalidRequest
from apps.core.limits import REASON_LENGTH_MAX
from apps.core.models import StaffAction
from apps.payments import services
from apps.payments.errors import PaymentNotFound, ReservationNotCancellable
from apps.payments.models import Payment
from apps.reservations.errors import ReservationNotFound, ReservationNotReleasable
from apps.reservations.models import Reservation
from apps.reservations.services import release_for_staff
from apps.wallet.errors import BalanceLimitExceeded
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.services import charge_wallet
from tests.factories import NOW, UserFactory
from tests.reservations.support import (
    DEADLINE,
    RESERVATIONS,
    assert_refused,
    balance_of,
    block,
    hold,
    ledger_of,
    make_hold,
    make_inside,
    make_paid,
    make_reservation,
    nothing_written,
    post_hold,
)

pytestmark = pytest.mark.django_db

AT = NOW + timedelta(seconds=30)


@pytest.fixture
def clerk():
    user = UserFactory(email="clerk@encore.example", is_staff=True)
    return Actor(name=user.email, user_id=user.pk)


@pytest.fixture
def release(clerk):
    def act(reservation, *, reason="전화 요청", now=AT, **options):
        return release_for_staff(
            reservation_id=reservation.pk, actor=clerk, reason=reason, now=now, **options
        )

    return act


@pytest.fixture
def refund(clerk):
    def act(reservation, *, reason="좌석 파손", now=AT, **options):
        return services.refund_payment(
            payment_id=reservation.payment_id, actor=clerk, reason=reason, now=now, **options
        )

    return act


def now_of(reservation):
    return Reservation.objects.get(pk=reservation.pk)


@pytest.mark.parametrize("make", [make_hold, make_reservation])
def test_an_unpaid_claim_is_released(customer, seats, release, clerk, make):
    claim = make(customer, seats[:2])
    before = claim.status
    release(claim)
    ended = now_of(claim)
    assert (ended.status, ended.end_cause, ended.ended_at) == ("cancelled", "staff", AT)
    assert {line.released_at for line in ended.lines.all()} == {AT}
    assert hold(make_inside(), seats[:2], now=AT)
    action = StaffAction.objects.get()
    assert (action.action, action.subject) == ("release_hold", f"reservation:{claim.pk}")
    assert (action.actor_id, action.actor_name) == (clerk.user_id, clerk.name)
    assert (action.reason, action.at) == ("전화 요청", AT)
    assert action.before == {
        "status": before,
        "customer": customer.pk,
        "performance": seats[0].performance_id,
        "total": 20_000,
        "seats": [seats[0].pk, seats[1].pk],
    }
    assert action.after == {"status": "cancelled", "seats_withdrawn": False}


def test_a_payment_is_refunded_after_the_cut_off(customer, performance, seats, refund):
    paid = make_paid(customer, seats[:2])
    at = performance.starts_at + timedelta(days=1)
    refund(paid, now=at)
    ended = now_of(paid)
    assert (ended.status, ended.end_cause, ended.ended_at) == ("cancelled", "staff", at)
    payment = Payment.objects.get()
    assert (payment.status, payment.refunded_at) == ("refunded", at)
    assert ledger_of(customer) == [("charge", 20_000), ("payment", -20_000), ("refund", 20_000)]
    action = StaffAction.objects.get()
    assert (action.action, action.before["status"]) == ("refund_payment", "confirmed")


@pytest.mark.parametrize("paid", [False, True])
def test_seats_are_withdrawn_for_the_same_reason(customer, seats, release, refund, paid, sign_in):
    make, end = (make_paid, refund) if paid else (make_hold, release)
    ended = make(customer, seats[:2])
    block(seats[1], "조명 자리")
    end(ended, reason="  의자가 부서짐 ", withdraw=True)
    now = Seat.objects.in_bulk([seat.pk for seat in seats])
    assert [now[seat.pk].blocked_reason for seat in seats] == ["의자가 부서짐", "조명 자리", "", ""]
    assert StaffAction.objects.get().reason == "의자가 부서짐"
    assert StaffAction.objects.get().after["seats_withdrawn"] is True


def test_a_long_reason_is_kept_whole_in_the_record(customer, seats, release):
    reason = "가" * REASON_LENGTH_MAX
    release(make_hold(customer, seats[:1]), reason=reason, withdraw=True)
    assert StaffAction.objects.get().reason == reason
    assert Seat.objects.get(pk=seats[0].pk).blocked_reason == reason[:200]


def test_the_customer_sees_why(customer, seats, release, refund, sign_in, clock_at_now):
    client = sign_in(customer)
    reservation, paid = make_reservation(customer, seats[:1]), make_paid(customer, seats[1:2])
    for claim, end in ((reservation, release), (paid, refund)):
        assert client.get(f"{RESERVATIONS}/{claim.pk}").json()["end_cause"] is None
        end(claim)
        body = client.get(f"{RESERVATIONS}/{claim.pk}").json()
        assert (body["status"], body["end_cause"]) == ("cancelled", "staff")


@pytest.mark.parametrize("swept", [False, True])
def test_the_deadline_is_a_cause_of_its_own(customer, seats, sign_in, clock_at_now, swept):
    reservation = make_reservation(customer, seats[:1])
    clock_at_now.now = DEADLINE
    if swept:
        from apps.reservations.services import expire_holds

        expire_holds(now=DEADLINE)
    body = sign_in(customer).get(f"{RESERVATIONS}/{reservation.pk}").json()
    assert (body["status"], body["end_cause"]) == ("expired", "deadline")


@pytest.mark.parametrize("reason", ["", "   ", "가" * (REASON_LENGTH_MAX + 1)])
@pytest.mark.parametrize("paid", [False, True])
def test_without_a_good_reason_nothing_is_done(customer, seats, release, refund, reason, paid):
    make, end = (make_paid, refund) if paid else (make_hold, release)
    claim = make(customer, seats[:1])
    with nothing_written(), pytest.raises(InvalidRequest):
        end(claim, reason=reason, withdraw=True)
    assert not Seat.objects.filter(blocked=True).exists()
    assert not StaffAction.objects.exists()


def test_what_is_paid_or_over_is_not_released(customer, seats, release):
    paid, held = make_paid(customer, seats[:1]), make_hold(customer, seats[1:2])
    released = make_hold(customer, seats[2:3])
    release(released)
    for claim, at in ((paid, AT), (held, DEADLINE), (released, AT)):
        with nothing_written(), pytest.raises(ReservationNotReleasable):
            release(claim, now=at)
    with nothing_written(), pytest.raises(ReservationNotFound):
        release(Reservation(pk=999_999_999))
    assert StaffAction.objects.count() == 1


def test_a_refund_is_given_once(customer, seats, refund):
    paid = make_paid(customer, seats[:1])
    refund(paid)
    with nothing_written(), pytest.raises(ReservationNotCancellable):
        refund(paid)
    with nothing_written(), pytest.raises(PaymentNotFound):
        refund(Reservation(payment_id=999_999_999))
    assert balance_of(customer) == 10_000
    assert StaffAction.objects.count() == 1


def test_a_wallet_that_is_full_takes_no_refund(customer, seats, refund):
    paid = make_paid(customer, seats[:1])
    charge_wallet(customer_id=customer.pk, amount=BALANCE_MAX, now=NOW)
    with nothing_written(), pytest.raises(BalanceLimitExceeded):
        refund(paid)
    assert not StaffAction.objects.exists()


def test_a_withdrawn_seat_is_not_sold_again(buyer, seats, refund):
    refund(make_paid(UserFactory(), seats[:1]), withdraw=True)
    with nothing_written():
        assert_refused(post_hold(buyer, seats[:1]), 409, "seat_unavailable")
