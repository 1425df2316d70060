"""What a concert file may say, and where it says wrong."""

import json
from copy import deepcopy
from math import dist

import pytest

from apps.concerts import limits
from apps.concerts.concert_file import (
    ConcertFileError,
    RoomReference,
    parse_concert_file,
    read_concert_file,
)
from apps.concerts.layout import plan_seats

CONCERT = {
    "slug": "first-snow",
    "title": "첫눈",
    "artist": "서하린",
    "description": "",
    "venue": {"name": "한빛홀", "time_zone": "Asia/Seoul"},
    "sales_open_at": "2026-11-01T10:00:00+09:00",
    "sales_close_at": "2026-12-24T18:00:00+09:00",
    "seats_per_customer": 4,
    "cancel_until_hours": 24,
    "published": True,
    "performances": [
        {
            "starts_at": "2026-12-24T19:00:00+09:00",
            "sections": [
                {
                    "name": "A",
                    "grade": "VIP",
                    "price": 154_000,
                    "rows": 2,
                    "seats_per_row": 3,
                    "blocked": ["1-1"],
                },
                {
                    "name": "B",
                    "grade": "R",
                    "price": 0,
                    "seats": [
                        {"row": "가", "number": "1", "x": 0, "y": 1.5},
                        {"row": "가", "number": "2", "x": 1, "y": 1.5},
                        {"row": "가", "number": "3", "x": 4, "y": 1.5},
                        {"row": "나", "number": "1", "x": 0, "y": 3},
                    ],
                },
            ],
        }
    ],
}
SECTION = "concerts[0].performances[0].sections[0]"
GONE = object()


def parse(document):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_concert_file(content, room=RoomReference)


def problems_of(document):
    with pytest.raises(ConcertFileError) as caught:
        parse(document)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


def changed(*path, to):
    """Return the file with one concert and the value at `path` of the concert changed."""
    concert = deepcopy(CONCERT)
    *parents, last = path
    owner = concert
    for part in parents:
        owner = owner[part]
    if to is GONE:
        del owner[last]
    else:
        owner[last] = to
    return {"concerts": [concert]}


def in_section(name, to, index=0):
    return changed("performances", 0, "sections", index, name, to=to)


def test_a_good_file():
    (concert,) = parse({"concerts": [CONCERT]}).concerts
    assert concert.slug == "first-snow"
    assert concert.sales_open_at.isoformat() == "2026-11-01T01:00:00+00:00"
    assert concert.room is None
    assert concert.performances[0].sections[0].rows == 2


def test_what_may_be_left_out():
    concert = deepcopy(CONCERT)
    for name in ("description", "seats_per_customer", "cancel_until_hours", "published"):
        del concert[name]
    del concert["venue"]["time_zone"]
    (parsed,) = parse({"concerts": [concert]}).concerts
    assert parsed.published is None
    assert parsed.venue.time_zone is None


