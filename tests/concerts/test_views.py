"""`/concerts`: what anybody may see."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from apps.concerts.models import Concert
from tests.factories import ConcertFactory, PerformanceFactory, make_seats

pytestmark = pytest.mark.django_db

CONCERTS = "/api/v1/concerts"


@pytest.fixture
def anybody():
    return APIClient()


def test_a_concert_has_the_fields_of_the_contract(anybody, performance):
    concert = performance.concert
    PerformanceFactory(concert=concert, starts_at=performance.starts_at + timedelta(days=2))
    make_seats(performance, 2, price=10_000)
    make_seats(performance, 2, price=154_000, row="2")
    answer = anybody.get(f"{CONCERTS}/{concert.pk}")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": concert.pk,
        "title": "첫눈 콘서트",
        "artist": "첫눈",
        "venue": concert.venue.name,
        "description": "",
        "sales_open_at": "2026-10-31T01:00:00Z",
        "sales_close_at": "2026-12-01T01:00:00Z",
        "first_date": "2026-12-11",
        "last_date": "2026-12-13",
        "price_min": 10_000,
        "price_max": 154_000,
        "currency": "KRW",
        "room": "main",
    }
    assert anybody.get(CONCERTS).json()["results"] == [answer.json()]


def test_a_concert_without_performances_and_seats_has_no_dates_and_prices(anybody, room):
    concert = anybody.get(f"{CONCERTS}/{ConcertFactory().pk}").json()
    derived = ("first_date", "last_date", "price_min", "price_max")
    assert [concert[name] for name in derived] == [None] * 4


def test_what_is_not_published_is_hidden(anybody, room):
    hidden, shown = ConcertFactory(published=False), ConcertFactory()
    assert [row["id"] for row in anybody.get(CONCERTS).json()["results"]] == [shown.pk]
    answer = anybody.get(f"{CONCERTS}/{hidden.pk}")
    assert (answer.status_code, answer.json()["code"]) == (404, "concert_not_found")


@pytest.mark.parametrize("concert_id", [0, 999_999_999, 2**63, 10**30])
def test_an_unknown_concert_is_not_found(anybody, concert_id):
    answer = anybody.get(f"{CONCERTS}/{concert_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "concert_not_found")


def test_no_concerts_are_an_empty_list(anybody, db):
    assert anybody.get(CONCERTS).json() == {"results": [], "next": None, "previous": None}


def test_pages_lead_from_the_newest_to_the_oldest_and_back(anybody, room):
    newest_first = [concert.pk for concert in ConcertFactory.create_batch(5)][::-1]
    pages, url = [], f"{CONCERTS}?limit=2"
    while url:
        page = anybody.get(url).json()
        pages.append([row["id"] for row in page["results"]])
        last, url = page, page["next"]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    before = anybody.get(last["previous"]).json()["results"]
    assert [row["id"] for row in before] == newest_first[2:4]


def test_a_page_stays_where_it_is_while_concerts_are_added(anybody, room):
    older = [concert.pk for concert in ConcertFactory.create_batch(3)][::-1]
    second = anybody.get(f"{CONCERTS}?limit=2").json()["next"]
    ConcertFactory.create_batch(2)
    assert [row["id"] for row in anybody.get(second).json()["results"]] == older[2:]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=two", "limit"),
        ("limit=", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=cD1hYmM%3D", "cursor"),
    ],
)
def test_a_wrong_page_is_refused(anybody, db, query, field):
    answer = anybody.get(f"{CONCERTS}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("path", [CONCERTS, CONCERTS + "/{id}"])
def test_who_has_the_answer_gets_304_until_it_changes(anybody, performance, path):
    url = path.format(id=performance.concert_id)
    first = anybody.get(url)
    assert first["Cache-Control"] == "public, max-age=5"
    again = anybody.get(url, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    Concert.objects.filter(pk=performance.concert_id).update(title="앙코르")
    changed = anybody.get(url, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (changed.status_code, changed["ETag"] != first["ETag"]) == (200, True)


def test_a_wrong_sign_in_does_not_matter_to_who_only_looks(room):
    stranger = APIClient()
    stranger.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    assert stranger.get(CONCERTS).status_code == 200


def test_a_page_costs_the_same_number_of_queries_however_long(
    anybody, room, django_assert_num_queries
):
    for _concert in range(3):
        make_seats(PerformanceFactory(), 2)
    with django_assert_num_queries(1):
        assert len(anybody.get(CONCERTS).json()["results"]) == 3
