"""Payments in the admin: looked at, found, refunded, and never written by hand."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.concerts.models import Seat
from apps.core.models import StaffAction
from apps.payments.models import Payment
from apps.reservations.models import Reservation
from apps.wallet.limits import BALANCE_MAX
from apps.wallet.services import charge_wallet
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import balance_of, make_hold, make_paid, nothing_written

pytestmark = pytest.mark.django_db


def url_of(page, *args):
    return reverse(f"admin:payments_payment_{page}", args=args)


@pytest.fixture
def payment(customer, seats, clock_at_now):
    # A number that is not the reservation's.
    make_hold(customer, seats[2:3])
    return Payment.objects.get(pk=make_paid(customer, seats[:2]).payment_id)


@pytest.fixture
def pages(payment):
    """The page of the payment and of its reservation; each offers the refund."""
    return {"payment": payment.pk, "reservation": payment.reservation_id}


@pytest.fixture
def clerk():
    """Return a maker of staff with these permissions alone."""

    def make(*codenames):
        user = UserFactory(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return user

    return make


@pytest.fixture
def find(admin_client):
    def search(query="", **filters):
        answer = admin_client.get(url_of("changelist"), {"q": query, **filters})
        assert answer.status_code == 200
        return list(answer.context["cl"].result_list)

    return search


def refund_url(pages, where):
    model = {"payment": "payments_payment", "reservation": "reservations_reservation"}[where]
    return reverse(f"admin:{model}_refund", args=[pages[where]])


def change_url(pages, where):
    return refund_url(pages, where).replace("/refund/", "/change/")


def test_the_page_shows_what_was_bought_and_the_ledger(admin_client, payment, customer):
    page = admin_client.get(url_of("change", payment.pk))
    assert page.status_code == 200
    assert not page.context["adminform"].form.fields
    text = page.content.decode()
    assert "A 1-1, A 1-2" in text
    assert "₩20,000" in text
    assert "-₩20,000" in text
    assert f"/admin/reservations/reservation/{payment.reservation_id}/change/" in text
    assert f"/admin/accounts/user/{customer.pk}/change/" in text


def test_the_ledger_is_kept_from_those_who_may_not_see_it(client, clerk, payment):
    client.force_login(clerk("view_payment"))
    page = client.get(url_of("change", payment.pk)).content.decode()
    assert "₩20,000" in page
    assert "-₩20,000" not in page


def test_payments_are_found(find, payment, customer):
    elsewhere = PerformanceFactory()
    stranger = UserFactory(email="other@encore.example")
    paid = make_paid(stranger, make_seats(elsewhere, 1, section="B"))
    other = Payment.objects.get(reservation=paid)
    for query in (
        f"payment:{payment.pk}", f"reservation:{payment.reservation_id}", customer.email, "A 1-2",
    ):  # fmt: skip
        assert find(query) == [payment], query
    assert payment in find(str(payment.pk))
    assert payment in find(str(payment.reservation_id))
    assert find("other") == find("B 1-1") == [other]
    assert find("A 1-1", reservation__performance__id__exact=elsewhere.pk) == []
    assert find(reservation__performance__id__exact=elsewhere.pk) == [other]


def test_refunded_ones_are_filtered(admin_client, find, payment, customer, seats):
    other = Payment.objects.get(reservation=make_paid(customer, seats[3:]))
    assert find(refunded="yes") == []
    admin_client.post(reverse("admin:payments_payment_refund", args=[payment.pk]), {"reason": "x"})
    assert find(refunded="yes") == [payment]
    assert find() == [other, payment]


class TestNeverByHand:
    @pytest.fixture(params=["superuser", "every permission"])
    def mighty(self, request, client):
        user = UserFactory(is_staff=True, is_superuser=request.param == "superuser")
        user.user_permissions.set(Permission.objects.all())
        client.force_login(user)
        return client

    @pytest.mark.parametrize(
        ("page", "has_row"), [("add", False), ("change", True), ("delete", True)]
    )
    def test_nothing_can_be_written(self, mighty, payment, page, has_row):
        form = {"status": "refunded", "amount": 0, "post": "yes"}
        with nothing_written():
            answer = mighty.post(url_of(page, *([payment.pk] if has_row else [])), form)
        assert answer.status_code == 403

    def test_nothing_can_be_deleted_in_bulk(self, mighty, payment):
        form = {"action": "delete_selected", "_selected_action": [payment.pk], "post": "yes"}
        with nothing_written():
            mighty.post(url_of("changelist"), form)
        assert Payment.objects.count() == 1


def test_they_say_what_they_are(payment):
    assert (str(payment), payment.reference) == (str(payment.pk), f"payment:{payment.pk}")


def test_customers_are_kept_out(client, customer, payment):
    client.force_login(customer)
    assert client.get(url_of("changelist")).status_code == 302


@pytest.mark.parametrize("where", ["payment", "reservation"])
class TestRefunding:
    def test_the_page_says_what_will_happen(self, admin_client, payment, pages, where, customer):
        charge_wallet(customer_id=customer.pk, amount=5_000, now=NOW)
        page = admin_client.get(refund_url(pages, where))
        told = " ".join(map(str, page.context["confirmation"].consequences))
        for word in (customer.email, "₩20,000", "₩5,000", "₩25,000", "A 1-1, A 1-2"):
            assert word in told
        assert Payment.objects.get().status == "succeeded"

    def test_the_money_goes_back(self, admin_client, admin_user, payment, pages, where, customer):
        answer = admin_client.post(refund_url(pages, where), {"reason": "좌석 파손"})
        assert answer["Location"] == change_url(pages, where)
        refunded = Payment.objects.get(pk=payment.pk)
        assert (refunded.status, refunded.refunded_at) == ("refunded", NOW)
        reservation = Reservation.objects.get(pk=payment.reservation_id)
        assert (reservation.status, reservation.end_cause) == ("cancelled", "staff")
        assert balance_of(customer) == 20_000
        record = StaffAction.objects.get()
        assert (record.actor_id, record.reason) == (admin_user.pk, "좌석 파손")
        assert not Seat.objects.filter(blocked=True).exists()
        page = admin_client.get(change_url(pages, where)).content.decode()
        assert "좌석 파손" in page
        assert refund_url(pages, where) not in page

    def test_seats_can_be_taken_off_sale(self, admin_client, pages, where, seats):
        form = {"reason": "의자 파손", "withdraw": "on"}
        admin_client.post(refund_url(pages, where), form)
        blocked = Seat.objects.filter(blocked=True).order_by("pk")
        assert list(blocked) == seats[:2]

    def test_a_second_click_gives_nothing(self, admin_client, pages, where):
        admin_client.post(refund_url(pages, where), {"reason": "x"})
        with nothing_written():
            answer = admin_client.post(refund_url(pages, where), {"reason": "x"}, follow=True)
        assert [m.level_tag for m in answer.context["messages"]][-1] == "error"
        assert StaffAction.objects.count() == 1

    def test_without_a_reason_nothing_happens(self, admin_client, pages, where):
        with nothing_written():
            answer = admin_client.post(refund_url(pages, where), {"reason": ""})
        assert list(answer.context["form"].errors) == ["reason"]

    def test_a_wallet_that_is_too_full_is_told(self, admin_client, pages, where, customer):
        charge_wallet(customer_id=customer.pk, amount=BALANCE_MAX, now=NOW)
        with nothing_written():
            answer = admin_client.post(refund_url(pages, where), {"reason": "x"})
        assert answer.context["form"].non_field_errors()
        assert not StaffAction.objects.exists()

    def test_it_takes_the_permissions(self, client, clerk, pages, where):
        for codenames in ([f"view_{where}"], ["refund_payment"]):
            client.force_login(clerk(*codenames))
            with nothing_written():
                answer = client.post(refund_url(pages, where), {"reason": "x"})
            assert answer.status_code == 403
        client.force_login(clerk(f"view_{where}", "refund_payment"))
        page = client.get(change_url(pages, where)).content.decode()
        assert refund_url(pages, where) in page
        assert client.post(refund_url(pages, where), {"reason": "x"}).status_code == 302
        assert Payment.objects.get().status == "refunded"


def test_nothing_is_refunded_that_is_not_there(admin_client, payment, customer, seats):
    unpaid = Reservation.objects.exclude(pk=payment.reservation_id).get()
    for url in (
        reverse("admin:payments_payment_refund", args=[0]),
        reverse("admin:reservations_reservation_refund", args=[0]),
        reverse("admin:reservations_reservation_refund", args=[unpaid.pk]),
    ):
        assert admin_client.post(url, {"reason": "x"}).status_code == 404
