"""Payments in the admin: to look at, never to write."""

import pytest
from django.urls import reverse

from apps.payments.models import Payment
from tests.reservations.support import make_paid, nothing_written

pytestmark = pytest.mark.django_db


def url_of(page, *args):
    return reverse(f"admin:payments_payment_{page}", args=args)


@pytest.fixture
def payment(customer, seats):
    return Payment.objects.get(pk=make_paid(customer, seats[:2]).payment_id)


def test_pages_load(admin_client, payment, customer):
    assert admin_client.get(url_of("changelist")).status_code == 200
    for query in (str(payment.pk), str(payment.reservation_id), customer.email):
        answer = admin_client.get(url_of("changelist"), {"q": query})
        assert payment in answer.context["cl"].queryset
    refunded = admin_client.get(url_of("changelist"), {"status__exact": "refunded"})
    assert list(refunded.context["cl"].queryset) == []
    page = admin_client.get(url_of("change", payment.pk))
    assert page.status_code == 200
    assert not page.context["adminform"].form.fields


@pytest.mark.parametrize(("page", "has_row"), [("add", False), ("change", True), ("delete", True)])
def test_nothing_can_be_written(admin_client, payment, page, has_row):
    form = {"status": "refunded", "amount": 0, "post": "yes"}
    with nothing_written():
        answer = admin_client.post(url_of(page, *([payment.pk] if has_row else [])), form)
    assert answer.status_code == 403


def test_nothing_can_be_deleted_in_bulk(admin_client, payment):
    form = {"action": "delete_selected", "_selected_action": [payment.pk], "post": "yes"}
    with nothing_written():
        admin_client.post(url_of("changelist"), form)
    assert Payment.objects.count() == 1


def test_they_say_what_they_are(payment):
    assert (str(payment), payment.reference) == (str(payment.pk), f"payment:{payment.pk}")


def test_customers_are_kept_out(client, customer, payment):
    client.force_login(customer)
    assert client.get(url_of("changelist")).status_code == 302
