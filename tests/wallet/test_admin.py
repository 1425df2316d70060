"""Wallets and their ledger in the admin: looked at, found, adjusted, and never written by hand."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.core.models import StaffAction
from apps.wallet import services
from apps.wallet.adjusting import AdjustForm, make_reference
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.models import Wallet, WalletEntry
from tests.factories import NOW, UserFactory
from tests.reservations.support import balance_of, make_paid, nothing_written

pytestmark = pytest.mark.django_db

URLS = {"wallet": "/admin/wallet/wallet/", "entry": "/admin/wallet/walletentry/"}


@pytest.fixture
def entry(customer):
    return services.charge_wallet(customer_id=customer.pk, amount=1_234, now=NOW)[1]


@pytest.fixture
def clerk():
    """Return a maker of staff with these permissions alone."""

    def make(*codenames):
        user = UserFactory(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return user

    return make


def adjust_url(customer):
    return reverse("admin:wallet_wallet_adjust", args=[customer.pk])


def find(client, what, query, **filters):
    answer = client.get(URLS[what], {"q": query, **filters})
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def read_ledger():
    return list(Wallet.objects.values()), list(WalletEntry.objects.values())


@pytest.mark.parametrize("what", URLS)
def test_staff_look_at_them(admin_client, customer, entry, what):
    pk = {"wallet": customer.pk, "entry": entry.pk}[what]
    assert "₩1,234" in admin_client.get(URLS[what]).content.decode()
    page = admin_client.get(f"{URLS[what]}{pk}/change/")
    assert page.status_code == 200
    assert "₩1,234" in page.content.decode()
    assert not page.context["adminform"].form.fields


def test_the_page_of_a_wallet_links_to_its_entries(admin_client, customer, entry):
    page = admin_client.get(f"{URLS['wallet']}{customer.pk}/change/").content.decode()
    assert f"{URLS['entry']}{entry.pk}/change/" in page
    assert f"{URLS['entry']}?q=wallet:{customer.pk}" in page


def test_the_page_of_an_entry_links_to_its_payment(admin_client, customer, seats):
    paid = make_paid(customer, seats[:1])
    debit = WalletEntry.objects.get(kind="payment")
    page = admin_client.get(f"{URLS['entry']}{debit.pk}/change/").content.decode()
    assert f"/admin/payments/payment/{paid.payment_id}/change/" in page
    assert f"/admin/wallet/wallet/{customer.pk}/change/" in page


def test_links_and_records_are_kept_from_those_who_may_not_see_them(client, clerk, customer, seats):
    paid = make_paid(customer, seats[:1])
    client.force_login(clerk("view_walletentry"))
    debit = WalletEntry.objects.get(kind="payment")
    page = client.get(f"{URLS['entry']}{debit.pk}/change/").content.decode()
    assert f"payment:{paid.payment_id}" in page
    assert "/admin/payments/payment/" not in page
    assert "/admin/wallet/wallet/" not in page


def test_wallets_are_found_by_address_and_number(admin_client, customer, entry):
    other = services.charge_wallet(customer_id=UserFactory().pk, amount=5_678, now=NOW)[0]
    mine = Wallet.objects.get(pk=customer.pk)
    for query in (
        customer.email,
        customer.email.upper(),
        str(customer.pk),
        f"wallet:{customer.pk}",
    ):
        assert find(admin_client, "wallet", query) == [mine], query
    assert find(admin_client, "wallet", "customer") == [other, mine]
    assert find(admin_client, "wallet", "nobody@") == []


def test_entries_are_found_by_address_number_and_reference(admin_client, customer, seats):
    services.charge_wallet(customer_id=UserFactory().pk, amount=5_678, now=NOW)
    paid = make_paid(customer, seats[:1])
    charge, debit = WalletEntry.objects.filter(wallet=customer.pk).order_by("pk")
    assert find(admin_client, "entry", customer.email) == [debit, charge]
    assert find(admin_client, "entry", f"wallet:{customer.pk}") == [debit, charge]
    assert find(admin_client, "entry", f"#{charge.pk}") == [charge]
    assert find(admin_client, "entry", f"payment:{paid.payment_id}") == [debit]
    assert find(admin_client, "entry", f"payment:{paid.payment_id + 1}") == []
    assert find(admin_client, "entry", "9" * 30) == []


def test_only_so_many_customers_of_an_address_are_searched(admin_client, monkeypatch):
    monkeypatch.setattr("apps.accounts.customer_rows.CUSTOMERS_FOUND_MAX", 2)
    for number in range(3):
        customer = UserFactory(email=f"many{number}@encore.example")
        services.charge_wallet(customer_id=customer.pk, amount=1, now=NOW)
    answer = admin_client.get(URLS["wallet"], {"q": "many"})
    assert len(answer.context["cl"].result_list) == 2
    assert [message.level_tag for message in answer.context["messages"]] == ["warning"]
    assert len(find(admin_client, "wallet", "many1")) == 1


def test_customers_of_an_identity_provider_are_found_by_its_subject(admin_client):
    stranger = UserFactory(email=None, subject="idp|42")
    services.charge_wallet(customer_id=stranger.pk, amount=1, now=NOW)
    assert [wallet.pk for wallet in find(admin_client, "wallet", "idp|42")] == [stranger.pk]


def test_entries_are_filtered_by_kind(admin_client, customer, seats):
    make_paid(customer, seats[:1])
    for kind, found in (("charge", 1), ("payment", 1), ("refund", 0), ("adjustment", 0)):
        answer = admin_client.get(URLS["entry"], {"kind": kind})
        assert [entry.kind for entry in answer.context["cl"].result_list] == [kind] * found


class TestNeverByHand:
    """Whatever a member of staff may do, ledger and balances are not theirs to write."""

    @pytest.fixture(params=["superuser", "every permission"])
    def mighty(self, request, client):
        user = UserFactory(is_staff=True, is_superuser=request.param == "superuser")
        user.user_permissions.set(Permission.objects.all())
        client.force_login(user)
        return client

    @pytest.mark.parametrize("what", URLS)
    @pytest.mark.parametrize("action", ["add", "{pk}/change", "{pk}/delete"])
    def test_no_page_writes_them(self, mighty, customer, entry, what, action):
        pk = {"wallet": customer.pk, "entry": entry.pk}[what]
        before = read_ledger()
        form = {"balance": 9, "amount": 9, "balance_after": 9, "post": "yes"}
        answer = mighty.post(f"{URLS[what]}{action.format(pk=pk)}/", form)
        assert answer.status_code == 403
        assert read_ledger() == before

    @pytest.mark.parametrize("what", URLS)
    def test_the_list_offers_no_deleting(self, mighty, customer, entry, what):
        pk = {"wallet": customer.pk, "entry": entry.pk}[what]
        form = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
        before = read_ledger()
        mighty.post(URLS[what], form)
        assert read_ledger() == before


class TestAdjusting:
    def test_the_page_says_what_will_happen(self, admin_client, customer, entry):
        page = admin_client.get(adjust_url(customer))
        assert page.status_code == 200
        assert customer.email in page.content.decode()
        assert page.context["preview"]["balance"] == 1_234
        assert "₩1,234" in str(page.context["confirmation"].consequences[0])

    def test_an_amount_is_booked(self, admin_client, admin_user, customer, entry):
        form = {"amount": "-1,000", "reason": "오입금", "reference": make_reference()}
        answer = admin_client.post(adjust_url(customer), form, follow=True)
        assert answer.redirect_chain[0][0] == f"{URLS['wallet']}{customer.pk}/change/"
        assert "₩234" in str(next(iter(answer.context["messages"])))
        assert balance_of(customer) == 234
        record = StaffAction.objects.get()
        assert (record.actor_id, record.reason) == (admin_user.pk, "오입금")

    def test_the_same_form_sent_twice_books_once(self, admin_client, customer, entry):
        reference = admin_client.get(adjust_url(customer)).context["form"].initial["reference"]
        form = {"amount": "500", "reason": "사과", "reference": reference}
        for _time in range(2):
            answer = admin_client.post(adjust_url(customer), form, follow=True)
            assert [str(m.level_tag) for m in answer.context["messages"]] == ["success"]
        assert balance_of(customer) == 1_734
        assert StaffAction.objects.count() == 1

    def test_each_form_has_a_key_of_its_own(self, admin_client, customer, entry):
        pages = [admin_client.get(adjust_url(customer)) for _time in range(2)]
        assert len({page.context["form"].initial["reference"] for page in pages}) == 2

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"amount": "-1235"}, "amount"),
            ({"amount": str(BALANCE_MAX)}, "amount"),
            ({"amount": "9" * 40}, "amount"),
            ({"amount": "0"}, "amount"),
            ({"amount": "1.5"}, "amount"),
            ({"amount": "much"}, "amount"),
            ({"amount": ""}, "amount"),
            ({"reason": ""}, "reason"),
            ({"reference": "payment:1"}, "reference"),
            ({"reference": ""}, "reference"),
        ],
    )
    def test_a_wrong_form_books_nothing(self, admin_client, customer, entry, wrong, field):
        form = {"amount": "5", "reason": "x", "reference": make_reference(), **wrong}
        with nothing_written():
            answer = admin_client.post(adjust_url(customer), form)
        assert answer.status_code == 200
        assert list(answer.context["form"].errors) == [field]
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize(
        ("currency", "typed", "amount"),
        [("KRW", "1,500", 1_500), ("USD", "15.50", 1_550), ("USD", "-0.01", -1), ("JPY", "7", 7)],
    )
    def test_amounts_are_typed_in_the_unit_that_people_count_in(self, currency, typed, amount):
        form = AdjustForm(
            {"amount": typed, "reason": "x", "reference": make_reference()},
            initial={"currency": currency},
        )
        assert form.is_valid(), form.errors
        assert form.cleaned_data["amount"] == amount

    def test_a_customer_without_a_wallet_gets_one(self, admin_client, customer):
        form = {"amount": "500", "reason": "사과", "reference": make_reference()}
        answer = admin_client.post(adjust_url(customer), form, follow=True)
        assert answer.status_code == 200
        assert balance_of(customer) == 500

    @pytest.mark.parametrize("object_id", ["0", "nobody"])
    def test_nobody_is_adjusted_who_is_not_there(self, admin_client, object_id):
        url = reverse("admin:wallet_wallet_adjust", args=[object_id])
        assert admin_client.get(url).status_code == 404

    @pytest.mark.parametrize("codenames", [["view_wallet"], ["adjust_wallet"]])
    def test_it_takes_both_permissions(self, client, clerk, customer, entry, codenames):
        client.force_login(clerk(*codenames))
        form = {"amount": "500", "reason": "x", "reference": make_reference()}
        with nothing_written():
            assert client.post(adjust_url(customer), form).status_code == 403
        page = client.get(f"{URLS['wallet']}{customer.pk}/change/")
        assert adjust_url(customer) not in page.content.decode()

    def test_who_has_both_may(self, client, clerk, customer, entry):
        client.force_login(clerk("view_wallet", "adjust_wallet"))
        page = client.get(f"{URLS['wallet']}{customer.pk}/change/")
        assert adjust_url(customer) in page.content.decode()
        form = {"amount": "500", "reason": "x", "reference": make_reference()}
        assert client.post(adjust_url(customer), form).status_code == 302
        assert balance_of(customer) == 1_734

    def test_customers_are_kept_out(self, client, customer, entry):
        client.force_login(customer)
        with nothing_written():
            assert client.post(adjust_url(customer), {}).status_code == 302