def test_a_byte_order_mark_is_no_trouble():
    assert parse(b"\xef\xbb\xbf" + json.dumps({"concerts": [CONCERT]}).encode())


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("slug",), GONE, "is missing"),
        (("slug",), "iu 2026", "should have only letters a to z, digits, “-” and “_”, is the text “iu 2026”"),
        (("slug",), "iu\n", "should have only letters a to z, digits, “-” and “_”, is the text “iu\n”"),
        (("slug",), "a" * 101, f"should have at most 100 characters, is the text “{'a' * 60}…”"),
        (("title",), 5, "should be a text, is 5"),
        (("title",), " ", "should not be blank, is the text “ ”"),
        (("title",), "가 ", "should not begin or end with a space, is the text “가 ”"),
        (("title",), "가\n나", "should be one line without control characters, is the text “가\n나”"),
        (("title",), "a\0", "should have no NUL character, is the text “a\\0”"),
        (("description",), "a\0", "should have no NUL character, is the text “a\\0”"),
        (("title",), "\ud800", "should be a text of whole characters, has half of a surrogate pair"),
        (("published",), 1, "should be true or false, is 1"),
        (("seats_per_customer",), True, "should be a whole number, is true"),
        (("seats_per_customer",), 0, "should be 1 or more, is 0"),
        (("seats_per_customer",), 101, "should be 100 or less, is 101"),
        (("cancel_until_hours",), -1, "should be 0 or more, is -1"),
        (("venue",), "한빛홀", "should be an object, is the text “한빛홀”"),
        (("venue", "time_zone"), "Seoul", "should be a time zone such as Asia/Seoul, is the text “Seoul”"),
        (("room",), [], "should be an object, is a list of 0"),
        (("room",), {}, None),
        (("performances",), {}, "should be a list, is an object"),
        (("performances",), [], "should have 1 or more entries, is a list of 0"),
        (("sales_open_at",), None, "should be a time with its offset from UTC, such as 2026-11-01T10:00:00+09:00, is null"),
        (("sales_open_at",), "2026-11-01T10:00:00", "should be a time with its offset from UTC, such as 2026-11-01T10:00:00+09:00, is the text “2026-11-01T10:00:00”"),
        (("sales_open_at",), "1700000000", "should be a time with its offset from UTC, such as 2026-11-01T10:00:00+09:00, is the text “1700000000”"),
        (("sales_open_at",), "2026-02-30T10:00:00Z", "should be a time that exists, is the text “2026-02-30T10:00:00Z”"),
        (("sales_open_at",), "0001-01-01T00:00:00+09:00", "should be a time that exists, is the text “0001-01-01T00:00:00+09:00”"),
        (("sales_open_at",), "1999-01-01T00:00:00Z", "should be in the years 2000 to 2199, is the text “1999-01-01T00:00:00Z”"),
        (("sales_close_at",), CONCERT["sales_open_at"], "should be after sales_open_at"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_concert(path, value, problem):
    (found,) = problems_of(changed(*path, to=value))
    place = "concerts[0]." + ".".join(path)
    assert found == (f"{place}: {problem}" if problem else f"{place}.slug: is missing")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("price", "154000", ".price: should be a whole number, is the text “154000”"),
        ("price", 154000.5, ".price: should be a whole number, is 154000.5"),
        ("price", -1, ".price: should be 0 or more, is -1"),
        ("price", limits.PRICE_MAX + 1, ".price: should be 1,000,000,000 or less, is 1000000001"),
        ("name", "", ".name: should not be blank, is the text “”"),
        ("grade", "g" * 51, f".grade: should have at most 50 characters, is the text “{'g' * 51}”"),
        ("rows", 0, ".rows: should be 1 or more, is 0"),
        ("rows", GONE, ".rows: is missing"),
        ("seats_per_row", GONE, ".seats_per_row: is missing"),
        ("seats_per_row", 1001, ".seats_per_row: should be 1,000 or less, is 1001"),
        ("blocked", ["3-1"], ".blocked[0]: should name a seat of this section as row-number, is the text “3-1”"),
        ("blocked", ["1-1", "1-1"], ".blocked[1]: is the same as concerts[0].performances[0].sections[0].blocked[0]"),
        ("blocked", [1], ".blocked[0]: should be a text, is 1"),
        ("blocked", "1-1", ".blocked: should be a list, is the text “1-1”"),
        ("prise", 1, ".prise: is no field of the concert file; did you mean “price”?"),
        ("방", 1, ".방: is no field of the concert file; there are name, grade, price, rows, seats_per_row, seats, blocked"),
        ("a b", 1, '."a b": is no field of the concert file; there are name, grade, price, rows, seats_per_row, seats, blocked'),
        ("seats", [{"row": "1", "number": "1", "x": 0, "y": 0}, {"row": "1", "number": "2", "x": 1, "y": 0}], ".seats: should not stand beside rows: give rows and seats_per_row, or seats"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_section(name, value, problem):
    document = in_section(name, value)
    if name == "seats":
        document["concerts"][0]["performances"][0]["sections"][0]["blocked"] = []
    assert problems_of(document) == [SECTION + problem]


def test_a_section_needs_a_shape():
    document = in_section("seats", GONE, index=1)
    place = SECTION.replace("sections[0]", "sections[1]")
    assert problems_of(document) == [f"{place}: needs rows and seats_per_row, or seats"]


def test_wrong_seats_with_places_of_their_own():
    seats = [
        {"row": 1, "number": "1", "x": 0, "y": 0},
        {"row": "1", "number": "1", "x": True, "y": 0},
        {"row": "1", "number": "1", "x": 1_000_001, "y": float("inf")},
    ]
    place = SECTION.replace("sections[0]", "sections[1]")
    assert problems_of(in_section("seats", seats, index=1)) == [
        f"{place}.seats[0].row: should be a text, is 1",
        f"{place}.seats[1].x: should be a number, is true",
        f"{place}.seats[2]: seat 1-1 is the same as {place}.seats[1]",
        f"{place}.seats[2].x: should be 1,000,000 or less, is 1000001",
        f"{place}.seats[2].y: should be a finite number, is inf",
    ]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file():
    first, second = deepcopy(CONCERT), deepcopy(CONCERT)
    first["titel"] = "가"
    first["performances"] *= 2
    first["performances"][0]["sections"] *= 2
    second["venue"]["time_zone"] = "Asia/Tokyo"
    second["performances"][0]["sections"][1]["blocked"] = ["가-9"]
    first["room"] = {"slug": "x"}
    found = problems_of({"concerts": [first, second]})
    assert found == [
        *(
            f"concerts[0].performances[{show}].sections[{later}].name: is the same as "
            f"concerts[0].performances[{show}].sections[{later - 2}].name"
            for show in (0,)
            for later in (2, 3)
        ),
        "concerts[0].performances[1].sections[2].name: is the same as "
        "concerts[0].performances[1].sections[0].name",
        "concerts[0].performances[1].sections[3].name: is the same as "
        "concerts[0].performances[1].sections[1].name",
        "concerts[0].performances[1].starts_at: is the same as concerts[0].performances[0].starts_at",
        "concerts[0].titel: is no field of the concert file; did you mean “title”?",
        "concerts[1].performances[0].sections[1].blocked[0]: should name a seat of this section as "
        "row-number, is the text “가-9”",
        "concerts[1].slug: is the same as concerts[0].slug",
        "concerts[1].venue.time_zone: should be as at concerts[0].venue.time_zone, the text "
        "“Asia/Seoul”, is the text “Asia/Tokyo”",
    ]


def test_the_same_start_in_another_offset_is_the_same():
    document = {"concerts": [deepcopy(CONCERT)]}
    again = deepcopy(CONCERT["performances"][0]) | {"starts_at": "2026-12-24T10:00:00Z"}
    document["concerts"][0]["performances"].append(again)
    assert problems_of(document) == [
        "concerts[0].performances[1].starts_at: is the same as concerts[0].performances[0].starts_at"
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"concerts": [\n  {"slug" "a"}\n]}', "line 2, column 11: "),
        (b"", "line 1, column 1: "),
        (b'{\n"concerts": "\xff"}', "is not UTF-8: line 2 has the byte 0xff"),
        (b"[" * 200_000, "is nested too deeply"),
        (b"[]", "should be an object, is a list of 0"),
        (b"null", "should be an object, is null"),
        (b"{}", "concerts: is missing"),
        (b'{"concerts": []}', "concerts: should have 1 or more entries, is a list of 0"),
        (b'{"concerts": [1, {"slug": 1' + b"0" * 5_000 + b"}]}", "concerts[0]: should be an object, is 1"),
    ],
)  # fmt: skip
def test_what_is_no_concert_file(content, problem):
    found = problems_of(content)
    assert found[0].startswith(problem)


