"""Who bears the mark of a rehearsal may be removed, and nobody comes to bear it: the database sees to both."""

import pytest
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.concerts.models import Concert
from apps.wallet.models import WalletEntry
from apps.wallet.services import charge_wallet
from config.customers import make_customers
from tests.factories import NOW, UserFactory
from tests.integrity import run_sql, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fences")]


@pytest.fixture
def player():
    """A customer whom a rehearsal made, with money."""
    made = make_customers(emails=["p@encore.example"], balance=700, now=NOW, rehearsal="r")
    return User.objects.get(pk=made.ids["p@encore.example"])


@pytest.fixture
def fan():
    customer = UserFactory()
    charge_wallet(customer_id=customer.pk, amount=1_000, now=NOW)
    return customer


def assert_refused(statement, *, match):
    before = (list(User.objects.values()), list(WalletEntry.objects.values()))
    with pytest.raises(IntegrityError, match=match), atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert (list(User.objects.values()), list(WalletEntry.objects.values())) == before


class TestTheMark:
    @pytest.mark.parametrize("value", ["'r'", "''"])
    def test_is_never_given_to_somebody_who_exists(self, fan, value):
        match = "marked when made"
        assert_refused(f"UPDATE accounts_user SET rehearsal = {value}", match=match)

    @pytest.mark.parametrize("value", ["NULL", "'other'"])
    def test_is_never_taken_or_changed(self, player, value):
        assert_refused(f"UPDATE accounts_user SET rehearsal = {value}", match="marked when made")

    def test_is_not_in_the_way_of_anything_else(self, player, fan):
        assert User.objects.update(name="somebody") == 2
        fan.save()

    def test_is_not_given_to_customers_who_exist_by_making_them_again(self, fan):
        make_customers(emails=[fan.email], balance=0, now=NOW, rehearsal="r")
        fan.refresh_from_db()
        assert fan.rehearsal is None

    def test_that_its_trigger_is_gone_is_found(self):
        run_sql("DROP TRIGGER user_rehearsal_fixed ON accounts_user")
        assert subjects() == ["trigger:user_rehearsal_fixed"]


class TestTheLedger:
    def test_lets_go_of_the_entries_of_players(self, player, fan):
        run_sql(f"DELETE FROM wallet_walletentry WHERE wallet_id = {player.pk}")
        assert list(WalletEntry.objects.values_list("wallet", flat=True)) == [fan.pk]

    def test_lets_go_of_nobody_elses(self, player, fan):
        match = "never changed or deleted"
        assert_refused("DELETE FROM wallet_walletentry", match=match)
        assert_refused(f"DELETE FROM wallet_walletentry WHERE wallet_id = {fan.pk}", match=match)

    def test_never_changes_those_of_players_either(self, player):
        match = "never changed or deleted"
        assert_refused("UPDATE wallet_walletentry SET amount = 1", match=match)

    def test_half_a_players_ledger_would_be_found(self, player):
        run_sql(f"DELETE FROM wallet_walletentry WHERE wallet_id = {player.pk}")
        assert subjects(2) == [f"wallet:{player.pk}"]

    @pytest.mark.parametrize(
        "body",
        [
            "BEGIN RETURN OLD; RAISE EXCEPTION 'never'; END",
            "BEGIN IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RAISE EXCEPTION 'never'; END",
        ],
    )
    def test_a_rule_that_lets_go_of_more_is_found_although_it_still_refuses_something(self, body):
        run_sql(
            "CREATE OR REPLACE FUNCTION wallet_refuse_change() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ {body} $$"
        )
        assert subjects() == ["function:wallet_refuse_change"]

    def test_the_rule_as_it_was_written_is_whole(self, player, fan):
        assert subjects() == []


def test_the_concert_of_a_rehearsal_is_on_no_list(performance):
    path = f"/api/v1/concerts/{performance.concert_id}"
    client = APIClient()
    assert len(client.get("/api/v1/concerts").json()["results"]) == 1
    Concert.objects.update(rehearsal="r")
    assert client.get("/api/v1/concerts").json()["results"] == []
    assert client.get(path).status_code == 404
