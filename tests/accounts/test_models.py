"""How users are stored and made."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from apps.accounts import services
from apps.accounts.errors import EmailTaken
from apps.accounts.models import User, normalise_email

pytestmark = pytest.mark.django_db


def test_an_email_has_one_spelling():
    assert normalise_email("  Ha-Neul@Encore.EXAMPLE ") == "ha-neul@encore.example"


def test_users_are_made_and_found_under_the_normalised_email():
    user = User.objects.create_user("Ha-Neul@Encore.Example", "비밀번호")
    assert user.email == "ha-neul@encore.example"
    assert User.objects.get_by_natural_key(" HA-NEUL@encore.example") == user
    assert user.check_password("비밀번호")
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_a_superuser_may_do_everything():
    user = User.objects.create_superuser("Root@Encore.Example", "비밀번호")
    assert (user.is_staff, user.is_superuser, user.email) == (True, True, "root@encore.example")


def test_the_database_refuses_an_email_in_capitals():
    with pytest.raises(IntegrityError, match="user_email_lower"):
        User.objects.create(email="Haneul@encore.example")


def test_the_database_refuses_an_email_twice():
    User.objects.create_user("haneul@encore.example")
    with pytest.raises(IntegrityError, match="email"):
        User.objects.create_user("HANEUL@encore.example")


def test_many_users_may_be_without_an_email():
    User.objects.create(subject="provider|1")
    User.objects.create(subject="provider|2")
    assert User.objects.filter(email=None).count() == 2


def test_the_admin_form_normalises_what_staff_type():
    user = User(email="Haneul@Encore.example", password="!")
    user.full_clean()
    assert user.email == "haneul@encore.example"
    with pytest.raises(ValidationError):
        User(email="no e-mail", password="!").full_clean()


def test_a_user_is_called_by_email_then_subject_then_id():
    assert str(User(email="a@b.example", subject="s")) == "a@b.example"
    assert str(User(subject="s")) == "s"
    assert str(User(pk=7)) == "7"


def test_create_customer_refuses_an_email_that_is_taken():
    services.create_customer(email="Haneul@encore.example", password="비밀번호", name="하늘")
    with pytest.raises(EmailTaken):
        services.create_customer(email="HANEUL@encore.example", password=None)
    assert [(user.email, user.name) for user in User.objects.all()] == [
        ("haneul@encore.example", "하늘")
    ]


def test_create_customers_makes_only_those_that_are_missing():
    User.objects.create_user("a@encore.example", "비밀번호")
    assert services.create_customers(emails=["A@encore.example", "B@encore.example"]) == 1
    assert services.create_customers(emails=["a@encore.example", "b@encore.example"]) == 0
    assert User.objects.get(email="a@encore.example").has_usable_password()
    assert not User.objects.get(email="b@encore.example").has_usable_password()
