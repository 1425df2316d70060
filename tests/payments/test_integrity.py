"""Payments that do not agree with their reservations, the ledger or the line are named."""

from datetime import timedelta

import pytest
from django.db import connection

from apps.core.audit import Actor
from apps.core.models import IdempotencyKey
from apps.payments.models import Payment
from apps.payments.services import cancel_reservation, refund_payment
from apps.queue.models import Dispenser, QueueEntry, hash_token
from apps.queue.services import leave_line
from apps.wallet.models import WalletEntry
from apps.wallet.services import charge_wallet
from tests.factories import NOW, ConcertFactory, PerformanceFactory, UserFactory, make_seats
from tests.integrity import buy, enter, look, reserve, run_sql, subjects, write_past_triggers
from tests.reservations.support import make_paid, post_cancel, post_payment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("room", "fences")]

LEDGER = "wallet_walletentry"
LATER = NOW + timedelta(minutes=3)


@pytest.fixture
def paid(seats):
    """Two seats bought by one customer; another has bought the other two."""
    bought = buy(seats[:2])
    buy(seats[2:])
    return bought


@pytest.fixture
def refunded(paid):
    cancel_reservation(
        customer_id=paid.payment.customer_id, reservation_id=paid.reservation.pk, now=LATER
    )
    return paid


def debit_of(paid):
    return WalletEntry.objects.get(kind="payment", reference=paid.payment.reference)


def assert_broken(invariant, row, detail):
    (finding,) = look(invariant)
    assert finding.subject == f"{row._meta.model_name}:{row.pk}"
    assert detail in finding.detail
    return finding


class TestReservations:
    @pytest.mark.parametrize(
        ("statement", "detail"),
        [
            (
                "UPDATE payments_payment SET amount = 1",
                "costs 20000, but payment {payment} is of 1",
            ),
            ("UPDATE payments_payment SET currency = 'USD'", "costs KRW, but was paid in USD"),
            (
                "UPDATE payments_payment SET status = 'refunded', refunded_at = now()",
                "is confirmed, but its payment {payment} is refunded",
            ),
            (
                "UPDATE reservations_reservation SET payment_id = 0",
                "has payment {payment}, but names 0",
            ),
            (
                "UPDATE reservations_reservation SET status = 'cancelled', ended_at = now(),"
                " end_cause = 'customer'",
                "is cancelled, but its payment {payment} is not refunded",
            ),
            (
                "UPDATE reservations_reservation SET status = 'reserved'",
                "is reserved, but its payment {payment} is not refunded",
            ),
        ],
    )
    def test_one_that_does_not_agree_with_its_payment(self, paid, statement, detail):
        of = "id" if "reservations" in statement else "reservation_id"
        run_sql(f"{statement} WHERE {of} = {paid.reservation.pk}")
        names = {finding.subject: finding for finding in look(3)}
        finding = names[f"reservation:{paid.reservation.pk}"]
        assert finding.detail == detail.format(payment=paid.payment.pk)
        assert finding.concert_id == paid.reservation.performance.concert_id
        assert set(names) <= {finding.subject, f"payment:{paid.payment.pk}"}

    def test_one_that_somebody_else_paid(self, paid):
        run_sql(
            f"UPDATE reservations_reservation SET customer_id = {UserFactory().pk}"
            f" WHERE id = {paid.reservation.pk}"
        )
        assert_broken(3, paid.reservation, f"but customer {paid.payment.customer_id} paid")

    @pytest.mark.parametrize(
        ("payment_id", "detail"),
        [("payment_id", "names payment"), ("NULL", "was confirmed without a payment")],
    )
    def test_one_whose_payment_is_gone(self, paid, payment_id, detail):
        run_sql(
            "ALTER TABLE reservations_reservation DROP CONSTRAINT reservation_confirmed_is_paid",
            f"DELETE FROM payments_payment WHERE id = {paid.payment.pk}",
            f"UPDATE reservations_reservation SET payment_id = {payment_id}"
            f" WHERE id = {paid.reservation.pk}",
        )
        names = {finding.subject: finding for finding in look(3)}
        debit = debit_of(paid)
        assert set(names) == {f"reservation:{paid.reservation.pk}", f"walletentry:{debit.pk}"}
        assert detail in names[f"reservation:{paid.reservation.pk}"].detail
        assert "which is not there" in names[f"walletentry:{debit.pk}"].detail

    def test_one_that_was_paid_twice(self, paid):
        (constraint,) = find_unique_constraints("payments_payment", "reservation_id")
        run_sql(f"ALTER TABLE payments_payment DROP CONSTRAINT {constraint}")
        second = Payment.objects.get(pk=paid.payment.pk)
        second.pk = None
        second.save()
        names = {finding.subject: finding.detail for finding in look(3)}
        assert names == {
            f"reservation:{paid.reservation.pk}": f"has payment {second.pk}, but names "
            f"{paid.payment.pk}",
            f"payment:{second.pk}": "has 0 debits in the ledger",
        }


