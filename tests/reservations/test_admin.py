"""Holds and reservations in the admin: looked at, found, released, and never written by hand."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from apps.concerts.models import Performance, Seat
from apps.core.models import StaffAction
from apps.reservations.models import Reservation
from apps.reservations.services import expire_holds
from apps.reservations.transitions import cancel
from tests.factories import NOW, PerformanceFactory, UserFactory, make_seats
from tests.reservations.support import (
    DEADLINE,
    block,
    make_hold,
    make_paid,
    make_reservation,
    nothing_written,
)

pytestmark = pytest.mark.django_db


def url_of(page, *args):
    return reverse(f"admin:reservations_reservation_{page}", args=args)


@pytest.fixture
def paid(customer, seats):
    return make_paid(customer, seats[:2])


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


def test_the_page_shows_seats_customer_and_payment(admin_client, paid, customer):
    page = admin_client.get(url_of("change", paid.pk))
    assert page.status_code == 200
    assert not page.context["adminform"].form.fields
    text = page.content.decode()
    assert "_save" not in text
    assert "A 1-1" in text
    assert "₩20,000" in text
    assert f"/admin/accounts/user/{customer.pk}/change/" in text
    assert f"/admin/payments/payment/{paid.payment_id}/change/" in text
    assert "/admin/wallet/walletentry/" in text


def test_the_list_shows_seats_and_amounts(admin_client, paid):
    text = admin_client.get(url_of("changelist")).content.decode()
    assert "A 1-1, A 1-2" in text
    assert "₩20,000" in text


class TestSearch:
    def test_by_number_address_and_reference(self, find, paid, customer, seats):
        held = make_hold(UserFactory(email="other@encore.example"), seats[2:])
        for query in (str(paid.pk), f"#{paid.pk}", f"reservation:{paid.pk}"):
            assert find(query) == [paid], query
        assert find(f"payment:{paid.payment_id}") == [paid]
        assert find(f"Payment:{paid.payment_id}") == [paid]
        assert find(customer.email.upper()) == [paid]
        assert find("other@") == find("other") == [held]
        assert find("nobody@encore.example") == []
        assert find(f"wallet:{customer.pk}") == []

    @pytest.mark.parametrize("query", ["A 1-2", "a 1-2", "  A   1-2 "])
    def test_by_seat(self, find, paid, seats, query):
        make_hold(UserFactory(), seats[2:])
        assert find(query) == [paid]

    def test_by_seat_whoever_had_it(self, find, paid, customer, seats):
        first = make_hold(customer, seats[2:3])
        cancel(first, now=NOW)
        second = make_hold(customer, seats[2:3])
        assert find("A 1-3") == [second, first]
        assert find("A 9-9") == []

    def test_by_seat_of_one_performance(self, find, paid, customer):
        elsewhere = PerformanceFactory()
        other = make_hold(customer, make_seats(elsewhere, 1))
        assert find("A 1-1") == [other, paid]
        assert find("A 1-1", performance__id__exact=elsewhere.pk) == [other]

    def test_by_seat_of_a_section_with_a_space(self, find, customer, performance):
        held = make_hold(customer, make_seats(performance, 1, section="1층 B", row="다"))
        assert find("1층 B 다-1") == [held]


class TestFilters:
    @pytest.fixture
    def claims(self, customer, seats, performance):
        """One of each: held, reserved, confirmed, cancelled, swept; made so that the last lapse first."""
        more = make_seats(performance, 3, row="2")
        gone = make_hold(customer, more[:1], at=NOW - timedelta(minutes=6))
        expire_holds(now=NOW)
        given_back = make_hold(customer, more[1:2])
        cancel(given_back, now=NOW)
        return {
            "expired": gone,
            "cancelled": given_back,
            "held": make_hold(customer, seats[:1]),
            "reserved": make_reservation(customer, seats[1:2]),
            "confirmed": make_paid(customer, seats[2:3]),
        }

    @pytest.mark.parametrize("status", ["held", "reserved", "confirmed", "expired", "cancelled"])
    def test_by_status(self, find, clock_at_now, claims, status):
        assert find(status=status) == [claims[status]]

    def test_status_goes_by_the_clock(self, admin_client, find, clock_at_now, claims):
        clock_at_now.now = DEADLINE
        assert find(status="held") == find(status="reserved") == []
        overdue = [claims["reserved"], claims["held"]]
        assert find(status="expired") == [*overdue, claims["expired"]]
        assert find(look="unswept") == overdue
        page = admin_client.get(url_of("changelist"), {"q": claims["held"].pk})
        assert "Expired" in page.content.decode() or "만료" in page.content.decode()

    def test_by_what_lapses_within_a_minute(self, find, clock_at_now, claims):
        assert find(look="lapsing") == []
        clock_at_now.now = DEADLINE - timedelta(seconds=60)
        assert find(look="lapsing") == [claims["reserved"]]
        clock_at_now.now = DEADLINE
        assert find(look="lapsing") == []

    def test_by_what_was_called_off_and_has_not_ended(self, find, clock_at_now, claims):
        assert find(look="called_off") == []
        Performance.objects.update(called_off_at=NOW)
        assert find(look="called_off") == [
            claims["confirmed"], claims["reserved"], claims["held"],
        ]  # fmt: skip

    def test_by_refunded_and_by_cause(self, find, clock_at_now, claims):
        assert find(status="refunded") == []
        cancel(claims["confirmed"], now=NOW, cause=Reservation.EndCause.STAFF)
        assert find(status="refunded") == [claims["confirmed"]]
        assert find(end_cause__exact="staff") == [claims["confirmed"]]
        assert find(end_cause__exact="deadline") == [claims["expired"]]

    def test_by_performance(self, find, clock_at_now, claims, customer):
        elsewhere = PerformanceFactory()
        other = make_hold(customer, make_seats(elsewhere, 1))
        assert find(performance__id__exact=elsewhere.pk) == [other]

    def test_what_nobody_offers_filters_nothing(self, find, claims):
        assert len(find(look="x", status="x")) == len(claims)


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
    def test_nothing_can_be_written(self, mighty, paid, page, has_row):
        form = {"status": "cancelled", "total": 0, "post": "yes"}
        with nothing_written():
            answer = mighty.post(url_of(page, *([paid.pk] if has_row else [])), form)
        assert answer.status_code == 403

    def test_nothing_can_be_deleted_in_bulk(self, mighty, paid):
        form = {"action": "delete_selected", "_selected_action": [paid.pk], "post": "yes"}
        with nothing_written():
            mighty.post(url_of("changelist"), form)
        assert Reservation.objects.count() == 1

    def test_customers_are_kept_out(self, client, customer, paid):
        client.force_login(customer)
        assert client.get(url_of("changelist")).status_code == 302


class TestReleasing:
    @pytest.fixture
    def claim(self, customer, seats, clock_at_now):
        return make_reservation(customer, seats[:2])

    def test_the_page_says_what_will_happen(self, admin_client, claim, customer):
        page = admin_client.get(url_of("release", claim.pk))
        told = " ".join(map(str, page.context["confirmation"].consequences))
        assert all(word in told for word in (str(claim.pk), customer.email, "A 1-1, A 1-2"))

    def test_the_claim_ends_and_is_recorded(self, admin_client, admin_user, claim, seats):
        answer = admin_client.post(url_of("release", claim.pk), {"reason": "전화 요청"})
        assert answer["Location"] == url_of("change", claim.pk)
        ended = Reservation.objects.get(pk=claim.pk)
        assert (ended.status, ended.end_cause, ended.ended_at) == ("cancelled", "staff", NOW)
        record = StaffAction.objects.get()
        assert (record.actor_id, record.reason) == (admin_user.pk, "전화 요청")
        assert not Seat.objects.filter(blocked=True).exists()
        page = admin_client.get(url_of("change", claim.pk)).content.decode()
        assert "전화 요청" in page
        assert url_of("release", claim.pk) not in page

    def test_seats_can_be_taken_off_sale(self, admin_client, claim, seats):
        form = {"reason": "의자 파손", "withdraw": "on"}
        admin_client.post(url_of("release", claim.pk), form)
        blocked = Seat.objects.filter(blocked=True)
        assert {seat.pk for seat in blocked} == {seats[0].pk, seats[1].pk}
        assert {seat.blocked_reason for seat in blocked} == {"의자 파손"}

    def test_a_second_click_changes_nothing(self, admin_client, claim):
        admin_client.post(url_of("release", claim.pk), {"reason": "x"})
        with nothing_written():
            answer = admin_client.post(url_of("release", claim.pk), {"reason": "x"}, follow=True)
        assert [m.level_tag for m in answer.context["messages"]][-1] == "error"
        assert StaffAction.objects.count() == 1

    def test_without_a_reason_nothing_happens(self, admin_client, claim):
        with nothing_written():
            answer = admin_client.post(url_of("release", claim.pk), {"reason": " "})
        assert list(answer.context["form"].errors) == ["reason"]

    def test_what_is_paid_or_over_is_not_offered(self, admin_client, claim, clock_at_now, customer):
        clock_at_now.now = DEADLINE
        page = admin_client.get(url_of("change", claim.pk)).content.decode()
        assert url_of("release", claim.pk) not in page
        with nothing_written():
            admin_client.post(url_of("release", claim.pk), {"reason": "x"})

    def test_it_takes_the_permissions(self, client, clerk, claim):
        for codenames in (["view_reservation"], ["release_reservation"]):
            client.force_login(clerk(*codenames))
            with nothing_written():
                answer = client.post(url_of("release", claim.pk), {"reason": "x"})
            assert answer.status_code == 403
        client.force_login(clerk("view_reservation", "release_reservation"))
        page = client.get(url_of("change", claim.pk)).content.decode()
        assert url_of("release", claim.pk) in page
        assert "/refund/" not in page
        assert client.post(url_of("release", claim.pk), {"reason": "x"}).status_code == 302
        assert Reservation.objects.get(pk=claim.pk).status == "cancelled"

    def test_nothing_is_released_that_is_not_there(self, admin_client):
        assert admin_client.get(url_of("release", 0)).status_code == 404

    def test_a_blocked_seat_stays_with_its_own_reason(self, admin_client, claim, seats):
        block(seats[0])
        admin_client.post(url_of("release", claim.pk), {"reason": "x"})
        assert Seat.objects.get(pk=seats[0].pk).blocked_reason == "카메라 자리"
