"""Wallets and their ledger in the admin: to look at, never to write."""

import pytest

from apps.wallet import services
from apps.wallet.models import Wallet, WalletEntry
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db

URLS = {"wallet": "/admin/wallet/wallet/", "entry": "/admin/wallet/walletentry/"}


@pytest.fixture
def entry(customer):
    return services.charge_wallet(customer_id=customer.pk, amount=1_234, now=NOW)[1]


def read_ledger():
    return list(Wallet.objects.values()), list(WalletEntry.objects.values())


@pytest.mark.parametrize("what", URLS)
def test_staff_look_at_them(admin_client, customer, entry, what):
    pk = {"wallet": customer.pk, "entry": entry.pk}[what]
    assert "1234" in admin_client.get(URLS[what]).content.decode().replace(",", "")
    assert admin_client.get(f"{URLS[what]}{pk}/change/").status_code == 200


@pytest.mark.parametrize("what", URLS)
def test_staff_find_them_by_customer(admin_client, customer, entry, what):
    services.charge_wallet(customer_id=UserFactory().pk, amount=5_678, now=NOW)
    page = admin_client.get(URLS[what], {"q": customer.email}).content.decode().replace(",", "")
    assert "1234" in page
    assert "5678" not in page


@pytest.mark.parametrize("what", URLS)
@pytest.mark.parametrize("action", ["add", "{pk}/change", "{pk}/delete"])
def test_staff_never_write_them(admin_client, customer, entry, what, action):
    pk = {"wallet": customer.pk, "entry": entry.pk}[what]
    before = read_ledger()
    form = {"balance": 9, "amount": 9, "balance_after": 9, "post": "yes"}
    answer = admin_client.post(f"{URLS[what]}{action.format(pk=pk)}/", form)
    assert answer.status_code == 403
    assert read_ledger() == before


@pytest.mark.parametrize("what", URLS)
def test_the_list_offers_no_deleting(admin_client, customer, entry, what):
    pk = {"wallet": customer.pk, "entry": entry.pk}[what]
    form = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
    before = read_ledger()
    admin_client.post(URLS[what], form)
    assert read_ledger() == before
