"""Rows of reservations that break an invariant are named, whatever should have kept them from it."""

from datetime import timedelta

import pytest

from apps.concerts.models import Concert
from apps.core.audit import Actor
from apps.core.models import IdempotencyKey, StaffAction
from apps.payments.calling_off import call_off_performance, refund_called_off
from apps.reservations.models import Reservation
from apps.reservations.services import expire_holds, release_for_staff, release_hold
from apps.reservations.transitions import reserve as write_reserved
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.integrity import buy, enter, look, reserve, run_sql, subjects
from tests.reservations.support import hold, make_hold, post_hold, post_reservation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room", "fences")]

OPERATOR = Actor(name="terminal: op")
AFTER = NOW + timedelta(minutes=5)


def name_of(reservation):
    return f"reservation:{reservation.pk}"


def assert_broken(invariant, reservation, detail):
    (finding,) = look(invariant)
    assert finding.subject == name_of(reservation)
    assert detail in finding.detail
    assert finding.concert_id == reservation.performance.concert_id


class TestSeats:
    def test_a_seat_that_two_claim_is_found_though_its_index_is_gone(self, seats):
        run_sql("DROP INDEX reservation_seat_claimed_once")
        first, second = (make_hold(UserFactory(), seats[:1]) for _customer in range(2))
        assert [(found.subject, found.detail, found.concert_id) for found in look(1)] == [
            (
                f"seat:{seats[0].pk}",
                f"is claimed by several reservations at once: {first.pk}, {second.pk}",
                seats[0].performance.concert_id,
            )
        ]

    def test_a_seat_sold_again_after_a_deadline_that_nobody_swept_is_whole(self, seats):
        hold(enter(), seats[:2])
        hold(enter(), seats[:1], now=AFTER)
        hold(enter(), seats[2:3])
        assert Reservation.objects.overdue(AFTER).count() == 1
        assert subjects() == []

    def test_a_seat_of_another_performance(self, seats):
        other = make_seats(PerformanceFactory(), 1)
        held = hold(enter(), seats[:1])
        run_sql("UPDATE reservations_reservationseat SET seat_id = %(seat)s", seat=other[0].pk)
        assert_broken(1, held, f"has seat {other[0].pk} of another performance")


class TestStates:
    @pytest.mark.parametrize(
        ("statement", "detail"),
        [
            ("UPDATE {line} SET released_at = now()", "is confirmed, but claims only 0 of its 2"),
            ("DELETE FROM {line}", "has no seats"),
            ("UPDATE {line} SET price = 1", "costs 20000, but its seats 2"),
            ("UPDATE {row} SET total = 1", "costs 1, but its seats 20000"),
            ("UPDATE {row} SET reserved_at = expires_at", "was reserved after its deadline"),
            ("UPDATE {row} SET confirmed_at = expires_at", "was confirmed after its deadline"),
            ("UPDATE {row} SET expires_at = held_at", "was over before it was held"),
            ("UPDATE {row} SET reserved_at = NULL", "is confirmed, which its times do not say"),
            ("UPDATE {row} SET confirmed_at = NULL", "is confirmed, which its times do not say"),
            ("UPDATE {row} SET ended_at = now()", "is confirmed, which its times do not say"),
            ("UPDATE {row} SET status = 'lost'", "is lost, which its times do not say"),
            ("UPDATE {row} SET end_cause = 'staff'", "is confirmed, but ended because of staff"),
        ],
    )
    def test_a_paid_one(self, seats, statement, detail):
        paid = buy(seats[:2]).reservation
        buy(seats[2:])
        names = (
            *("deadline", "total", "confirmed_is_paid", "end", "reserved"),
        )  # the checks of reservation rows
        run_sql(
            *(
                f"ALTER TABLE reservations_reservation DROP CONSTRAINT reservation_{name}"
                for name in names
            ),
            statement.format(line="reservations_reservationseat", row="reservations_reservation")
            + f" WHERE {'reservation_id' if '{line}' in statement else 'id'} = {paid.pk}",
        )
        assert_broken(1, paid, detail)

    @pytest.mark.parametrize(
        ("changes", "detail"),
        [
            ("status = 'reserved'", "which its times do not say"),
            ("confirmed_at = held_at", "which its times do not say"),
            ("status = 'expired', end_cause = 'deadline'", "but still claims 1 seats"),
            ("status = 'cancelled', end_cause = 'staff'", "but still claims 1 seats"),
        ],
    )
    def test_a_hold(self, seats, changes, detail):
        held = hold(enter(), seats[:1])
        run_sql(
            "ALTER TABLE reservations_reservation DROP CONSTRAINT reservation_end",
            "ALTER TABLE reservations_reservation DROP CONSTRAINT reservation_reserved",
            f"UPDATE reservations_reservation SET {changes}",
        )
        assert_broken(1, held, detail)

    @pytest.mark.parametrize(
        ("changes", "detail"),
        [
            ("ended_at = held_at", "expired before its deadline"),
            ("ended_at = NULL", "which its times do not say"),
            ("end_cause = 'customer'", "is expired, but ended because of customer"),
            ("end_cause = NULL", "is expired, but ended because of nothing"),
            ("status = 'cancelled'", "is cancelled, but ended because of deadline"),
        ],
    )
    def test_an_expired_one(self, seats, changes, detail):
        held = hold(enter(), seats[:1])
        assert expire_holds(now=AFTER) == 1
        run_sql(
            "ALTER TABLE reservations_reservation DROP CONSTRAINT reservation_end",
            f"UPDATE reservations_reservation SET {changes}",
        )
        assert_broken(1, held, detail)

    def test_what_ended_in_any_way_is_whole(self, seats):
        entry = enter()
        release_hold(entry_id=entry.pk, hold_id=hold(entry, seats[:1]).pk, now=NOW)
        reserve(seats[1:2])
        hold(enter(), seats[2:3])
        expire_holds(now=AFTER)
        reserve(seats[3:])
        assert subjects() == []


