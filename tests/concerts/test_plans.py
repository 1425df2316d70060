"""Seating plans: drawn, read from files, shown, saved."""

import json
from itertools import pairwise
from math import dist
from xml.etree import ElementTree

import pytest
from django.utils.translation import override

from apps.concerts import limits
from apps.concerts.models import PlanSeat, SeatingPlan
from apps.concerts.plans import (
    SectionShape,
    draw_picture,
    draw_sections,
    find_overlaps,
    list_grades,
    read_plan_file,
)
from apps.concerts.services import save_plan
from apps.core.errors import InvalidRequest
from tests.factories import VenueFactory

HEADER = "section,row,number,grade,x,y\n"


@pytest.fixture(autouse=True)
def _english():
    with override("en"):
        yield


def shape(**fields):
    return SectionShape(**{"name": "A", "grade": "VIP", "rows": 2, "seats_per_row": 4} | fields)


def problems_of(content):
    with pytest.raises(InvalidRequest) as refused:
        read_plan_file(content if isinstance(content, bytes) else content.encode())
    return [entry["detail"] for entry in refused.value.fields["errors"]]


# Drawing


def test_positions_are_one_apart_in_a_row_and_further_at_aisles_rows_and_sections():
    seats = draw_sections([shape(aisles=(2,)), shape(name="B", rows=1, y=5)])
    assert [seat.position for seat in seats] == [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 15, 16]


def test_a_row_is_centred_and_its_seats_are_one_apart():
    first, *_rest, last = draw_sections([shape(rows=1, x=10, y=3)])
    assert ((first.x, first.y), (last.x, last.y)) == ((8.5, 3), (11.5, 3))


@pytest.mark.parametrize("curve", [10, 90, 180])
def test_a_curved_row_keeps_the_distance_of_its_seats_and_bends_to_the_stage(curve):
    row = draw_sections([shape(rows=1, seats_per_row=21, curve=curve)])
    gaps = [dist(left[4:6], right[4:6]) for left, right in pairwise(row)]
    assert max(gaps) - min(gaps) < 0.03
    assert row[0].y < row[10].y > row[20].y
    assert [seat.position for seat in row] == list(range(1, 22))


def test_a_section_turns_clockwise_about_its_origin():
    seats = draw_sections([shape(rows=1, seats_per_row=3, angle=90, x=5, y=5)])
    assert [(seat.x, seat.y) for seat in seats] == [(5, 4), (5, 5), (5, 6)]


def test_too_many_seats_are_refused_before_they_are_drawn():
    with pytest.raises(InvalidRequest) as refused:
        draw_sections([shape(rows=1_000, seats_per_row=1_000)])
    told = refused.value.fields["errors"][0]["detail"]
    assert told == "A plan has at most 50,000 seats; this one has 1,000,000."


def test_seats_that_lie_on_others_are_found():
    assert find_overlaps(draw_sections([shape(), shape(name="B", y=8)])) == []
    assert len(find_overlaps(draw_sections([shape(), shape(name="B", x=0.3)]))) == 8


# Pictures


def test_the_picture_has_every_seat_once_and_no_markup_of_names():
    seats = draw_sections([shape(name="<b>A</b>"), shape(name="B", grade="R", y=5)])
    svg = ElementTree.fromstring(draw_picture(seats))
    paths = [path.get("d") for path in svg.iter("{http://www.w3.org/2000/svg}path")]
    assert [path.count("M") for path in paths] == [8, 8]
    names = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert names == ["Stage", "<b>A</b>", "B"]


def test_grades_are_counted_in_the_order_of_the_plan():
    seats = draw_sections([shape(grade="S"), shape(name="B", grade="R", y=5, rows=1)])
    assert [(grade.name, grade.seats) for grade in list_grades(seats)] == [("S", 8), ("R", 4)]


def test_the_picture_of_a_stadium_is_small():
    seats = draw_sections([shape(rows=250, seats_per_row=200)])
    assert len(draw_picture(seats)) < 1_000_000


# Files


def test_a_csv_file_is_read_in_house_order():
    text = HEADER + "A,1,1,VIP,0,1\nB,1,1,R,0,5\nA,1,2,VIP,1,1\n"
    seats = read_plan_file(text.encode("utf-8-sig"))
    assert [(seat.section, seat.number, seat.position) for seat in seats] == [
        ("A", "1", 1),
        ("A", "2", 2),
        ("B", "1", 4),
    ]