def find_unique_constraints(table, column):
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
    return [
        name
        for name, told in found.items()
        if told["unique"] and told["columns"] == [column] and not told["primary_key"]
    ]


class TestLedger:
    @pytest.mark.parametrize(
        ("statement", "detail"),
        [
            ("UPDATE {ledger} SET amount = -1", "is of 20000, but 1 was debited"),
            ("DELETE FROM {ledger}", "has 0 debits in the ledger"),
            ("UPDATE {ledger} SET kind = 'refund', amount = 20000", "has 0 debits in the ledger"),
        ],
    )
    def test_a_debit_that_is_not_the_payment(self, paid, statement, detail):
        debit = debit_of(paid)
        write_past_triggers(LEDGER, f"{statement.format(ledger=LEDGER)} WHERE id = {debit.pk}")
        finding = assert_broken(3, paid.payment, detail)
        assert finding.concert_id == paid.reservation.performance.concert_id

    def test_a_debit_in_another_wallet(self, paid, seats):
        other = Payment.objects.exclude(pk=paid.payment.pk).get().customer_id
        write_past_triggers(
            LEDGER, f"UPDATE {LEDGER} SET wallet_id = {other} WHERE id = {debit_of(paid).pk}"
        )
        assert_broken(3, paid.payment, "is booked in another wallet")

    def test_a_second_debit_is_found_though_its_index_is_gone(self, paid):
        copy = (
            f"INSERT INTO {LEDGER} (wallet_id, kind, amount, balance_after, reference, created_at)"
            f" SELECT wallet_id, kind, amount, balance_after, reference, created_at FROM {LEDGER}"
            f" WHERE id = {debit_of(paid).pk}"
        )
        write_past_triggers(LEDGER, "DROP INDEX wallet_entry_once_for_each_reference", copy)
        assert_broken(3, paid.payment, "has 2 debits in the ledger")

    def test_a_refund_that_was_not_booked(self, refunded):
        assert subjects() == []
        write_past_triggers(LEDGER, f"DELETE FROM {LEDGER} WHERE kind = 'refund'")
        assert_broken(3, refunded.payment, "is refunded, but has 0 refunds in the ledger")

    def test_a_refund_of_another_amount(self, refunded):
        write_past_triggers(LEDGER, f"UPDATE {LEDGER} SET amount = 1 WHERE kind = 'refund'")
        assert_broken(3, refunded.payment, "is of 20000, but 1 was refunded")

    def test_a_refund_of_what_is_not_refunded(self, paid):
        write_past_triggers(
            LEDGER,
            f"INSERT INTO {LEDGER} (wallet_id, kind, amount, balance_after, reference, created_at)"
            f" SELECT wallet_id, 'refund', -amount, 0, reference, created_at FROM {LEDGER}"
            f" WHERE id = {debit_of(paid).pk}",
        )
        assert_broken(3, paid.payment, "is succeeded, but has 1 refunds in the ledger")

    def test_a_debit_for_nothing(self, paid):
        debit = debit_of(paid)
        write_past_triggers(
            LEDGER,
            f"INSERT INTO {LEDGER} (wallet_id, kind, amount, balance_after, reference, created_at)"
            f" SELECT wallet_id, kind, 0, balance_after, 'payment:0', created_at FROM {LEDGER}"
            f" WHERE id = {debit.pk}",
        )
        stray = WalletEntry.objects.latest("pk")
        assert_broken(3, stray, "is for payment:0, which is not there")

    def test_what_costs_nothing_is_paid_too(self, seats):
        free = make_seats(PerformanceFactory(concert=ConcertFactory()), 1, price=0)
        paid = buy(free)
        assert subjects() == []
        cancel_reservation(
            customer_id=paid.payment.customer_id, reservation_id=paid.reservation.pk, now=LATER
        )
        assert subjects() == []
        write_past_triggers(LEDGER, f"DELETE FROM {LEDGER} WHERE kind = 'refund'")
        assert_broken(3, paid.payment, "has 0 refunds")

    def test_what_staff_refund_is_whole(self, paid):
        refund_payment(payment_id=paid.payment.pk, actor=Actor(name="op"), reason="test", now=LATER)
        assert subjects() == []


