"""Whatever is sent, wherever: a 4xx with a code, never a 5xx, and nothing written."""

import json
from base64 import b64encode

import pytest
from django.db.models import F

from apps.concerts.models import Seat
from apps.queue.models import QueueEntry
from apps.queue.services import admit_queue
from apps.reservations.models import Reservation
from tests.core.contents import read_contents
from tests.factories import NOW

pytestmark = pytest.mark.django_db

HUGE = 10**30
WRONG_IDS = [2**63, -1, 0, HUGE, "1", "", True, 1.5, None, [], {}, [1]]
WRONG_TEXTS = [7, True, None, [], {}, "", "a\0b", "\ud800", "x" * 5_000]

# Every POST endpoint: its path and a good body. `{…}` are filled in from `world`.
POSTS = {
    "sign in": ("auth/login", {"email": "a@encore.example", "password": "p"}),
    "refresh": ("auth/refresh", {"refresh": "r"}),
    "join": ("queue/tokens", {"concert_id": "{concert}"}),
    "hold": ("concerts/{concert}/dates/{date}/holds", {"seat_ids": ["{seat}"]}),
    "reserve": ("reservations", {"hold_id": "{hold}"}),
    "cancel": ("reservations/{reservation}/cancel", {}),
    "pay": ("payments", {"reservation_id": "{reservation}"}),
    "charge": ("wallet/charges", {"amount": 1_000}),
}
GETS = (
    "concerts",
    "concerts/{concert}",
    "concerts/{concert}/dates",
    "concerts/{concert}/dates/{date}/seats",
    "holds",
    "holds/{hold}",
    "reservations",
    "reservations/{reservation}",
    "payments",
    "wallet",
    "wallet/entries",
    "queue/tokens/current",
    "queue/rooms/main",
    "queue/receipt-keys",
)
LISTS = ("concerts", "holds", "reservations", "payments", "wallet/entries")
# Every path with an id, by method.
IDS = [
    ("get", "concerts/{id}"),
    ("get", "concerts/{id}/dates"),
    ("get", "concerts/{id}/dates/{date}/seats"),
    ("post", "concerts/{id}/dates/{date}/holds"),
    ("get", "holds/{id}"),
    ("delete", "holds/{id}"),
    ("get", "reservations/{id}"),
    ("post", "reservations/{id}/cancel"),
    ("get", "payments/{id}"),
]
HEADERS = ("X-Queue-Token", "Idempotency-Key", "Accept-Language", "If-None-Match", "Accept")

ODD_HEADERS = ("a\0b", "\udcff", "하늘", "a\r\nX-Evil: 1", "x" * 100_000, "", '"', "*")

BROKEN_BODIES = {
    "broken JSON": b'{"amount": ',
    "two objects": b"{}{}",
    "a JSON array": b"[]",
    "a JSON text": b'"text"',
    "a JSON number": b"1",
    "a JSON null": b"null",
    "not a number": b'{"amount": NaN}',
    "a number beyond all": b'{"amount": 1e999}',
    "invalid UTF-8": b'{"amount": "\xff\xfe"}',
    "a lone surrogate": b'{"email": "\\ud800"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "deep nesting": b"[" * 100_000,
    "deep nesting inside": b'{"a":' * 100_000,
    "a NUL byte": b"\0",
}
OTHER_TYPES = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/xml",
    "/;=\0",
)


@pytest.fixture
def world(buyer, performance, seats, customer):
    """A hold and a reservation of the buyer's, and the names that the paths use."""
    performance.refresh_from_db()
    url = f"/api/v1/concerts/{performance.concert_id}/dates/{performance.date}/holds"
    hold, reservation = (
        buyer.post(url, {"seat_ids": [seat.pk]}).json()["id"] for seat in seats[:2]
    )
    buyer.post("/api/v1/reservations", {"hold_id": reservation})
    admit_queue(now=NOW)  # and nothing is due that the next look at the room would write
    return {
        "concert": performance.concert_id,
        "date": performance.date,
        "seat": seats[2].pk,
        "hold": hold,
        "reservation": reservation,
    }


def fill_in(value, world):
    """Return `value` with its `{names}` filled in; a text that is one name alone becomes the id."""
    if isinstance(value, dict):
        return {name: fill_in(inner, world) for name, inner in value.items()}
    if isinstance(value, list):
        return [fill_in(inner, world) for inner in value]
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return world[value[1:-1]]
    return value


def make_request(name, world):
    path, body = POSTS[name]
    return f"/api/v1/{path.format(**world)}", fill_in(body, world)


