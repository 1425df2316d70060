"""The ledger's rules, which the database keeps against any statement, and the steps that write it."""

import pytest
from django.db import IntegrityError, connection
from django.db.transaction import atomic

from apps.wallet import services
from apps.wallet.errors import BalanceLimitExceeded, InsufficientBalance
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.transitions import lock_wallet, post_entry
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db

Kind = WalletEntry.Kind


@pytest.fixture
def wallet(customer):
    return services.charge_wallet(customer_id=customer.pk, amount=1_000, now=NOW)[0]


def read_ledger():
    return list(Wallet.objects.values()), list(WalletEntry.objects.values())


def assert_refused(statement, parameters=(), *, match):
    """Run a statement of somebody's own and see that the database refuses it, and nothing changed."""
    before = read_ledger()
    with pytest.raises(IntegrityError, match=match), atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
    assert read_ledger() == before


def assert_entry_refused(wallet, *, match, **fields):
    fields = {"kind": "charge", "amount": 1, "balance_after": 1_001, "reference": "", **fields}
    assert_refused(
        "INSERT INTO wallet_walletentry (wallet_id, kind, amount, balance_after, reference, created_at)"
        " VALUES (%s, %s, %s, %s, %s, now())",
        [wallet.pk, *fields.values()],
        match=match,
    )


class TestRulesOfTheDatabase:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE wallet_walletentry SET amount = 2",
            "UPDATE wallet_walletentry SET amount = amount",
            "UPDATE wallet_walletentry SET reference = 'payment:1'",
            "DELETE FROM wallet_walletentry",
        ],
    )
    def test_entries_are_never_changed_or_deleted(self, wallet, statement):
        assert_refused(statement, match="never changed or deleted")

    def test_entries_are_never_truncated(self, wallet):
        with atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE wallet_walletentry ENABLE TRIGGER wallet_entry_no_truncate")
            assert_refused("TRUNCATE wallet_walletentry CASCADE", match="never changed or deleted")
            assert_refused("TRUNCATE wallet_wallet CASCADE", match="never changed or deleted")
            cursor.execute(
                "ALTER TABLE wallet_walletentry DISABLE TRIGGER wallet_entry_no_truncate"
            )

    @pytest.mark.parametrize("balance", [0, 999, 1_001])
    def test_a_balance_is_never_written_directly(self, wallet, balance):
        assert_refused(
            "UPDATE wallet_wallet SET balance = %s", [balance], match="only by a ledger entry"
        )

    def test_a_wallet_never_begins_with_money(self):
        assert_refused(
            "INSERT INTO wallet_wallet (customer_id, balance, currency, updated_at)"
            " VALUES (%s, 1, 'KRW', now())",
            [UserFactory().pk],
            match="begins at 0",
        )

    @pytest.mark.parametrize("balance_after", [1_000, 1_002, 0, -1])
    def test_an_entry_names_the_balance_that_it_leaves(self, wallet, balance_after):
        assert_entry_refused(wallet, balance_after=balance_after, match="after this entry, not")

    def test_an_entry_needs_a_wallet(self):
        assert_entry_refused(Wallet(pk=10**9), balance_after=1, match="after this entry, not")

    def test_a_balance_is_never_negative(self, wallet):
        fields = {
            "kind": "payment",
            "amount": -1_001,
            "balance_after": -1,
            "reference": "payment:1",
        }
        assert_entry_refused(wallet, **fields, match="wallet_balance")

    def test_a_balance_is_never_over_its_limit(self, wallet):
        over = {"amount": BALANCE_MAX - 999, "balance_after": BALANCE_MAX + 1}
        assert_entry_refused(wallet, **over, match="wallet_balance")

    @pytest.mark.parametrize(("kind", "amount"), [("payment", 1), ("charge", -1), ("refund", -1)])
    def test_a_kind_goes_in_its_direction(self, wallet, kind, amount):
        assert_entry_refused(
            wallet,
            kind=kind,
            amount=amount,
            balance_after=1_000 + amount,
            reference="payment:1",
            match="wallet_entry_sign",
        )

    @pytest.mark.parametrize(("kind", "amount"), [("payment", -1), ("refund", 1)])
    def test_payments_and_refunds_say_what_for(self, wallet, kind, amount):
        assert_entry_refused(
            wallet,
            kind=kind,
            amount=amount,
            balance_after=1_000 + amount,
            match="wallet_entry_reference",
        )

    @pytest.mark.parametrize(("kind", "amount"), [("payment", -1), ("refund", 1)])
    def test_a_payment_is_debited_and_refunded_once(self, wallet, kind, amount):
        post_entry(wallet, kind=Kind(kind), amount=amount, reference="payment:1", now=NOW)
        assert_entry_refused(
            wallet,
            kind=kind,
            amount=amount,
            balance_after=1_000 + 2 * amount,
            reference="payment:1",
            match="wallet_entry_once_for_each_reference",
        )

    def test_a_wallet_with_entries_is_never_deleted(self, wallet):
        assert_refused(
            "SET CONSTRAINTS ALL IMMEDIATE; DELETE FROM wallet_wallet", match="wallet_walletentry"
        )


class TestPosting:
    def test_the_balance_is_the_sum_of_the_entries(self, customer, wallet):
        post_entry(wallet, kind=Kind.PAYMENT, amount=-400, reference="payment:1", now=NOW)
        post_entry(wallet, kind=Kind.REFUND, amount=400, reference="payment:1", now=NOW)
        post_entry(wallet, kind=Kind.ADJUSTMENT, amount=-1, reference="", now=NOW)
        stored = Wallet.objects.get(pk=customer.pk)
        amounts = WalletEntry.objects.values_list("amount", flat=True)
        assert wallet.balance == stored.balance == sum(amounts) == 999
        assert stored.updated_at == NOW

    def test_all_of_a_balance_can_be_spent(self, wallet):
        post_entry(wallet, kind=Kind.PAYMENT, amount=-1_000, reference="payment:1", now=NOW)
        assert Wallet.objects.get().balance == 0

    def test_more_than_the_balance_cannot_be_spent(self, wallet):
        before = read_ledger()
        with pytest.raises(InsufficientBalance) as refusal:
            post_entry(wallet, kind=Kind.PAYMENT, amount=-1_001, reference="payment:1", now=NOW)
        assert refusal.value.fields == {"balance": 1_000, "required": 1_001, "currency": "KRW"}
        assert read_ledger() == before

    def test_more_than_a_wallet_holds_cannot_be_charged(self, customer, wallet):
        before = read_ledger()
        with pytest.raises(BalanceLimitExceeded):
            services.charge_wallet(customer_id=customer.pk, amount=BALANCE_MAX, now=NOW)
        assert read_ledger() == before

    def test_a_wallet_is_made_at_first_need(self, settings):
        settings.CURRENCY = "JPY"
        customer = UserFactory()
        for _time in range(2):
            with atomic():
                wallet = lock_wallet(customer_id=customer.pk, now=NOW)
        assert (wallet.balance, wallet.currency) == (0, "JPY")
        assert Wallet.objects.count() == 1

    def test_many_wallets_are_opened_at_once(self):
        customers = UserFactory.create_batch(3)
        services.open_wallets(
            customer_ids=[customer.pk for customer in customers], balance=500, now=NOW
        )
        assert list(Wallet.objects.values_list("balance", flat=True)) == [500] * 3
        assert WalletEntry.objects.filter(kind="charge", balance_after=500).count() == 3