class TestLimit:
    def test_a_customer_over_the_limit_is_found_by_the_claim_that_went_over(
        self, customer, performance
    ):
        seats = make_seats(performance, 6)
        make_hold(customer, seats[:3])
        second = make_hold(customer, seats[3:5])
        make_hold(UserFactory(), seats[5:])
        assert_broken(
            7,
            second,
            f"gave customer {customer.pk} 5 seats of performance {performance.pk}, where 4",
        )

    def test_seats_whose_time_was_over_did_not_count(self, customer, performance):
        seats = make_seats(performance, 8)
        make_hold(customer, seats[:4])
        make_hold(customer, seats[4:], at=AFTER)
        assert subjects(7) == []

    def test_each_performance_has_a_limit_of_its_own(self, customer, performance):
        other = PerformanceFactory(concert=performance.concert, starts_at=NOW + timedelta(days=41))
        for show in (performance, other):
            make_hold(customer, make_seats(show, 4))
        assert subjects(7) == []

    def test_a_limit_that_staff_lower_afterwards_is_whole(self, admin_client, customer, seats):
        buy(seats, customer=customer)
        concert = seats[0].performance.concert
        lower_in_the_admin(admin_client, concert, to=2)
        assert Concert.objects.get().seats_per_customer == 2
        action = StaffAction.objects.get(action="lower_seat_limit")
        assert action.subject == f"concert:{concert.pk}"
        assert action.actor_id is not None
        assert (action.before, action.after) == (
            {"seats_per_customer": 4},
            {"seats_per_customer": 2},
        )
        assert subjects(7) == []

    def test_what_is_claimed_later_falls_under_the_lower_limit(self, customer, seats):
        concert = seats[0].performance.concert
        StaffAction.objects.create(
            at=NOW - timedelta(hours=2),
            actor_name="a",
            action="lower_seat_limit",
            subject=f"concert:{concert.pk}",
            reason="b",
            before={"seats_per_customer": 4},
        )
        Concert.objects.update(seats_per_customer=2)
        held = make_hold(customer, seats)
        assert_broken(7, held, "4 seats")


def lower_in_the_admin(client, concert, *, to):
    url = f"/admin/concerts/concert/{concert.pk}/change/"
    form = client.get(url).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    formset = {
        f"{prefix}-{key}": 0
        for prefix in ("performances", "prices")
        for key in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    for name in ("sales_open_at", "sales_close_at"):
        data[f"{name}_0"], data[f"{name}_1"] = data[name].date(), data[name].time()
    answer = client.post(url, {**data, **formset, "seats_per_customer": to})
    assert answer.status_code == 302, answer.context["errors"]


class TestRetries:
    @pytest.mark.usefixtures("admitted")
    def test_an_answer_about_a_reservation_that_is_not_there(self, buyer, seats):
        held = post_hold(buyer, seats[:1], HTTP_IDEMPOTENCY_KEY="hold").json()
        answer = post_reservation(buyer, held["id"], HTTP_IDEMPOTENCY_KEY="reserve")
        assert answer.status_code == 201
        assert subjects(8) == []
        run_sql("UPDATE core_idempotencykey SET body = replace(body, '{\"id\":', '{\"id\":9')")
        keys = IdempotencyKey.objects.order_by("pk")
        assert subjects(8) == sorted(f"idempotencykey:{key.pk}" for key in keys)
        assert len(keys) == 2


class TestStaff:
    def test_what_staff_ended_without_a_record(self, seats):
        held = hold(enter(), seats[:1])
        release_for_staff(reservation_id=held.pk, actor=OPERATOR, reason="test", now=NOW)
        assert subjects() == []
        other = hold(enter(), seats[1:2])
        release_for_staff(reservation_id=other.pk, actor=OPERATOR, reason="test", now=NOW)
        run_sql(
            "ALTER TABLE core_staffaction DISABLE TRIGGER USER",
            f"DELETE FROM core_staffaction WHERE subject = '{name_of(other)}'",
            "ALTER TABLE core_staffaction ENABLE TRIGGER USER",
        )
        assert_broken(9, other, "was ended by staff (staff)")

    def test_a_performance_that_was_called_off_is_recorded_once_for_all(self, performance, seats):
        paid = buy(seats[:1]).reservation
        held = make_hold(UserFactory(), seats[1:2])
        write_reserved(held, now=NOW)
        later = NOW + timedelta(minutes=2)
        call_off_performance(
            performance_id=performance.pk, actor=OPERATOR, reason="test", now=later
        )
        assert refund_called_off(now=later) == 2
        assert subjects(*range(1, 10)) == []
        run_sql(
            "ALTER TABLE core_staffaction DISABLE TRIGGER USER",
            "DELETE FROM core_staffaction",
            "ALTER TABLE core_staffaction ENABLE TRIGGER USER",
        )
        assert subjects(9) == sorted([name_of(paid), name_of(held)])
