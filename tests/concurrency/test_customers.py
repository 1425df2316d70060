"""One e-mail address, one customer, however many make it at once."""

from collections import Counter

import pytest

from apps.accounts.errors import EmailTaken
from apps.accounts.models import User
from apps.wallet.models import Wallet, WalletEntry
from config.customers import make_customer
from tests.concurrency.racing import race, without_unique_indexes
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL = "same@encore.example"


def make():
    make_customer(email=EMAIL, password=None, balance=500, now=NOW)
    return "made"


def test_one_of_many_makes_the_customer_and_the_others_are_told():
    outcomes = race(*[make] * 8)
    kinds = Counter("made" if outcome == "made" else type(outcome) for outcome in outcomes)
    assert kinds == {"made": 1, EmailTaken: 7}
    assert User.objects.filter(email=EMAIL).count() == 1
    assert Wallet.objects.get().balance == WalletEntry.objects.get().amount == 500


def test_without_the_fence_all_of_them_do():
    with without_unique_indexes("accounts_user"):
        assert race(*[make] * 8) == ["made"] * 8
        assert User.objects.filter(email=EMAIL).count() == 8