def test_a_field_given_twice():
    text = json.dumps({"concerts": [CONCERT]}).replace('"title"', '"title": "a", "title"')
    assert problems_of(text.encode()) == ["concerts[0].title: is given twice"]


def test_rooms_that_two_concerts_see_differently():
    concerts = [
        CONCERT | {"room": {"slug": "x", "capacity": 5}},
        CONCERT | {"room": {"slug": "x", "capacity": 6}, "slug": "other"},
    ]
    problem = "concerts[1].room.capacity: should be as at concerts[0].room.capacity, 5, is 6"
    assert problem in problems_of({"concerts": concerts})


def test_a_rooms_field_given_twice_is_told_once():
    concerts = [
        CONCERT | {"room": {"slug": "x", "capacity": 5}},
        CONCERT | {"room": {"slug": "x", "capacity": 7}, "slug": "other"},
    ]
    text = json.dumps({"concerts": concerts}).replace(
        '"capacity": 7', '"capacity": 6, "capacity": 7'
    )
    problems = problems_of(text.encode())
    assert "concerts[1].room.capacity: is given twice" in problems
    assert not any("should be as at" in problem for problem in problems)


def test_too_many_seats(monkeypatch):
    monkeypatch.setattr(limits, "SEATS_PER_PERFORMANCE_MAX", 9)
    monkeypatch.setattr(limits, "SEATS_PER_FILE_MAX", 8)
    assert problems_of({"concerts": [CONCERT]}) == [
        "should have at most 8 seats, has 10",
        "concerts[0].performances[0]: should have at most 9 seats, has 10",
    ]


