"""Concerts and seats in the admin."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from apps.concerts.models import Concert, Performance, Seat, Venue
from tests.factories import VenueFactory

pytestmark = pytest.mark.django_db

SEOUL = ZoneInfo("Asia/Seoul")


def url_of(model, page, *args):
    return reverse(f"admin:concerts_{model.__name__.lower()}_{page}", args=args)


@pytest.mark.parametrize("model", [Venue, Concert, Performance, Seat])
def test_pages_load(admin_client, seats, model):
    assert admin_client.get(url_of(model, "changelist")).status_code == 200
    assert admin_client.get(url_of(model, "changelist"), {"q": "첫눈"}).status_code == 200
    # Seats are made from plans alone.
    added = admin_client.get(url_of(model, "add")).status_code
    assert added == (403 if model is Seat else 200)
    row = model.objects.first()
    assert admin_client.get(url_of(model, "change", row.pk)).status_code == 200


def block(admin_client, seat, page, reason):
    answer = admin_client.post(f"/admin/concerts/seat/{seat.pk}/{page}/", {"reason": reason})
    seat.refresh_from_db()
    return answer


def test_a_seat_is_blocked_with_a_reason_and_unblocked(admin_client, seats):
    assert block(admin_client, seats[0], "block", "카메라 자리").status_code == 302
    assert (seats[0].blocked, seats[0].blocked_reason) == (True, "카메라 자리")
    assert block(admin_client, seats[0], "unblock", "철수").status_code == 302
    assert (seats[0].blocked, seats[0].blocked_reason) == (False, "")


def test_a_seat_is_not_blocked_without_a_reason(admin_client, seats):
    assert block(admin_client, seats[0], "block", "").status_code == 200
    assert not seats[0].blocked


def test_a_seat_is_not_edited_by_hand(admin_client, seats):
    before = Seat.objects.filter(pk=seats[0].pk).values().get()
    answer = admin_client.post(url_of(Seat, "change", seats[0].pk), {"price": 1, "blocked": "on"})
    assert answer.status_code == 403
    assert Seat.objects.filter(pk=seats[0].pk).values().get() == before


def test_a_seat_is_never_deleted(admin_client, performance, seats):
    assert (
        admin_client.post(url_of(Seat, "delete", seats[0].pk), {"post": "yes"}).status_code == 403
    )
    # Nor with its performance.
    admin_client.post(url_of(Performance, "delete", performance.pk), {"post": "yes"})
    assert Seat.objects.count() == 4


def test_a_moved_performance_gets_the_date_of_its_venue(admin_client, performance):
    form = {"concert": performance.concert_id, "starts_at_0": "2026-12-24", "starts_at_1": "23:30"}
    answer = admin_client.post(url_of(Performance, "change", performance.pk), form)
    assert answer.status_code == 302
    performance.refresh_from_db()
    # The admin shows the times of Seoul.
    assert (performance.date, performance.starts_at.hour) == (date(2026, 12, 24), 14)


def test_a_venue_that_moves_to_another_time_zone_takes_its_dates_along(admin_client, performance):
    venue = performance.concert.venue
    admin_client.post(
        url_of(Venue, "change", venue.pk),
        {"name": venue.name, "time_zone": "America/Los_Angeles"},
    )
    venue.refresh_from_db()
    performance.refresh_from_db()
    expected = {"Asia/Seoul": date(2026, 12, 11), "America/Los_Angeles": date(2026, 12, 10)}
    assert performance.date == expected[venue.time_zone]


def test_a_concert_that_moves_to_another_venue_takes_its_dates_along(admin_client, performance):
    concert = performance.concert
    form = admin_client.get(url_of(Concert, "change", concert.pk)).context["adminform"].form
    fields = {name: form[name].value() for name in form.fields}
    for name in ("sales_open_at", "sales_close_at"):
        day, time = fields.pop(name).astimezone(SEOUL).isoformat().split("T")
        fields |= {f"{name}_0": day, f"{name}_1": time[:8]}
    elsewhere = VenueFactory(time_zone="America/Los_Angeles")
    shows = {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0}
    fields |= {
        f"{inline}-{name}": count
        for inline in ("prices", "performances")
        for name, count in shows.items()
    }
    answer = admin_client.post(
        url_of(Concert, "change", concert.pk), {**fields, "venue": elsewhere.pk}
    )
    assert answer.status_code == 302, answer.context["errors"]
    performance.refresh_from_db()
    assert performance.date == date(2026, 12, 10)


def test_customers_are_kept_out(client, customer):
    client.force_login(customer)
    assert client.get(url_of(Seat, "changelist")).status_code == 302
