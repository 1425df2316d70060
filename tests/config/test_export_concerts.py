"""`manage.py export_concerts`: what it writes is a concert file that changes nothing."""

import json
from copy import deepcopy
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.concerts import limits
from apps.concerts.models import Concert, ConcertPrice, Performance, PlanSeat, Seat, SeatingPlan
from apps.core.audit import Actor
from apps.core.models import StaffAction
from apps.queue.models import WaitingRoom
from apps.reservations.catalogue import load_concerts, parse_concerts
from apps.reservations.seating import make_plan_seats
from tests.factories import (
    NOW,
    ConcertFactory,
    PerformanceFactory,
    RoomFactory,
    UserFactory,
)
from tests.reservations.support import make_hold, make_paid

CONCERT = {
    "slug": "first-snow",
    "title": "첫눈",
    "artist": "서하린",
    "description": "피아노 한 대로,\n듣는 겨울밤.",
    "venue": {"name": "한빛홀", "time_zone": "Asia/Tokyo"},
    "sales_open_at": "2026-11-01T10:00:00.250000+09:00",
    "sales_close_at": "2026-12-24T18:00:00+09:00",
    "seats_per_customer": 3,
    "cancel_until_hours": 0,
    "published": True,
    "room": {
        "slug": "snow",
        "capacity": 200,
        "admit_per_minute": 7,
        "session_seconds": 700,
        "idle_seconds": 50,
    },
    "performances": [
        {
            "starts_at": "2026-12-24T19:00:00+09:00",
            "sections": [
                {
                    "name": "A",
                    "grade": "VIP",
                    "price": 154_000,
                    "rows": 3,
                    "seats_per_row": 4,
                    "blocked": ["1-1", "3-4"],
                },
                {
                    "name": "발코니",
                    "grade": "R",
                    "price": 0,
                    "seats": [
                        {"row": "가", "number": "1", "x": -0.1, "y": 1.5},
                        {"row": "가", "number": "2", "x": 1, "y": 1.5, "price": 5},
                        {"row": "가", "number": "3", "x": 4, "y": 1.5, "grade": "S"},
                        {"row": "나", "number": "1", "x": 0.30000000000000004, "y": 3},
                    ],
                    "blocked": ["가-2"],
                },
                {"name": "C", "grade": "R", "price": 9, "rows": 1, "seats_per_row": 2},
            ],
        },
        {
            "starts_at": "2026-12-24T14:00:00+09:00",
            "sections": [
                {"name": "A", "grade": "R", "price": 1, "rows": 1, "seats_per_row": 1},
            ],
        },
    ],
}


def load(*concerts):
    content = json.dumps({"concerts": concerts}).encode()
    return load_concerts(parse_concerts(content), now=NOW)