def test_columns_may_stand_in_any_order():
    (seat,) = read_plan_file(b"y,x,Grade,number,row,section\n2,1,VIP,7,3,A\n")
    assert seat[:6] == ("A", "3", "7", "VIP", 1.0, 2.0)


@pytest.mark.parametrize("wrap", [lambda seats: seats, lambda seats: {"seats": seats}])
def test_a_json_file_is_read(wrap):
    seat = {"section": "A", "row": 1, "number": 2, "grade": "VIP", "x": 1.5, "y": 0}
    (read,) = read_plan_file(json.dumps(wrap([seat])).encode())
    assert read[:6] == ("A", "1", "2", "VIP", 1.5, 0.0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", [f"Line 1: the column “{name}” is missing." for name in HEADER.strip().split(",")]),
        (HEADER, ["The file has no seats."]),
        (HEADER.replace("grade", "price") + "A,1,1,9,0,0\n", [
            "Line 1: the column “grade” is missing.",
            "Line 1: the column “price” is unknown.",
        ]),
        (HEADER + "A,1,1,VIP,0\n", ["Line 2: it has 5 cells, the first line has 6."]),
        (HEADER + "A,1,1,VIP,0,0\n\nA,,2,VIP,nan,0\n", [
            "Line 4, row: it is missing.",
            "Line 4, x: it should be a number, is “nan”.",
        ]),
        (HEADER + "A,1,1,VIP,0,0\nA,1,1,VIP,1,0\n", [
            "Line 3: seat A 1-1 is there already: Line 2.",
        ]),
        (HEADER + f"{'A' * 51},1,1,VIP,0,0\n", [
            "Line 2, section: it has more than 50 characters.",
        ]),
        (HEADER + "A,1,1,VIP,0,9e9\n", ["Line 2, y: it is further away than 1,000,000."]),
        (b"section\nA\n\xff", ["Line 3: the file is not UTF-8."]),
        ('[{"section": "A",}]', ["Line 1, column 18: Expecting property name enclosed in double quotes"]),
        ('{"rows": []}', ["The file should be a list of seats, or have one named “seats”."]),
        ("[7]", ["Seat 1: it should be an object with the fields of a seat."]),
        ('[{"section": true, "row": 1, "number": 1, "grade": "R", "x": 0, "y": "0"}]', [
            "Seat 1, section: it is missing.",
        ]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told_with_its_line(content, told):
    found = problems_of(content)
    # Python words its own errors of JSON otherwise from version to version.
    assert found == told or (len(found) == 1 and found[0].startswith("Line 1, column"))


def test_no_more_problems_are_told_than_one_reads():
    told = problems_of(HEADER + "A,1,1,VIP,x,y\n" * 100)
    assert len(told) <= limits.PLAN_FILE_PROBLEMS_MAX + 2
    assert told[-1] == "The rest of the file was not looked at."


def test_a_file_with_too_many_seats_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "PLAN_SEATS_MAX", 1)
    told = problems_of(HEADER + "A,1,1,VIP,0,0\nA,1,2,VIP,1,0\n")
    assert told == ["A plan has at most 1 seats; this one has 2."]


# Saving


@pytest.mark.django_db
def test_a_plan_that_is_saved_again_has_its_new_seats_alone():
    venue = VenueFactory()
    fields = {"venue_id": venue.pk, "name": "whole", "drawing": []}
    plan = save_plan(plan_id=None, seats=draw_sections([shape()]), **fields)
    save_plan(plan_id=plan.pk, seats=draw_sections([shape(rows=1)]), **fields)
    assert PlanSeat.objects.filter(plan=plan).count() == 4
    assert SeatingPlan.objects.get().seat_count == 4


@pytest.mark.django_db
def test_a_plan_that_is_renamed_keeps_its_seats():
    plan = save_plan(
        plan_id=None,
        venue_id=VenueFactory().pk,
        name="old",
        seats=draw_sections([shape()]),
        drawing=[{"name": "A"}],
    )
    save_plan(plan_id=plan.pk, venue_id=plan.venue_id, name="new", seats=None, drawing=[])
    plan.refresh_from_db()
    assert (plan.name, plan.seats.count(), plan.drawing) == ("new", 8, [{"name": "A"}])