def test_a_section_that_is_too_large_is_not_laid_out():
    huge = in_section("rows", 10**9)
    assert problems_of(huge)[-1].endswith("rows: should be 1,000 or less, is 1000000000")


def test_a_file_that_is_too_large(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "FILE_BYTES_MAX", 10)
    path = tmp_path / "concerts.json"
    path.write_bytes(b" " * 11)
    with pytest.raises(ConcertFileError, match="is too large: at most 10 bytes are read"):
        read_concert_file(path, room=RoomReference)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (".", "is a directory; name the file in it"),
        ("none.json", "does not exist"),
        ("a/b.json", "cannot be read: Not a directory"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, problem):
    (tmp_path / "a").touch()
    with pytest.raises(ConcertFileError, match=problem):
        read_concert_file(tmp_path / name, room=RoomReference)


def plan(document):
    (concert,) = parse(document).concerts
    return plan_seats(concert.performances[0], ("concerts", 0, "performances", 0))


def test_where_seats_stand():
    seats = plan({"concerts": [CONCERT]})
    assert [(seat.section, seat.row, seat.number, seat.position) for seat in seats] == [
        ("A", "1", "1", 1), ("A", "1", "2", 2), ("A", "1", "3", 3),
        ("A", "2", "1", 5), ("A", "2", "2", 6), ("A", "2", "3", 7),
        ("B", "가", "1", 9), ("B", "가", "2", 10), ("B", "가", "3", 12),
        ("B", "나", "1", 14),
    ]  # fmt: skip
    assert [(seat.x, seat.y) for seat in seats[:6]] == [
        (-1.0, 5.0), (0.0, 5.0), (1.0, 5.0), (-1.0, 6.0), (0.0, 6.0), (1.0, 6.0),
    ]  # fmt: skip
    assert [seat.blocked for seat in seats] == [True] + [False] * 9
    assert seats[7].place[-2:] == ("seats", 1)


def test_generated_sections_do_not_overlap():
    document = {"concerts": [deepcopy(CONCERT)]}
    sections = document["concerts"][0]["performances"][0]["sections"]
    sections[1] = sections[0] | {"name": "B", "rows": 3, "seats_per_row": 6, "blocked": []}
    seats = plan(document)
    assert seats[0].y == 1.0
    assert min(dist(a[6:8], b[6:8]) for a in seats for b in seats if a is not b) == 1.0
    assert len({seat.position for seat in seats}) == len(seats)


def test_rows_may_come_in_any_order_and_seats_may_share_a_spot():
    seats = [
        {"row": "1", "number": "1", "x": 0, "y": 0},
        {"row": "2", "number": "1", "x": 0, "y": 1},
        {"row": "1", "number": "2", "x": 0, "y": 0},
    ]
    planned = plan(in_section("seats", seats, index=1))[6:]
    assert [(seat.row, seat.number, seat.position) for seat in planned] == [
        ("1", "1", 9), ("1", "2", 10), ("2", "1", 12),
    ]  # fmt: skip


def test_a_seat_may_have_its_own_grade_and_price():
    seats = [
        {"row": "1", "number": "1", "x": 0, "y": 0, "grade": "S"},
        {"row": "1", "number": "2", "x": 1, "y": 0, "price": 0},
        {"row": "1", "number": "3", "x": 2, "y": 0},
    ]
    planned = plan(in_section("seats", [{**seats[0], "price": 7}, *seats[1:]], index=1))[6:]
    assert [(seat.grade, seat.price) for seat in planned] == [("S", 7), ("R", 0), ("R", 0)]
    place = "concerts[0].performances[0].sections[1].seats[0]"
    assert problems_of(in_section("seats", [{**seats[0], "price": -1, "grade": ""}], index=1)) == [
        f"{place}.grade: should not be blank, is the text “”",
        f"{place}.price: should be 0 or more, is -1",
    ]
