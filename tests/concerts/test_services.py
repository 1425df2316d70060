"""Stopping a sale, and letting it go on."""

from datetime import timedelta

import pytest

from apps.concerts.errors import ConcertNotFound, SaleNotStopped
from apps.concerts.models import Concert
from apps.concerts.services import resume_sale, stop_sales
from apps.core.audit import Actor
from apps.core.errors import InvalidRequest
from apps.core.models import StaffAction
from tests.core.contents import read_contents
from tests.factories import NOW, ConcertFactory

pytestmark = pytest.mark.django_db

OPERATOR = Actor(name="terminal: op")
LATER = NOW + timedelta(minutes=1)


def stop(*concerts, reason="invariant 1 is broken: seat:17", now=NOW):
    return stop_sales(reasons={concert.pk: reason for concert in concerts}, now=now)


def resume(concert_id, *, reason="the seat was refunded"):
    return resume_sale(concert_id=concert_id, actor=OPERATOR, reason=reason, now=LATER)


def read_stops():
    rows = Concert.objects.order_by("pk")
    return list(rows.values_list("sale_stopped_at", "sale_stopped_reason"))


def test_a_sale_is_stopped_once():
    first, second = ConcertFactory(), ConcertFactory()
    assert stop(first) == [first]
    assert stop(first, second, reason="other", now=LATER) == [second]
    assert read_stops() == [(NOW, "invariant 1 is broken: seat:17"), (LATER, "other")]


def test_a_long_reason_is_cut():
    stop(ConcertFactory(), reason="x" * 300)
    assert read_stops() == [(NOW, "x" * 200)]


def test_it_goes_on_and_that_is_recorded():
    concert = ConcertFactory()
    stop(concert)
    resume(concert.pk)
    assert read_stops() == [(None, "")]
    (action,) = StaffAction.objects.all()
    assert (action.action, action.subject) == ("resume_sale", f"concert:{concert.pk}")
    assert (action.at, action.actor_name, action.reason) == (
        LATER,
        "terminal: op",
        "the seat was refunded",
    )
    assert action.before["sale_stopped_reason"] == "invariant 1 is broken: seat:17"
    assert action.after["sale_stopped_at"] is None


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_without_a_good_reason_nothing_happens(reason):
    concert = ConcertFactory()
    stop(concert)
    before = read_contents()
    with pytest.raises(InvalidRequest):
        resume(concert.pk, reason=reason)
    assert read_contents() == before


def test_what_is_not_stopped_or_not_there():
    concert = ConcertFactory()
    before = read_contents()
    with pytest.raises(SaleNotStopped):
        resume(concert.pk)
    with pytest.raises(ConcertNotFound):
        resume(concert.pk + 1)
    assert read_contents() == before
