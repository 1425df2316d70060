"""Customers and staff in the admin."""

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client

from apps.accounts.models import User
from tests.core.contents import read_contents
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]

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


class TestWhoMayGovernWhom:
    """A member of staff who may change accounts is not thereby a superuser."""

    @pytest.fixture
    def registrar(self):
        user = UserFactory(is_staff=True)
        names = ("view_user", "add_user", "change_user", "view_concert")
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        return user

    @pytest.fixture
    def client(self, registrar):
        client = Client(headers={"Accept-Language": "en"})
        client.force_login(registrar)
        return client

    def try_to_change(self, client, user, **changes):
        answer = client.post(f"{URL}{user.pk}/change/", form_of(user, is_staff="on", **changes))
        user.refresh_from_db()
        return answer

    def test_they_change_customers(self, client):
        user = UserFactory()
        assert self.try_to_change(client, user, name="새 이름").status_code == 302
        assert user.name == "새 이름"

    def test_nobody_but_a_superuser_makes_one(self, client):
        user = UserFactory()
        self.try_to_change(client, user, is_superuser="on")
        assert not user.is_superuser

    @pytest.mark.parametrize("path", ["change/", "password/"])
    def test_superusers_are_not_theirs_to_change(self, client, path):
        boss = UserFactory(is_staff=True, is_superuser=True)
        before = read_contents()
        assert client.post(f"{URL}{boss.pk}/{path}", form_of(boss, name="x")).status_code == 403
        assert read_contents() == before

    @pytest.mark.parametrize("is_active", [True, False])
    @pytest.mark.parametrize("path", ["change/", "password/"])
    def test_nor_is_whoever_may_do_more(self, client, path, is_active):
        other = UserFactory(is_staff=True, is_active=is_active)
        other.groups.add(Group.objects.get(name="Support"))
        form = form_of(
            other, usable_password="true", password1="가을하늘2026!", password2="가을하늘2026!"
        )
        before = read_contents()
        assert client.post(f"{URL}{other.pk}/{path}", form).status_code == 403
        assert read_contents() == before

    def test_they_give_only_roles_that_allow_no_more(self, client):
        lookers = Group.objects.create(name="lookers")
        lookers.permissions.set(Permission.objects.filter(codename="view_concert"))
        support = Group.objects.get(name="Support")
        user = UserFactory()
        answer = self.try_to_change(client, user, groups=[support.pk])
        assert answer.context["adminform"].form.errors["groups"]
        self.try_to_change(client, user, groups=[lookers.pk])
        assert list(user.groups.all()) == [lookers]

    def test_nobody_changes_what_they_may_do_themselves(self, client, registrar):
        lookers = Group.objects.create(name="lookers")
        answer = client.post(
            f"{URL}{registrar.pk}/change/",
            {**form_of(registrar, name="나", groups=[lookers.pk]), "is_superuser": "on"},
        )
        assert answer.status_code == 302
        registrar.refresh_from_db()
        assert (registrar.name, registrar.is_staff, registrar.is_superuser) == ("나", True, False)
        assert not registrar.groups.exists()

    def test_not_even_the_last_superuser(self, admin_client, admin_user):
        form = form_of(admin_user, name="나")
        del form["is_active"]
        assert admin_client.post(f"{URL}{admin_user.pk}/change/", form).status_code == 302
        admin_user.refresh_from_db()
        assert (admin_user.is_active, admin_user.is_superuser, admin_user.name) == (
            True,
            True,
            "나",
        )

    def test_roles_are_for_superusers_to_change(self, client, registrar):
        permissions = Permission.objects.filter(content_type__app_label="auth")
        registrar.user_permissions.add(*permissions)
        role = Group.objects.get(name="Support")
        before = read_contents()
        for path in (f"{role.pk}/change/", f"{role.pk}/delete/", "add/"):
            answer = client.post(f"/admin/auth/group/{path}", {"name": "x", "post": "yes"})
            assert answer.status_code == 403, path
        assert read_contents() == before


def test_whoever_only_looks_sees_no_trace_of_the_password(client):
    looker, user = UserFactory(is_staff=True), UserFactory()
    looker.user_permissions.set(Permission.objects.filter(codename="view_user"))
    user.set_password("가을하늘2026!")
    user.save()
    client.force_login(looker)
    page = client.get(f"{URL}{user.pk}/change/").content.decode()
    assert user.email in page
    assert user.password not in page
    assert "md5" not in page


@pytest.mark.parametrize(("who", "shown"), [("customers", 0), ("staff", 1)])
def test_customers_and_staff_are_told_apart(admin_client, who, shown):
    names = ("김고객", "이직원")
    UserFactory(name=names[0])
    UserFactory(name=names[1], is_staff=True)
    page = admin_client.get(URL, {"who": who}).content.decode()
    assert [name for name in names if name in page] == [names[shown]]


def test_each_way_of_searching_has_an_index(admin_client):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for text in ("customer1@", "이바", "provider|9"):
            rows, _more = site._registry[User].get_search_results(None, User.objects.all(), text)
            plan = rows.order_by().explain()
            assert "Seq Scan" not in plan, plan
            assert plan.count("Index Cond") == 3, plan


def test_a_list_of_many_takes_few_queries(admin_client, django_assert_max_num_queries):
    for _number in range(60):
        UserFactory(is_staff=True).groups.add(Group.objects.get(name="Support"))
    with django_assert_max_num_queries(12):
        admin_client.get(URL)


def test_the_page_of_a_customer_leads_to_their_whole_story(admin_client):
    user = UserFactory()
    answer = admin_client.get(f"{URL}{user.pk}/case/")
    assert answer.headers["Location"] == f"/admin/cases/customer/{user.pk}/"


def test_staff_change_their_own_password(client):
    user = UserFactory(is_staff=True)
    user.set_password("가을하늘2026!")
    user.save()
    client.force_login(user)
    form = {
        "old_password": "가을하늘2026!",
        "new_password1": "겨울바다2026!",
        "new_password2": "겨울바다2026!",
    }
    assert client.post("/admin/password_change/", form).status_code == 302
    user.refresh_from_db()
    assert user.check_password("겨울바다2026!")
