"""The side bar and the account menu: everybody is shown what they may see, all of it and no more."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory

from apps.backoffice.navigation import SECTIONS, list_navigation
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def links_of(user):
    request = RequestFactory().get("/admin/")
    request.user = user
    return [item["link"] for section in list_navigation(request) for item in section["items"]]


def test_every_page_of_it_answers(admin_client, admin_user):
    links = links_of(admin_user)
    assert len(links) == len(set(links)) > 10
    for link in links:
        assert admin_client.get(link).status_code == 200, link


def test_it_leads_to_every_list_but_those_that_others_lead_to():
    linked = {(app, model) for _title, pages in SECTIONS for _t, _i, app, model in pages}
    shown = {(model._meta.app_label, model._meta.model_name) for model in admin.site._registry}
    assert linked <= shown
    assert shown - linked == {
        ("concerts", "seat"),  # on the map of their performance
        ("django_celery_beat", "intervalschedule"),  # from what runs by them
        ("django_celery_beat", "crontabschedule"),
    }


def test_staff_see_what_they_may(client):
    user = UserFactory(is_staff=True)
    assert links_of(user) == ["/admin/"]
    user.user_permissions.add(Permission.objects.get(codename="view_concert"))
    user = type(user).objects.get(pk=user.pk)
    assert links_of(user) == ["/admin/", "/admin/concerts/concert/"]


def test_staff_without_a_role_are_told_why_there_is_nothing():
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(UserFactory(is_staff=True))
    page = client.get("/admin/")
    assert page.status_code == 200
    assert "You have no role yet." in page.content.decode()


def test_the_menu_under_ones_name_leads_to_password_and_second_step(admin_client):
    page = admin_client.get("/admin/").content.decode()
    assert "/admin/password_change/" in page
    assert "/admin/two-step/manage/" in page
    for address in ("/admin/password_change/", "/admin/two-step/manage/"):
        assert admin_client.get(address).status_code == 200
