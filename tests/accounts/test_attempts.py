"""Failed sign-ins: ten with one e-mail address in a quarter of an hour, then nobody is heard."""

import pytest
from django.contrib.auth.hashers import get_hasher
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts import attempts, limits
from apps.accounts.models import SignInTally, User
from tests.core.contents import read_contents

pytestmark = pytest.mark.django_db

LOGIN = "/api/v1/auth/login"
ADMIN = "/admin/login/"
EMAIL = "haneul@encore.example"
NOBODY = "nobody@encore.example"
PASSWORD = "오늘도 콘서트"
HOME, CAFE, STRANGER = "192.0.2.1", "192.0.2.2", "203.0.113.9"
WINDOW_S = limits.FAILURES_WINDOW_S


@pytest.fixture(autouse=True)
def member(db):
    return User.objects.create_superuser(EMAIL, PASSWORD)


def post(email=EMAIL, password=PASSWORD, *, address=HOME):
    body = {"email": email, "password": password}
    return APIClient().post(LOGIN, body, REMOTE_ADDR=address)


def fail(times, email=EMAIL, *, address=HOME):
    """Return the answers' statuses."""
    return [post(email, "wrong", address=address).status_code for _attempt in range(times)]


def post_admin(email=EMAIL, password=PASSWORD, *, address=HOME):
    form = {"username": email, "password": password}
    return Client().post(ADMIN, form, REMOTE_ADDR=address, headers={"Accept-Language": "en"})


def assert_locked(answer, retry_after=str(WINDOW_S)):
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_failed_sign_ins")
    assert answer["Retry-After"] == retry_after


def test_the_eleventh_attempt_is_refused_with_the_right_password_too(clock_at_now):
    assert fail(10) == [401] * 10
    wrong, right = post(password="wrong"), post()
    assert_locked(wrong)
    assert_locked(right)
    assert wrong.content == right.content


def test_nobody_learns_whether_the_account_exists(clock_at_now):
    assert fail(10, NOBODY) == fail(10, EMAIL) == [401] * 10
    answers = {post(email, "wrong").content for email in (NOBODY, EMAIL)}
    assert len(answers) == 1


def test_one_spelling_is_not_another_account(clock_at_now):
    assert fail(10, f" {EMAIL.upper()} ") == [401] * 10
    assert_locked(post())


def test_the_lock_ends_by_itself_and_attempts_do_not_lengthen_it(clock_at_now):
    fail(10)
    clock_at_now.move(seconds=WINDOW_S - 1)
    assert fail(50) == [429] * 50
    assert_locked(post(), "1")
    clock_at_now.move(seconds=1)
    assert post().status_code == 200


def test_a_new_window_counts_from_one(clock_at_now):
    fail(9)
    clock_at_now.move(seconds=WINDOW_S)
    assert fail(10) == [401] * 10
    assert fail(1) == [429]


def test_who_signs_in_is_not_counted(clock_at_now):
    fail(9)
    assert [post().status_code for _attempt in range(20)] == [200] * 20
    assert SignInTally.objects.filter(failures__gt=9).count() == 0


def test_e_mail_addresses_are_counted_each_by_themselves(clock_at_now):
    fail(11)
    assert fail(1, NOBODY) == [401]


def test_an_account_is_counted_from_every_address(clock_at_now):
    statuses = [fail(1, address=f"203.0.113.{number}") for number in range(11)]
    assert statuses == [[401]] * 10 + [[429]]


def test_a_stranger_cannot_keep_a_customer_out(clock_at_now):
    assert post(address=HOME).status_code == 200
    assert fail(11, address=STRANGER)[-1] == 429
    assert post(address=HOME).status_code == 200
    assert_locked(post(address=CAFE))


def test_a_known_address_has_its_own_limit(clock_at_now):
    post(address=HOME)
    assert fail(11, address=HOME) == [401] * 10 + [429]
    assert_locked(post(address=HOME))
    assert post(address=CAFE).status_code == 200


