"""Staff adjust a balance: once, recorded in the same commit, never below zero."""

from contextlib import contextmanager

import pytest

from apps.core.audit import Actor
from apps.core.errors import IdempotencyKeyReused, InvalidRequest
from apps.core.models import StaffAction
from apps.wallet.errors import BalanceLimitExceeded, InsufficientBalance
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.services import adjust_wallet, charge_wallet
from tests.factories import NOW, UserFactory
from tests.integrity import look
from tests.reservations.support import balance_of, ledger_of

pytestmark = pytest.mark.django_db

REFERENCE = "adjustment:" + "0" * 32


@pytest.fixture
def clerk():
    user = UserFactory(email="clerk@encore.example", is_staff=True)
    return Actor(name=user.email, user_id=user.pk)


@pytest.fixture
def adjust(customer, clerk):
    def act(amount, *, reference=REFERENCE, reason="잘못 충전", customer_id=customer.pk):
        return adjust_wallet(
            customer_id=customer_id,
            amount=amount,
            reference=reference,
            actor=clerk,
            reason=reason,
            now=NOW,
        )

    return act


@pytest.fixture
def wallet(customer):
    return charge_wallet(customer_id=customer.pk, amount=1_000, now=NOW)[0]


@contextmanager
def nothing_booked():
    """Assert that the block leaves wallets, ledger and records as they were."""

    def read():
        return [
            list(model.objects.order_by("pk").values())
            for model in (Wallet, WalletEntry, StaffAction)
        ]

    before = read()
    yield
    assert read() == before


@pytest.mark.usefixtures("fences")
@pytest.mark.parametrize(("amount", "balance"), [(500, 1_500), (-400, 600), (-1_000, 0)])
def test_money_goes_in_or_out_and_is_recorded(customer, wallet, adjust, clerk, amount, balance):
    entry = adjust(amount)
    assert (entry.kind, entry.amount, entry.balance_after) == ("adjustment", amount, balance)
    assert (entry.reference, entry.created_at, balance_of(customer)) == (REFERENCE, NOW, balance)
    record = StaffAction.objects.get()
    assert (record.subject, record.action) == (f"walletentry:{entry.pk}", "adjust_wallet")
    assert (record.actor_id, record.reason, record.at) == (clerk.user_id, "잘못 충전", NOW)
    assert record.before == {"customer": customer.pk, "balance": 1_000}
    assert record.after == {"amount": amount, "balance": balance}
    assert look() == []


def test_who_has_no_wallet_gets_one(customer, adjust):
    adjust(700)
    assert ledger_of(customer) == [("adjustment", 700)]
    assert balance_of(customer) == 700


def test_more_than_the_balance_cannot_be_taken(wallet, adjust):
    with nothing_booked(), pytest.raises(InsufficientBalance) as refusal:
        adjust(-1_001)
    assert refusal.value.fields == {"balance": 1_000, "required": 1_001, "currency": "KRW"}


def test_more_than_a_wallet_holds_cannot_be_put_in(wallet, adjust):
    with nothing_booked(), pytest.raises(BalanceLimitExceeded):
        adjust(BALANCE_MAX)


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"amount": 0}, "amount", "zero"),
        ({"reference": ""}, "reference", "required"),
        ({"reason": " "}, "reason", "required"),
        ({"reason": "x" * 501}, "reason", "max_length"),
    ],
)
def test_what_is_missing_is_named(wallet, adjust, wrong, field, code):
    with nothing_booked(), pytest.raises(InvalidRequest) as refusal:
        adjust(**{"amount": 500, **wrong})
    (error,) = refusal.value.fields["errors"]
    assert (error["field"], error["code"]) == (field, code)


def test_sent_twice_it_books_once(customer, wallet, adjust):
    first = adjust(-400)
    with nothing_booked():
        assert adjust(-400) == first
    assert balance_of(customer) == 600


def test_sent_twice_it_books_once_where_the_money_is_gone_by_then(customer, wallet, adjust):
    first = adjust(-1_000)
    with nothing_booked():
        assert adjust(-1_000) == first


@pytest.mark.parametrize("other", ["amount", "customer"])
def test_a_reference_stands_for_one_adjustment(wallet, adjust, other):
    adjust(500)
    stranger = charge_wallet(customer_id=UserFactory().pk, amount=1_000, now=NOW)[0]
    different = {"amount": {"amount": 501}, "customer": {"customer_id": stranger.pk}}[other]
    with nothing_booked(), pytest.raises(IdempotencyKeyReused):
        adjust(**{"amount": 500, **different})
