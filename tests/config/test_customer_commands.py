"""`manage.py create_customer` and `create_customers`."""

import csv
import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts.errors import EmailTaken
from apps.accounts.models import User
from apps.accounts.services import create_staff
from apps.accounts.tokens import read_access_token
from apps.core.errors import Busy
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.models import Wallet, WalletEntry
from config.management.commands import create_customer, create_customers

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def assert_nothing_written(users=0):
    assert User.objects.count() == users
    assert not Wallet.objects.exists()
    assert not WalletEntry.objects.exists()


def test_one_customer():
    out = run("create_customer", "Fan@Encore.example", "--password", "비밀", "--balance", "5000")
    fan = User.objects.get()
    assert out == f"fan@encore.example: made, id {fan.pk}, balance 5,000\n"
    assert fan.check_password("비밀")
    assert Wallet.objects.get(pk=fan.pk).balance == 5_000


def test_one_customer_without_password_or_balance():
    out = json.loads(run("create_customer", "fan@encore.example", "--json"))
    fan = User.objects.get()
    assert out == {"id": fan.pk, "email": "fan@encore.example", "balance": 0, "dry_run": False}
    assert not fan.has_usable_password()
    assert_nothing_written(users=1)


def test_a_dry_run_makes_nobody():
    out = run("create_customer", "fan@encore.example", "--balance", "1", "--dry-run")
    assert out == "fan@encore.example: would be made, balance 1\n"
    assert_nothing_written()


def test_a_password_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO("from a pipe\n"))
    run("create_customer", "fan@encore.example", "--password", "-")
    assert User.objects.get().check_password("from a pipe")


def test_a_password_that_is_asked_for(monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(create_customer, "getpass", lambda: "typed")
    run("create_customer", "fan@encore.example", "--password", "-")
    assert User.objects.get().check_password("typed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fan"], "EMAIL must be an e-mail address, not 'fan'."),
        ([f"a@{'b' * 60}.{'c' * 62}.{'c' * 62}.{'c' * 62}.example"], "EMAIL must have at most 254"),
        (["a@b.example", "--balance=-1"], f"--balance must be a whole number from 0 to {BALANCE_MAX}, not '-1'."),
        (["a@b.example", "--balance", str(BALANCE_MAX + 1)], "--balance must be a whole number from 0"),
        (["a@b.example", "--balance", "9" * 5_000], "--balance must be a whole number from 0"),
        (["a@b.example", "--balance", "1.5"], "not '1.5'"),
        (["a@b.example", "--password", ""], "The password must not be empty"),
        (["a@b.example", "--password", "\udcff"], "The password must be UTF-8 text"),
    ],
)  # fmt: skip
def test_wrong_arguments_for_one(arguments, message):
    with pytest.raises(CommandError) as caught:
        run("create_customer", *arguments)
    assert message in str(caught.value)
    assert caught.value.returncode == 1
    assert_nothing_written()


def test_somebody_who_exists_stays():
    run("create_customer", "fan@encore.example")
    with pytest.raises(CommandError, match=r"There is a customer FAN@encore.example already"):
        run("create_customer", "FAN@encore.example", "--balance", "5")
    assert_nothing_written(users=1)


def test_staff_are_made_once():
    create_staff(email="Staff@encore.example", password="x")
    staff = User.objects.get(email="staff@encore.example")
    assert staff.is_staff
    assert staff.is_superuser
    with pytest.raises(EmailTaken):
        create_staff(email="staff@encore.example", password="y")
    assert_nothing_written(users=1)


def test_many_customers():
    out = run("create_customers", "3", "--balance", "700")
    assert out == "3 customers made, 0 existed already; 3 wallets opened\n"
    assert list(User.objects.order_by("email").values_list("email", flat=True)) == [
        f"customer00000{n}@customers.encore.example" for n in (1, 2, 3)
    ]
    assert set(Wallet.objects.values_list("balance", flat=True)) == {700}
    assert WalletEntry.objects.filter(kind="charge", amount=700).count() == 3
    assert not User.objects.first().has_usable_password()