def run(*arguments):
    """Return what the command writes to stdout and stderr."""
    out, err = StringIO(), StringIO()
    call_command("export_concerts", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def read_all():
    models = (Concert, Performance, Seat, WaitingRoom, StaffAction)
    return [list(model.objects.order_by("pk").values()) for model in models]


def read_seats():
    seats = Seat.objects.order_by("performance__starts_at", "position")
    return list(seats.values("section", "row", "number", "grade", "price", "x", "y", "blocked"))


def assert_changes_nothing(content):
    before = read_all()
    report = load_concerts(parse_concerts(content.encode()), now=NOW)
    assert {concert.outcome for concert in report.concerts} == {"unchanged"}
    assert set(report.rooms.values()) <= {"unchanged"}
    assert read_all() == before


@pytest.mark.django_db
@pytest.mark.usefixtures("room")
class TestTheWayBack:
    def test_everything_that_a_file_can_say_comes_back(self):
        load(CONCERT)
        out, err = run("first-snow")
        assert_changes_nothing(out)
        (written,) = json.loads(out)["concerts"]
        expected = deepcopy(CONCERT)
        expected["performances"].reverse()
        expected["sales_open_at"] = "2026-11-01T10:00:00.250000+09:00"
        assert written == expected
        assert err == "1 concerts, 2 performances, 19 seats\n"

    def test_it_makes_the_same_elsewhere(self):
        load(CONCERT)
        before = read_seats()
        out, _err = run("--all")
        Seat.objects.all().delete()
        Performance.objects.all().delete()
        Concert.objects.all().delete()
        load_concerts(parse_concerts(out.encode()), now=NOW)
        after = read_seats()
        assert after == before

    def test_a_concert_of_the_room_main_says_no_room(self, room):
        load({name: value for name, value in CONCERT.items() if name != "room"})
        WaitingRoom.objects.update(capacity=3)
        out, _err = run("first-snow")
        assert "room" not in json.loads(out)["concerts"][0]
        assert_changes_nothing(out)

    def test_what_staff_and_customers_did_stays(self):
        load(CONCERT)
        seats = list(Seat.objects.order_by("position", "pk"))
        make_paid(UserFactory(), seats[4:6])
        make_hold(UserFactory(), seats[8:9], at=NOW - timedelta(hours=1))
        Seat.objects.filter(pk=seats[6].pk).update(blocked=True, blocked_reason="broken")
        shrunk = deepcopy(CONCERT)
        sections = shrunk["performances"][0]["sections"]
        del sections[2]
        load(shrunk)
        out, _err = run("first-snow")
        assert_changes_nothing(out)
        assert "broken" not in out

    def test_seats_that_were_once_held_and_withdrawn_stay_withdrawn(self):
        load(CONCERT)
        seat = Seat.objects.get(section="C", number="2")
        make_hold(UserFactory(), [seat], at=NOW - timedelta(hours=1))
        shrunk = deepcopy(CONCERT)
        shrunk["performances"][0]["sections"][2]["seats_per_row"] = 1
        assert load(shrunk).concerts[0].seats_withdrawn == 1
        out, _err = run("first-snow")
        assert (
            json.loads(out)["concerts"][0]["performances"][1]["sections"][2]["seats_per_row"] == 1
        )
        assert_changes_nothing(out)

    def test_seats_that_a_plan_made_with_several_grades_in_a_section(self):
        performance = PerformanceFactory()
        plan = SeatingPlan.objects.create(venue=performance.concert.venue, name="x", seat_count=4)
        PlanSeat.objects.bulk_create(
            PlanSeat(
                plan=plan,
                section="1층",
                row="1",
                number=str(number),
                grade="VIP" if number == 1 else "R",
                x=number * 1.25,
                y=2.5,
                position=number,
            )
            for number in range(1, 5)
        )
        for grade, price in (("VIP", 9), ("R", 5)):
            ConcertPrice.objects.create(concert=performance.concert, grade=grade, price=price)
        make_plan_seats(
            performance_id=performance.pk,
            plan_id=plan.pk,
            actor=Actor(name="op"),
            reason="x",
            now=NOW,
        )
        out, _err = run(performance.concert_id)
        assert_changes_nothing(out)
        (section,) = json.loads(out)["concerts"][0]["performances"][0]["sections"]
        assert (section["grade"], section["price"]) == ("R", 5)
        assert section["seats"][0] == {
            **{"row": "1", "number": "1", "x": 1.25, "y": 2.5},
            **{"grade": "VIP", "price": 9},
        }

    def test_each_seat_is_a_line_and_a_grid_is_one(self):
        load(CONCERT)
        lines = [line.strip() for line in run("first-snow")[0].splitlines()]
        assert '{"row": "가", "number": "1", "x": -0.1, "y": 1.5},' in lines
        assert '{"name": "C", "grade": "R", "price": 9, "rows": 1, "seats_per_row": 2}' in lines


@pytest.mark.django_db
@pytest.mark.usefixtures("room")
class TestTheCommand:
    @pytest.fixture
    def concert(self):
        load(CONCERT)
        return Concert.objects.get()

    def test_by_slug_and_by_id_each_once_in_the_order_asked_for(self, concert):
        load({**CONCERT, "slug": "b"}, {**CONCERT, "slug": "c"})
        out, err = run("c", concert.pk, "first-snow")
        slugs = [described["slug"] for described in json.loads(out)["concerts"]]
        assert slugs == ["c", "first-snow"]
        assert err.splitlines()[:2] == ["concert 1 of 2: c", "concert 2 of 2: first-snow"]
        assert_changes_nothing(out)

    def test_a_slug_of_digits_goes_before_an_id(self, concert):
        load({**CONCERT, "slug": str(concert.pk), "title": "Digits"})
        out, _err = run(concert.pk)
        assert json.loads(out)["concerts"][0]["title"] == "Digits"

    def test_to_a_file_that_is_there_when_it_is_whole(self, concert, tmp_path):
        path = tmp_path / "out.json"
        out, err = run("--all", "--output", path, "--json")
        assert out == ""
        assert json.loads(err) == {
            "file": str(path),
            "concerts": ["first-snow"],
            "performances": 2,
            "seats": 19,
            "left_out": [],
            "without_seats": [],
        }
        assert_changes_nothing(path.read_text())
        assert [entry.name for entry in tmp_path.iterdir()] == ["out.json"]

    def test_a_file_that_cannot_be_written(self, concert, tmp_path):
        with pytest.raises(CommandError, match="is a directory; --output needs a file"):
            run("--all", "--output", tmp_path)
        with pytest.raises(CommandError, match="No such file or directory"):
            run("--all", "--output", tmp_path / "none" / "out.json")

    def test_what_has_no_seats_or_was_called_off_is_left_out_and_named(self, concert):
        ConcertFactory(slug="draft")
        PerformanceFactory(concert=concert, starts_at=NOW + timedelta(days=3))
        Performance.objects.filter(pk=concert.performances.earliest("starts_at").pk).delete()
        concert.performances.filter(seats__section="C").update(called_off_at=NOW)
        PerformanceFactory(concert=concert, starts_at=NOW + timedelta(days=4))
        out, err = run("--all")
        assert_changes_nothing(out)
        assert len(json.loads(out)["concerts"][0]["performances"]) == 1
        assert err.splitlines()[2:5] == [
            "left out: first-snow: the performance at 2026-11-05T10:00:00+09:00 has no seats",
            "left out: first-snow: the performance at 2026-12-24T19:00:00+09:00 is called off",
            "left out: draft has no seats",
        ]
        with pytest.raises(CommandError, match=r"These have no seats: draft\. Nothing was written"):
            run("first-snow", "draft")

    def test_another_currency_is_told(self, concert):
        Concert.objects.update(currency="USD")
        assert "first-snow: not in KRW, and the file names no currency" in run("--all")[1]

    def test_a_house_order_that_no_file_has_is_refused(self, concert, tmp_path):
        seat = Seat.objects.get(section="C", number="2")
        Seat.objects.filter(pk=seat.pk).update(position=1_000)
        err = StringIO()
        with pytest.raises(CommandError, match="Nothing was written"):
            call_command("export_concerts", "--all", output=str(tmp_path / "x"), stderr=err)
        assert "1 seats in a house order that no concert file has, such as C 1-2" in err.getvalue()
        assert list(tmp_path.iterdir()) == []

    def test_what_no_file_may_say_is_refused_with_its_place(self, concert):
        Concert.objects.update(title=" blank before")
        err = StringIO()
        with pytest.raises(CommandError, match="Nothing was written"):
            call_command("export_concerts", "--all", stderr=err)
        assert "concerts[0].title: should not begin or end with a space" in err.getvalue()

    def test_too_much_for_a_file_is_refused(self, concert, monkeypatch):
        monkeypatch.setattr(limits, "SEATS_PER_FILE_MAX", 18)
        err = StringIO()
        with pytest.raises(CommandError):
            call_command("export_concerts", "--all", stderr=err)
        assert "should have at most 18 seats, has 19" in err.getvalue()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Name concerts by slug or id, or give --all"),
            (["first-snow", "--all"], "Name concerts by slug or id, or give --all"),
            (["nowhere"], "There is no concert 'nowhere'"),
            (["9" * 5_000], "There is no concert"),
        ],
    )
    def test_what_cannot_be_is_said(self, concert, arguments, message):
        with pytest.raises(CommandError, match=message):
            run(*arguments)

    def test_nothing_at_all_is_an_error(self, db):
        with pytest.raises(CommandError, match="There is no concert with seats"):
            run("--all")


names = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=5)
coordinates = st.floats(-1_000, 1_000, allow_nan=False).map(lambda value: value + 0.0)
listed = st.lists(
    st.fixed_dictionaries(
        {"row": st.sampled_from("가나다"), "number": names, "x": coordinates, "y": coordinates},
        optional={"grade": st.sampled_from("RS"), "price": st.integers(0, 9)},
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda seat: (seat["row"], seat["number"]),
).map(lambda seats: {"seats": seats})
grids = st.fixed_dictionaries({"rows": st.integers(1, 4), "seats_per_row": st.integers(1, 5)})
shapes = st.lists(listed | grids, min_size=1, max_size=4)


class TestAnyShape(TestCase):
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
    )
    @given(shapes=shapes, blocks=st.data())
    def test_comes_back(self, shapes, blocks):
        RoomFactory()
        sections = []
        for number, shape in enumerate(shapes):
            if "seats" in shape:
                labels = [f"{seat['row']}-{seat['number']}" for seat in shape["seats"]]
            else:
                labels = [
                    f"{row + 1}-{seat + 1}"
                    for row in range(shape["rows"])
                    for seat in range(shape["seats_per_row"])
                ]
            blocked = blocks.draw(st.lists(st.sampled_from(labels), unique=True))
            sections.append(
                {"name": f"s{number}", "grade": "R", "price": 3, "blocked": blocked, **shape}
            )
        show = {"starts_at": "2026-12-24T19:00:00+09:00", "sections": sections}
        load({**CONCERT, "performances": [show]})
        assert_changes_nothing(run("first-snow")[0])
