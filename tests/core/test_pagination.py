"""Cursor pages: newest first, links that work both ways, stable while rows are added."""

from urllib.parse import urlsplit

import pytest

from apps.wallet import services
from tests.factories import NOW, ConcertFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now")]

ENTRIES = "/api/v1/wallet/entries"


@pytest.fixture
def owner(sign_in, customer):
    return sign_in(customer)


def charge(customer, *amounts):
    for amount in amounts:
        services.charge_wallet(customer_id=customer.pk, amount=amount, now=NOW)


def read(client, url):
    page = client.get(url).json()
    assert set(page) == {"results", "next", "previous"}
    return [entry["amount"] for entry in page["results"]], page["next"], page["previous"]


def test_an_empty_list_is_one_empty_page(owner):
    assert read(owner, ENTRIES) == ([], None, None)


def test_links_lead_there_and_back(owner, customer):
    charge(customer, 1, 2, 3, 4, 5)
    first, onward, none = read(owner, f"{ENTRIES}?limit=2")
    second, last, back = read(owner, onward)
    assert (first, second, none) == ([5, 4], [3, 2], None)
    assert read(owner, last)[:2] == ([1], None)
    assert read(owner, read(owner, last)[2])[0] == second
    assert read(owner, back)[0] == first
    assert read(owner, back)[2] is None


def test_links_are_whole_addresses_that_keep_the_question(owner, customer):
    charge(customer, 1, 2)
    _results, onward, _back = read(owner, f"{ENTRIES}?limit=1&a=b")
    link = urlsplit(onward)
    assert (link.scheme, link.netloc, link.path) == ("http", "testserver", ENTRIES)
    assert {"limit=1", "a=b"} < set(link.query.split("&"))


def test_a_page_stays_the_same_while_rows_are_added(owner, customer):
    charge(customer, 1, 2, 3, 4)
    onward = read(owner, f"{ENTRIES}?limit=2")[1]
    charge(customer, 5, 6)
    assert read(owner, onward)[0] == [2, 1]


@pytest.mark.parametrize(("limit", "count"), [("1", 1), ("50", 50), ("200", 200), (None, 50)])
def test_limits(client, limit, count):
    ConcertFactory.create_batch(201)
    query = {} if limit is None else {"limit": limit}
    page = client.get("/api/v1/concerts", query).json()
    ids = [concert["id"] for concert in page["results"]]
    assert len(ids) == count
    assert ids == sorted(ids, reverse=True)


def test_pages_of_any_length_cost_the_same_queries(client, django_assert_num_queries):
    ConcertFactory.create_batch(30)
    for limit in (2, 30):
        with django_assert_num_queries(1):
            client.get("/api/v1/concerts", {"limit": limit})