def send(client, url, body, kind="application/json", **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return client.generic("POST", url, body, kind, headers=headers)


class Unchanged:
    """See that nothing is written inside the block."""

    def __enter__(self):
        self.before = read_contents()

    def __exit__(self, *error):
        if error[0] is None:
            assert read_contents() == self.before


def assert_refused(answer, statuses=range(400, 500)):
    asked = answer.wsgi_request.get_full_path()[:200]
    assert answer.status_code in statuses, (asked, answer.content[:200])
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"]


@pytest.mark.parametrize("name", POSTS)
class TestBodies:
    def test_broken(self, buyer, world, name):
        url, _body = make_request(name, world)
        with Unchanged():
            for kind, body in BROKEN_BODIES.items():
                answer = send(buyer, url, body)
                assert answer.status_code == 400, kind
                assert_refused(answer)

    def test_of_another_type(self, buyer, world, name):
        url, body = make_request(name, world)
        with Unchanged():
            for kind in OTHER_TYPES:
                assert_refused(send(buyer, url, body, kind), [415])

    def test_of_ten_megabytes(self, buyer, world, name):
        url, body = make_request(name, world)
        with Unchanged():
            assert_refused(send(buyer, url, {**body, "a": "a" * 10_000_000}), [413])

    def test_with_a_key_they_are_refused_alike(self, buyer, world, name):
        url, _body = make_request(name, world)
        with Unchanged():
            assert_refused(send(buyer, url, b"[]", **{"Idempotency-Key": "k"}), [400])


def test_the_good_requests_beside_the_bad_ones_are_good(buyer, world):
    buyer.post("/api/v1/wallet/charges", {"amount": 1_000_000})
    for name in ("charge", "hold", "reserve", "pay"):
        url, body = make_request(name, world)
        assert send(buyer, url, body).status_code == 201, name


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, (_path, body) in POSTS.items() for field in body]
)
def test_every_field_takes_its_own_type_alone(buyer, world, name, field):
    url, body = make_request(name, world)
    wrong_values = WRONG_TEXTS if isinstance(body[field], str) else WRONG_IDS
    if isinstance(body[field], list):
        wrong_values = [wrong for wrong in WRONG_IDS if wrong != [1]]
    with Unchanged():
        for wrong in wrong_values:
            answer = send(buyer, url, {**body, field: wrong})
            assert_refused(answer, [400])
            if wrong != "\ud800":  # that is no JSON at all
                fields = {error["field"] for error in answer.json()["errors"]}
                assert {name.partition("[")[0] for name in fields} == {field}, wrong


@pytest.mark.parametrize("wrong", WRONG_IDS, ids=repr)
def test_every_seat_id_is_an_id(buyer, world, wrong):
    url, body = make_request("hold", world)
    with Unchanged():
        assert_refused(send(buyer, url, {"seat_ids": [*body["seat_ids"], wrong]}), [400])


def test_seats_are_named_once_and_not_too_many(buyer, world):
    url, body = make_request("hold", world)
    with Unchanged():
        assert_refused(send(buyer, url, {"seat_ids": body["seat_ids"] * 2}), [400])
        assert_refused(send(buyer, url, {"seat_ids": list(range(1, 102))}), [400])


@pytest.mark.parametrize("unknown", [1, 2**63 - 1])
@pytest.mark.parametrize("name", ["join", "reserve", "pay"])
def test_ids_of_nothing_are_not_found(buyer, world, name, unknown):
    url, body = make_request(name, world)
    unknown = 10**9 if unknown == 1 else unknown
    with Unchanged():
        assert_refused(send(buyer, url, dict.fromkeys(body, unknown)), [404])


@pytest.mark.parametrize(("method", "path"), IDS)
def test_ids_in_paths(buyer, world, method, path):
    body = {"seat_ids": [world["seat"]]} if path.endswith("holds") else {}
    with Unchanged():
        for wrong in (0, 10**9, 2**63 - 1, 2**63, HUGE, "9" * 5_000, "-1", "1.5", "x", "%00"):
            url = f"/api/v1/{path.format(**{**world, 'id': wrong})}"
            answer = getattr(buyer, method)(url, body if method == "post" else None)
            assert_refused(answer, [404])


@pytest.mark.parametrize(
    "date",
    ["2026-02-30", "2026-13-01", "0000-00-00", "20261211", "2026-12-1", "2026-12-011", "2026-W50-5",
     "2026-345", "26-12-11", "٢٠٢٦-١٢-١١", "2026-12-11T00:00:00Z", "today", "%00", "-", "9" * 5_000],
)  # fmt: skip
def test_bad_dates(buyer, world, date):
    url = f"/api/v1/concerts/{world['concert']}/dates/{date}"
    with Unchanged():
        assert_refused(buyer.get(f"{url}/seats"), [400])
        assert_refused(buyer.post(f"{url}/holds", {"seat_ids": [world["seat"]]}), [400])


def cursor(text):
    return b64encode(text.encode()).decode()