class TestOneCommit:
    def test_seats_that_were_made_over_at_another_moment(self, paid):
        run_sql(
            "UPDATE reservations_reservation SET confirmed_at = confirmed_at - interval '1 s'"
            f" WHERE id = {paid.reservation.pk}"
        )
        assert_broken(4, paid.payment, "at another moment than its seats were made over")

    def test_a_debit_at_another_moment(self, paid):
        write_past_triggers(
            LEDGER,
            f"UPDATE {LEDGER} SET created_at = now() WHERE id = {debit_of(paid).pk}",
        )
        assert_broken(4, paid.payment, "at another moment than it was debited")

    @pytest.mark.parametrize(
        "changes",
        ["end_reason = 'left'", "ended_at = now()", "customer_id = %(other)s"],
    )
    def test_a_token_that_the_payment_did_not_end(self, paid, customer, changes):
        run_sql(
            f"UPDATE queue_queueentry SET {changes} WHERE customer_id = %(customer)s",
            customer=paid.payment.customer_id,
            other=customer.pk,
        )
        finding = assert_broken(4, paid.payment, "has ended no queue token")
        assert finding.concert_id == paid.reservation.performance.concert_id

    def test_a_payment_without_any_token(self, customer, seats):
        paid = make_paid(customer, seats[:1])
        assert subjects(4) == [f"payment:{paid.payment_id}"]

    def test_a_token_whose_history_was_pruned_is_not_asked_for(self, paid):
        QueueEntry.objects.filter(customer=paid.payment.customer_id).delete()
        assert Dispenser.objects.get().last_number == 2
        day_after = NOW + timedelta(days=1, minutes=2)
        assert [finding.subject for finding in look(4, now=day_after)] == []
        assert [finding.subject for finding in look(4, now=NOW)] == [f"payment:{paid.payment.pk}"]


class TestRetries:
    @pytest.fixture
    def answers(self, sign_in, clock_at_now, seats):
        """A payment, and a cancellation of it, by the API with a key each."""
        entry, reservation = reserve(seats[:1])
        charge_wallet(customer_id=entry.customer_id, amount=10_000, now=NOW)
        client = sign_in(entry.customer)
        token = "a token"
        QueueEntry.objects.filter(pk=entry.pk).update(token_hash=hash_token(token))
        client.credentials(**client._credentials, HTTP_X_QUEUE_TOKEN=token)
        answer = post_payment(client, reservation.pk, HTTP_IDEMPOTENCY_KEY="pay")
        assert answer.status_code == 201, answer.content
        assert post_cancel(client, reservation.pk, HTTP_IDEMPOTENCY_KEY="cancel").status_code == 200
        return {key.key: key for key in IdempotencyKey.objects.all()}

    def test_answers_that_happened_are_whole(self, answers):
        assert set(answers) == {"pay", "cancel"}
        assert subjects() == []

    def test_an_answer_about_a_payment_that_is_not_there(self, answers):
        run_sql(
            "UPDATE core_idempotencykey SET body = replace(body, '{\"id\":', '{\"id\":9')"
            " WHERE key = 'pay'"
        )
        assert_broken(8, answers["pay"], "a payment that is not there")

    def test_a_cancellation_that_did_not_happen(self, answers, seats):
        _entry, reservation = reserve(seats[1:2])
        run_sql(
            f"UPDATE core_idempotencykey SET path = '/api/v1/reservations/{reservation.pk}/cancel'"
            " WHERE key = 'cancel'"
        )
        assert_broken(8, answers["cancel"], "a cancellation that did not happen")


def test_who_left_without_paying_ended_no_payment(seats):
    entry = enter()
    leave_line(entry_id=entry.pk, now=NOW)
    buy(seats[:1])
    assert subjects() == []
