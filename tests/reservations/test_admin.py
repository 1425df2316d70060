"""Holds and reservations in the admin: to look at, never to write."""

import pytest
from django.urls import reverse

from apps.reservations.models import Reservation
from tests.reservations.support import make_hold, make_paid, nothing_written

pytestmark = pytest.mark.django_db


def url_of(page, *args):
    return reverse(f"admin:reservations_reservation_{page}", args=args)


@pytest.fixture
def paid(customer, seats):
    return make_paid(customer, seats[:2])


def test_pages_load(admin_client, paid, customer, seats):
    make_hold(customer, seats[2:])
    assert admin_client.get(url_of("changelist")).status_code == 200
    for query in (str(paid.pk), customer.email, "첫눈"):
        answer = admin_client.get(url_of("changelist"), {"q": query})
        assert paid in answer.context["cl"].queryset
    confirmed = admin_client.get(url_of("changelist"), {"status__exact": "confirmed"})
    assert list(confirmed.context["cl"].queryset) == [paid]
    page = admin_client.get(url_of("change", paid.pk))
    assert page.status_code == 200
    assert not page.context["adminform"].form.fields
    assert "_save" not in page.content.decode()


@pytest.mark.parametrize(("page", "has_row"), [("add", False), ("change", True), ("delete", True)])
def test_nothing_can_be_written(admin_client, paid, page, has_row):
    form = {"status": "cancelled", "total": 0, "post": "yes"}
    with nothing_written():
        answer = admin_client.post(url_of(page, *([paid.pk] if has_row else [])), form)
    assert answer.status_code == 403


def test_nothing_can_be_deleted_in_bulk(admin_client, paid):
    form = {"action": "delete_selected", "_selected_action": [paid.pk], "post": "yes"}
    with nothing_written():
        admin_client.post(url_of("changelist"), form)
    assert Reservation.objects.count() == 1


def test_customers_are_kept_out(client, customer, paid):
    client.force_login(customer)
    assert client.get(url_of("changelist")).status_code == 302