def shorten(query):
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return text if len(text) < 40 else f"{text[:40]}({len(text)})"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": limit}
        for limit in ("0", "-1", "201", "abc", "", "1.5", " 1", "１", HUGE, "9" * 5_000)
    ]
    # Nine digits that say 1, and more behind them.
    + [{"limit": "000000001" + "0" * zeros} for zeros in (10, 30, 5_000)]
    + [
        {"cursor": text}
        for text in (
            "garbage",
            "하늘",
            cursor("p=abc"),
            cursor("p="),
            cursor("p=-1"),
            cursor("p=1.5"),
            cursor(f"p={HUGE}"),
            cursor("p=" + "0" * 19 + "1" * 5_000),
            cursor("p=%00"),
            cursor("o=abc"),
            cursor("r=abc"),
        )
    ],
    ids=shorten,
)
def test_bad_pages(buyer, world, query):
    with Unchanged():
        for path in LISTS:
            assert_refused(buyer.get(f"/api/v1/{path}", query), [400])


@pytest.mark.parametrize(
    "text", ["", "\0", cursor("\0"), cursor("o=-1"), cursor(f"o={HUGE}"), cursor(f"r={HUGE}")]
)
def test_odd_cursors_are_no_fault_of_ours(buyer, world, text):
    assert buyer.get("/api/v1/holds", {"cursor": text}).status_code in (200, 400)


@pytest.mark.parametrize(
    "status", ["x", "", "held", "CONFIRMED", "\0", "하늘", "pending_payment,confirmed"]
)
def test_bad_status(buyer, world, status):
    with Unchanged():
        assert_refused(buyer.get("/api/v1/reservations", {"status": status}), [400])


@pytest.mark.parametrize(
    ("query", "statuses"),
    [({"performance": wrong}, [400]) for wrong in ("x", "", "-1", "1.5", "１", "\0")]
    + [({"performance": wrong}, [409]) for wrong in ("0", HUGE, "9" * 5_000)]
    + [({"include": wrong}, [400]) for wrong in ("x", "", "ALL", "\0")]
    + [
        ({"since": wrong}, [400])
        for wrong in (
            "",
            "garbage",
            "1:1:",
            "1:1:~",
            "~1",
            "1:1:,~1",
            "1:1:1,~1",
            "-1:1:~1",
            f"1:{2**63}:~1",
            f"1:{HUGE}:~1",
            f"1:1:{HUGE}~1",
            f"1:1:~{HUGE}",
            "1:1:~1.5",
            "1:1:~1\0",
            "1:1:~1\n",
            "9" * 5_000,
        )
    ],
    ids=lambda value: shorten(value) if isinstance(value, dict) else "",
)
def test_bad_questions_about_seats(buyer, world, query, statuses):
    url = f"/api/v1/concerts/{world['concert']}/dates/{world['date']}/seats"
    with Unchanged():
        assert_refused(buyer.get(url, query), statuses)


@pytest.mark.parametrize(
    "since",
    [
        "0:0:~0",
        f"0:0:~{'9' * 17}",
        f"{2**63 - 1}:{2**63 - 1}:~1",
        f"0:0:{2**63 - 1},{'9' * 19}~0",
        "0:0:" + ",".join(["1"] * 5_000) + "~0",
    ],
    ids=["zeros", "the last year", "the last transaction", "later ones", "many running"],
)
def test_absurd_versions_are_answered(buyer, world, since):
    url = f"/api/v1/concerts/{world['concert']}/dates/{world['date']}/seats"
    with Unchanged():
        assert buyer.get(url, {"since": since}).status_code == 200


@pytest.mark.parametrize("header", HEADERS)
def test_odd_headers(buyer, world, header):
    with Unchanged():
        for path in GETS:
            for value in ODD_HEADERS:
                answer = buyer.get(f"/api/v1/{path.format(**world)}", headers={header: value})
                assert answer.status_code < 500, (path, value[:20], answer.content)
                assert "X-Evil" not in answer
    for value in ODD_HEADERS:
        answer = buyer.post("/api/v1/wallet/charges", {"amount": 1}, headers={header: value})
        assert answer.status_code < 500, (value[:20], answer.content)


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PATCH", "TRACE", "BREW"])
def test_other_methods(buyer, world, method):
    with Unchanged():
        for path in {*GETS, *(path for path, _body in POSTS.values())}:
            answer = buyer.generic(method, f"/api/v1/{path.format(**world)}")
            assert answer.status_code < 500, (path, answer.content)
            if method in ("PATCH", "TRACE", "BREW"):
                assert_refused(answer, [405])


def test_the_world_is_as_the_tests_take_it_to_be(buyer, world):
    assert Reservation.objects.filter(status="held").count() == 1
    assert Reservation.objects.filter(status="reserved").count() == 1
    assert Seat.objects.count() == 4
    with pytest.raises(AssertionError), Unchanged():
        QueueEntry.objects.update(number=F("number") + 1)
