"""The numbered scenarios of the wallet, through the API: balance, charges, the ledger's pages."""

import pytest

from apps.accounts.models import User
from apps.core.models import IdempotencyKey
from apps.wallet import services
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.models import Wallet, WalletEntry
from tests.factories import NOW, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

WALLET = "/api/v1/wallet"
CHARGES = f"{WALLET}/charges"
ENTRIES = f"{WALLET}/entries"


@pytest.fixture
def owner(sign_in, customer):
    return sign_in(customer)


def charge(client, amount, key=None):
    return client.post(CHARGES, {"amount": amount}, headers={"Idempotency-Key": key} if key else {})


def assert_nothing_written():
    assert not Wallet.objects.exists()
    assert not WalletEntry.objects.exists()
    assert not IdempotencyKey.objects.exists()


class Test_7_1_1_Balance:
    def test_7_1_1_somebody_new_has_nothing(self, owner):
        answer = owner.get(WALLET)
        assert answer.status_code == 200
        assert answer.json() == {"balance": 0, "currency": "KRW", "updated_at": None}
        assert_nothing_written()

    def test_7_1_1_the_balance_is_the_callers_own(self, owner, customer):
        services.charge_wallet(customer_id=customer.pk, amount=30_000, now=NOW)
        services.charge_wallet(customer_id=UserFactory().pk, amount=1, now=NOW)
        assert owner.get(WALLET).json() == {
            "balance": 30_000,
            "currency": "KRW",
            "updated_at": "2026-11-01T01:00:00Z",
        }

    def test_7_1_1_the_currency_of_somebody_new_is_the_settings(self, owner, settings):
        settings.CURRENCY = "USD"
        assert owner.get(WALLET).json()["currency"] == "USD"

    @pytest.mark.parametrize("url", [WALLET, ENTRIES])
    def test_7_1_1_nobody_sees_it_without_signing_in(self, client, url):
        answer = client.get(url)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


class Test_7_2_1_Charging:
    def test_7_2_1_a_charge_answers_the_new_balance(self, owner, clock_at_now):
        assert charge(owner, 10_000).status_code == 201
        clock_at_now.move(seconds=1)
        answer = charge(owner, 5_000)
        assert answer.status_code == 201
        entry = WalletEntry.objects.latest("pk")
        assert answer.json() == {
            "balance": 15_000,
            "currency": "KRW",
            "entry": {
                "id": entry.pk,
                "kind": "charge",
                "amount": 5_000,
                "balance_after": 15_000,
                "reference": "",
                "created_at": "2026-11-01T01:00:01Z",
            },
        }
        assert owner.get(WALLET).json()["balance"] == 15_000

    @pytest.mark.parametrize("amount", [1, 10_000_000])
    def test_7_2_1_the_limits_themselves_are_allowed(self, owner, amount):
        assert charge(owner, amount).json()["balance"] == amount

    @pytest.mark.parametrize(
        "amount",
        [0, -1, 10_000_001, 2**63, 10**30, "1000", "", 1.5, 1000.0, True, None, [1_000], {}],
    )
    def test_7_2_1_other_amounts_are_refused(self, owner, amount):
        answer = charge(owner, amount, key="k")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        assert [error["field"] for error in answer.json()["errors"]] == ["amount"]
        assert_nothing_written()

    def test_7_2_1_without_an_amount(self, owner):
        answer = owner.post(CHARGES, {})
        assert answer.json()["errors"][0]["code"] == "required"
        assert_nothing_written()

    def test_7_2_1_unknown_fields_are_ignored(self, owner):
        body = {"amount": 1_000, "balance": 10**9, "kind": "refund", "customer_id": 1}
        assert owner.post(CHARGES, body).json()["balance"] == 1_000

    def test_7_2_1_a_wallet_never_holds_more_than_it_may(self, owner, customer):
        services.charge_wallet(customer_id=customer.pk, amount=BALANCE_MAX - 5, now=NOW)
        answer = charge(owner, 6, key="k")
        body = answer.json()
        assert (answer.status_code, body["code"]) == (409, "balance_limit_exceeded")
        assert (body["balance"], body["limit"]) == (BALANCE_MAX - 5, BALANCE_MAX)
        assert WalletEntry.objects.count() == 1
        assert not IdempotencyKey.objects.exists()
        assert charge(owner, 5, key="k").json()["balance"] == BALANCE_MAX

    def test_7_2_1_nobody_charges_without_signing_in(self, client):
        answer = client.post(CHARGES, {"amount": 1_000}, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert_nothing_written()

    def test_7_2_1_a_disabled_user_does_not_charge(self, owner):
        User.objects.update(is_active=False)
        answer = charge(owner, 1_000)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_access_token")
        assert_nothing_written()


class TestReplays:
    def test_the_same_key_charges_once(self, owner):
        first = charge(owner, 1_000, key="k")
        charge(owner, 500)
        again = charge(owner, 1_000, key="k")
        assert (again.status_code, again.json()) == (201, first.json())
        assert "Idempotent-Replayed" not in first
        assert again["Idempotent-Replayed"] == "true"
        assert owner.get(WALLET).json()["balance"] == 1_500

    def test_two_keys_charge_twice(self, owner):
        assert charge(owner, 1_000, key="a").json()["balance"] == 1_000
        assert charge(owner, 1_000, key="b").json()["balance"] == 2_000

    def test_the_key_is_not_spent_on_another_amount(self, owner):
        charge(owner, 1_000, key="k")
        answer = charge(owner, 2_000, key="k")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert owner.get(WALLET).json()["balance"] == 1_000


class TestEntries:
    def test_there_are_none_at_first(self, owner):
        assert owner.get(ENTRIES).json() == {"results": [], "next": None, "previous": None}

    def test_they_come_in_pages_newest_first(self, owner, customer):
        for amount in range(1, 6):
            services.charge_wallet(customer_id=customer.pk, amount=amount, now=NOW)
        pages, url = [], f"{ENTRIES}?limit=2"
        while url:
            page = owner.get(url).json()
            pages.append([entry["amount"] for entry in page["results"]])
            url = page["next"]
        assert pages == [[5, 4], [3, 2], [1]]
        assert set(page["results"][0]) == {
            "id", "kind", "amount", "balance_after", "reference", "created_at",
        }  # fmt: skip

    def test_nobody_sees_anybody_elses(self, owner):
        services.charge_wallet(customer_id=UserFactory().pk, amount=1, now=NOW)
        assert owner.get(ENTRIES).json()["results"] == []
