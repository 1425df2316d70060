"""Races for the last attempt to sign in: however many at once, ten are heard."""

import threading

import pytest

from apps.accounts import attempts
from apps.accounts.errors import InvalidCredentials, TooManyFailedSignIns
from apps.accounts.models import SignInTally, User
from apps.accounts.services import sign_in
from tests.concurrency.racing import PATIENCE_S, overlap, race
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL = "haneul@encore.example"


def fail():
    """Try a wrong password; return what it came to."""
    try:
        sign_in(email=EMAIL, password="wrong", address="192.0.2.1", now=NOW)
    except (InvalidCredentials, TooManyFailedSignIns) as error:
        return type(error).__name__


@pytest.fixture
def one_is_left():
    User.objects.create_user(EMAIL, "right")
    for _attempt in range(9):
        fail()


def test_of_two_at_once_one_is_heard(one_is_left):
    result = overlap(fail, fail)
    assert result.waited
    assert result[:2] == ("InvalidCredentials", "TooManyFailedSignIns")


def test_of_many_at_once_ten_are_heard():
    results = race(*[fail] * 15)
    assert sorted(results) == ["InvalidCredentials"] * 10 + ["TooManyFailedSignIns"] * 5
    assert SignInTally.objects.get().failures == 15


def test_counted_by_reading_first_both_are_heard(one_is_left, monkeypatch):
    both_have_read = threading.Barrier(2)

    def read_then_write(digest, *, now):
        tally = SignInTally.objects.get(pk=digest)
        both_have_read.wait(PATIENCE_S)
        if tally.failures >= 10:
            raise TooManyFailedSignIns(retry_after_seconds=1)
        tally.failures += 1
        tally.save()

    monkeypatch.setattr(attempts, "count_attempt", read_then_write)
    assert race(fail, fail) == ["InvalidCredentials"] * 2
    assert SignInTally.objects.get().failures == 10  # eleven have failed