def test_running_again_completes_what_was_begun(monkeypatch):
    monkeypatch.setattr(create_customers, "BATCH", 2)
    out, err = StringIO(), StringIO()
    call_command("create_customers", 2, prefix="Load-", stdout=out, stderr=err)
    assert_nothing_written(users=2)
    call_command("create_customers", 3, prefix="load-", balance=5, stdout=out, stderr=err)
    call_command(
        "create_customers", 3, prefix="load-", balance=9, json=True, stdout=out, stderr=err
    )
    assert Wallet.objects.filter(balance=5).count() == 3
    lines = out.getvalue().splitlines()
    assert lines[:2] == [
        "2 customers made, 0 existed already; 0 wallets opened",
        "1 customers made, 2 existed already; 3 wallets opened",
    ]
    assert json.loads(lines[2]) == {
        "customers": 3, "made": 0, "wallets_opened": 0, "access_tokens": None, "dry_run": False,
    }  # fmt: skip
    assert err.getvalue().splitlines() == ["2 of 3", "3 of 3"] * 2


def test_access_tokens_for_the_new_and_the_old(tmp_path):
    path = tmp_path / "tokens.csv"
    run("create_customers", "1")
    path.write_text("what was there before")
    path.chmod(0o644)
    out = run("create_customers", "2", "--access-tokens", str(path))
    assert out.splitlines()[1] == f"2 access tokens, good for a day, in {path}"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["tokens.csv"]
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["email"] for row in rows] == [
        "customer000001@customers.encore.example", "customer000002@customers.encore.example",
    ]  # fmt: skip
    for row in rows:
        assert User.objects.get(pk=read_access_token(row["access"])).email == row["email"]
        left = AccessToken(row["access"])["exp"] - timezone.now().timestamp()
        assert timedelta(hours=23) < timedelta(seconds=left) <= timedelta(days=1)


def test_a_dry_run_makes_none(tmp_path):
    path = tmp_path / "tokens.csv"
    out = run("create_customers", "2", "--balance", "5", "--access-tokens", str(path), "--dry-run")
    assert out == "2 customers would be made, 0 existed already; 2 wallets opened\n"
    assert not path.exists()
    assert_nothing_written()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0"], "COUNT must be a whole number from 1 to 1000000, not '0'."),
        (["-5"], "not '-5'"),
        (["1000001"], "not '1000001'"),
        (["many"], "not 'many'"),
        (["1", "--balance=-1"], "--balance must be"),
        (["1", "--prefix", "a b"], "--prefix must begin with a letter or digit"),
        (["1", "--prefix", ""], "--prefix must begin"),
        (["1", "--prefix", "a" * 41], "--prefix must begin"),
        (["1", "--access-tokens", "/"], "/ is a directory; --access-tokens needs a file."),
        (["1", "--access-tokens", "/none/tokens.csv"], "cannot be written: No such file or directory."),
    ],
)  # fmt: skip
def test_wrong_arguments_for_many(arguments, message):
    with pytest.raises(CommandError) as caught:
        run("create_customers", *arguments)
    assert message in str(caught.value)
    assert caught.value.returncode == 1
    assert_nothing_written()


def test_a_busy_database_is_told(monkeypatch, tmp_path):
    def be_busy(**_kwargs):
        raise Busy

    monkeypatch.setattr(create_customer, "make_customer", be_busy)
    monkeypatch.setattr(create_customers, "make_customers", be_busy)
    with pytest.raises(CommandError, match="The database is busy; nothing was written"):
        run("create_customer", "fan@encore.example")
    with pytest.raises(CommandError, match="The database is busy; the first 0 are there"):
        run("create_customers", "2", "--access-tokens", str(tmp_path / "tokens.csv"))
    assert list(Path(tmp_path).iterdir()) == []
    assert_nothing_written()
