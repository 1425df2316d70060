"""Money that does not add up is named, and so is every fence of the ledger that is down."""

import pytest

from apps.core.audit import Actor, record_action
from apps.core.db import transaction
from apps.core.models import IdempotencyKey
from apps.wallet.models import WalletEntry
from apps.wallet.services import charge_wallet
from apps.wallet.transitions import lock_wallet, post_entry
from tests.factories import NOW, UserFactory
from tests.integrity import look, run_sql, subjects, write_past_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fences")]


@pytest.fixture
def entries(customer):
    """The entries of three charges of 1,000 each; somebody else has two."""
    for customer_id in (customer.pk, UserFactory().pk, customer.pk) * 2:
        charge_wallet(customer_id=customer_id, amount=1_000, now=NOW)
    return list(WalletEntry.objects.filter(wallet=customer.pk).order_by("pk"))[:3]


def name_of(entry):
    return f"walletentry:{entry.pk}"


def wallet_of(entry):
    return f"wallet:{entry.wallet_id}"


def adjust(customer, amount, *, subject=None, reason="correction"):
    """Book an adjustment, recorded with `subject` unless it is None."""
    with transaction():
        wallet = lock_wallet(customer_id=customer.pk, now=NOW)
        entry = post_entry(
            wallet, kind=WalletEntry.Kind.ADJUSTMENT, amount=amount, reference="", now=NOW
        )
        rows = {"wallet": wallet, "entry": entry}
        if subject:
            record_action(
                actor=Actor(name="op"),
                action="adjust",
                subject=rows[subject],
                reason=reason,
                before={},
                after={},
                now=NOW,
            )
    return entry


class TestBalances:
    def test_an_honest_ledger_is_whole(self, entries):
        assert subjects() == []

    def test_a_balance_that_was_written_by_hand(self, entries):
        write_past_triggers(
            "wallet_wallet",
            "UPDATE wallet_wallet SET balance = 9999 WHERE customer_id = %(wallet)s",
            wallet=entries[0].wallet_id,
        )
        (finding,) = look(2)
        assert finding.subject == wallet_of(entries[0])
        assert finding.detail == "holds 9999, but its entries add up to 4000"
        assert finding.concert_id is None

    def test_a_wallet_without_entries_holds_nothing(self, customer):
        write_past_triggers(
            "wallet_wallet",
            "INSERT INTO wallet_wallet (customer_id, balance, currency, updated_at)"
            f" VALUES ({customer.pk}, 5, 'KRW', now())",
        )
        assert subjects(2) == [f"wallet:{customer.pk}"]

    def test_less_than_nothing(self, entries):
        write_past_triggers(
            "wallet_wallet",
            "ALTER TABLE wallet_wallet DROP CONSTRAINT wallet_balance",
            "UPDATE wallet_wallet SET balance = -1 WHERE customer_id = %(wallet)s",
            wallet=entries[0].wallet_id,
        )
        assert subjects(2) == ["constraint:wallet_balance", wallet_of(entries[0])]

    @pytest.mark.parametrize(
        ("statement", "broken"),
        [
            ("UPDATE wallet_walletentry SET amount = 1", ["entry", "wallet"]),
            ("UPDATE wallet_walletentry SET balance_after = 1", ["entry", "next"]),
            ("DELETE FROM wallet_walletentry", ["next", "wallet"]),
        ],
    )
    def test_an_entry_that_was_changed_or_taken_away(self, entries, statement, broken):
        names = {
            "entry": name_of(entries[1]),
            "next": name_of(entries[2]),
            "wallet": wallet_of(entries[1]),
        }
        write_past_triggers(
            "wallet_walletentry", f"{statement} WHERE id = %(entry)s", entry=entries[1].pk
        )
        assert subjects(2) == sorted(names[name] for name in broken)


class TestFences:
    @pytest.mark.parametrize(
        ("table", "trigger"),
        [
            ("wallet_wallet", "wallet_balance_guarded"),
            ("wallet_walletentry", "wallet_entry_posts"),
            ("wallet_walletentry", "wallet_entry_append_only"),
            ("wallet_walletentry", "wallet_entry_no_truncate"),
        ],
    )
    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER TABLE {table} DISABLE TRIGGER {trigger}",
            "ALTER TABLE {table} ENABLE REPLICA TRIGGER {trigger}",
            "DROP TRIGGER {trigger} ON {table}",
            "ALTER TRIGGER {trigger} ON {table} RENAME TO idle",
        ],
    )
    def test_a_trigger_that_does_not_fire(self, table, trigger, statement):
        run_sql(statement.format(table=table, trigger=trigger))
        assert subjects() == [f"trigger:{trigger}"]

    def test_a_trigger_that_refuses_nothing_any_more(self):
        run_sql(
            "CREATE OR REPLACE FUNCTION wallet_guard_balance() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN NEW; END $$"
        )
        assert subjects() == ["trigger:wallet_balance_guarded"]

    @pytest.mark.parametrize(
        ("name", "statement"),
        [
            ("wallet_balance", "ALTER TABLE wallet_wallet DROP CONSTRAINT wallet_balance"),
            ("wallet_entry_sign", "ALTER TABLE wallet_walletentry DROP CONSTRAINT {name}"),
            ("wallet_entry_reference", "ALTER TABLE wallet_walletentry DROP CONSTRAINT {name}"),
            ("wallet_entry_once_for_each_reference", "DROP INDEX {name}"),
        ],
    )
    def test_a_constraint_that_is_gone(self, name, statement):
        run_sql(statement.format(name=name))
        assert subjects() == [f"constraint:{name}"]

    def test_a_constraint_that_was_not_proven(self):
        run_sql(
            "ALTER TABLE wallet_wallet DROP CONSTRAINT wallet_balance",
            "ALTER TABLE wallet_wallet ADD CONSTRAINT wallet_balance CHECK (balance >= 0) NOT VALID",
        )
        assert subjects() == ["constraint:wallet_balance"]


class TestStaff:
    @pytest.mark.parametrize("subject", ["wallet", "entry"])
    def test_an_adjustment_that_is_recorded_is_whole(self, customer, subject):
        adjust(customer, 500, subject=subject)
        assert subjects() == []

    def test_one_that_nobody_recorded(self, customer):
        adjust(customer, 500, subject="entry")
        entry = adjust(customer, 500)
        assert subjects() == [name_of(entry)]
        assert [finding.invariant for finding in look()] == [9]


class TestRetries:
    def test_an_answer_about_a_charge_that_is_not_there(self, buyer, customer):
        for key in ("first", "second"):
            answer = buyer.post(
                "/api/v1/wallet/charges", {"amount": 1_000}, HTTP_IDEMPOTENCY_KEY=key
            )
            assert answer.status_code == 201
        assert subjects(8) == []
        run_sql(
            "UPDATE core_idempotencykey SET body = replace(body, '\"id\":', '\"id\":9')"
            " WHERE key = 'second'"
        )
        key = IdempotencyKey.objects.get(key="second")
        assert subjects(8) == [f"idempotencykey:{key.pk}"]