def test_an_address_is_known_for_a_while(clock_at_now):
    post(address=HOME)
    clock_at_now.move(seconds=limits.KNOWN_ADDRESS_S)
    fail(10, address=STRANGER)
    assert_locked(post(address=HOME))


def test_a_disabled_customer_never_makes_an_address_known(clock_at_now):
    User.objects.update(is_active=False)
    assert post().status_code == 401
    assert SignInTally.objects.count() == 1


def test_a_refused_attempt_writes_nothing_but_the_count(clock_at_now):
    fail(10)
    before = read_contents()
    assert_locked(post())
    assert {table for table, rows in read_contents().items() if rows != before[table]} == {
        SignInTally._meta.db_table
    }


def test_what_was_typed_is_not_kept(clock_at_now):
    fail(1, "my password by mistake")
    assert [len(bytes(tally.digest)) for tally in SignInTally.objects.all()] == [32]
    assert str(SignInTally.objects.get()) == attempts.digest_of("my password by mistake").hex()


def test_tallies_that_are_over_are_cleared_away(clock_at_now, monkeypatch):
    monkeypatch.setattr(attempts, "TALLIES_CLEARED", 2)
    for number in range(5):
        fail(1, f"{number}@encore.example")
    clock_at_now.move(seconds=WINDOW_S)
    fail(1)
    assert SignInTally.objects.count() == 4
    fail(2)
    assert SignInTally.objects.count() == 1


def test_a_clock_that_was_ahead_locks_nobody_for_longer(clock_at_now):
    clock_at_now.move(days=1)
    fail(10)
    clock_at_now.move(days=-1)
    assert_locked(post())


# Time tells nothing either


@pytest.mark.parametrize("case", ["unknown", "wrong", "disabled", "no password"])
def test_every_refusal_computes_one_hash(monkeypatch, clock_at_now, case, member):
    if case == "disabled":
        User.objects.update(is_active=False)
    if case == "no password":
        member.set_unusable_password()
        member.save()
    counted = []
    hasher = type(get_hasher())
    really_encode = hasher.encode

    def encode(self, *args, **kwargs):
        counted.append(1)
        return really_encode(self, *args, **kwargs)

    monkeypatch.setattr(hasher, "encode", encode)
    assert fail(1, NOBODY if case == "unknown" else EMAIL) == [401]
    assert len(counted) == 1


# The admin


def test_staff_sign_in():
    assert post_admin()["Location"] == "/admin/"
    assert SignInTally.objects.count() == 2


@pytest.mark.parametrize("first", [post, post_admin])
def test_the_admin_and_the_api_count_together(clock_at_now, first):
    for _attempt in range(10):
        first(password="wrong")
    assert_locked(post())
    answer = post_admin()
    assert answer.status_code == 200
    assert "Please try again later" in answer.content.decode()
    assert "_auth_user_id" not in answer.client.session


def test_the_admin_says_the_same_of_an_account_that_does_not_exist(clock_at_now):
    def errors(email):
        return [post_admin(email, "wrong").context["form"].errors for _attempt in range(12)]

    assert errors(EMAIL) == errors(NOBODY)


def test_an_empty_form_is_no_attempt(clock_at_now):
    for form in ({}, {"username": EMAIL}, {"password": "x"}, {"username": EMAIL, "password": ""}):
        answer = Client().post(ADMIN, form)
        assert answer.context["form"].errors
    assert SignInTally.objects.count() == 0


def test_a_customer_who_is_no_staff_is_counted(clock_at_now):
    User.objects.update(is_staff=False)
    assert "staff account" in post_admin().content.decode()
    assert SignInTally.objects.get().failures == 1


def test_the_admin_counts_sign_ins_by_address(settings):
    settings.THROTTLE_ENABLED = True
    settings.THROTTLE_LOGIN_PER_MINUTE = 1
    emails = (NOBODY, EMAIL)
    pages = [post_admin(email, "wrong").content.decode() for email in emails]
    assert ["wait a moment" in page for page in pages] == [False, True]
    assert SignInTally.objects.count() == 1
