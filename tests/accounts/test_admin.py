"""Customers and staff in the admin."""

import pytest

from apps.accounts.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

URL = "/admin/accounts/user/"


def form_of(user, **changes):
    form = {"email": user.email or "", "name": user.name, "subject": user.subject or ""}
    return {**form, "is_active": "on", **changes}


def test_staff_find_customers_by_email_name_and_subject(admin_client):
    user = UserFactory(name="이바다", subject="provider|9")
    for words in (user.email, "이바다", "provider|9"):
        assert user.email in admin_client.get(URL, {"q": words}).content.decode()


def test_staff_switch_a_customer_off(admin_client):
    user = UserFactory()
    form = form_of(user)
    del form["is_active"]
    assert admin_client.post(f"{URL}{user.pk}/change/", form).status_code == 302
    user.refresh_from_db()
    assert not user.is_active


def test_staff_switch_a_customer_of_the_identity_provider_off(admin_client):
    user = User.objects.create(subject="provider|9")
    form = form_of(user)
    del form["is_active"]
    assert admin_client.post(f"{URL}{user.pk}/change/", form).status_code == 302
    user.refresh_from_db()
    assert (user.is_active, user.email, user.subject) == (False, None, "provider|9")


def test_two_customers_without_a_subject_can_be_saved(admin_client):
    for user in (UserFactory(), UserFactory()):
        assert admin_client.post(f"{URL}{user.pk}/change/", form_of(user)).status_code == 302
        user.refresh_from_db()
        assert user.subject is None


def test_staff_add_a_customer_under_the_normalised_email(admin_client):
    form = {
        "email": "Haneul@Encore.example",
        "usable_password": "true",
        "password1": "가을하늘2026!",
        "password2": "가을하늘2026!",
    }
    assert admin_client.post(f"{URL}add/", form).status_code == 302
    user = User.objects.get(email="haneul@encore.example")
    assert user.check_password("가을하늘2026!")


@pytest.mark.parametrize("email", ["haneul@encore.example", "HANEUL@encore.example"])
def test_an_email_that_is_taken_is_refused_in_the_form(admin_client, email):
    UserFactory(email="haneul@encore.example")
    other = UserFactory()
    answer = admin_client.post(f"{URL}{other.pk}/change/", form_of(other, email=email))
    assert answer.status_code == 200
    assert "email" in answer.context["adminform"].form.errors
    other.refresh_from_db()
    assert other.email != "haneul@encore.example"


def test_accounts_are_never_deleted(admin_client):
    user = UserFactory()
    assert admin_client.post(f"{URL}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def test_customers_are_not_let_into_the_admin(client):
    client.force_login(UserFactory())
    assert client.get(URL).status_code == 302
