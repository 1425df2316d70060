"""The figures of made-up answers, what is told of them, and what is refused before anything is made."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.core.models import StaffAction
from config.rehearsal import run
from config.rehearsal.client import Answer
from config.rehearsal.figures import (
    count_kinds,
    describe_times,
    describe_window,
    is_error,
    list_seconds,
    percentile,
)
from config.rehearsal.journey import Ticket, play
from config.rehearsal.playing import PURCHASE, Note
from config.rehearsal.processors import Usage, compare
from config.rehearsal.report import describe_course
from config.rehearsal.steps import Course
from config.rehearsal.words import list_warnings


def note(at, kind, outcome, took_s=0.010, late_s=0.0):
    return Note(at, kind, outcome, took_s, late_s)


class TestFigures:
    def test_percentiles_are_by_nearest_rank(self):
        hundred = list(range(1, 101))
        assert [percentile(hundred, share) for share in (0.5, 0.95, 0.99, 1)] == [50, 95, 99, 100]
        assert percentile([7], 0.5) == 7

    def test_times_are_in_milliseconds(self):
        assert describe_times([0.3, 0.1, 0.2]) == {
            "mean_ms": 200.0, "p50_ms": 200.0, "p95_ms": 300.0, "p99_ms": 300.0, "max_ms": 300.0,
        }  # fmt: skip
        assert describe_times([]) == {}

    @pytest.mark.parametrize(
        ("kind", "outcome", "error"),
        [
            ("pay", "201", False),
            ("hold", "409 seat_unavailable", False),
            ("hold", "409 seat_limit_exceeded", True),
            ("poll", "503 busy", True),
            ("poll", "429 too_many_requests", True),
            ("poll", "none TimeoutError", True),
            ("dates", "200 not JSON", True),
            ("leave", "410 queue_token_expired", False),
            (PURCHASE, "gave up", False),
        ],
    )
    def test_what_came_to_nothing_is_an_error_but_where_somebody_was_faster(
        self, kind, outcome, error
    ):
        assert is_error(note(0, kind, outcome)) is error

    def test_a_window(self):
        notes = [
            note(1, "token", "201", 9.0),
            note(1, "poll", "200", 9.0),
            note(1, "pay", "201", 0.030),
            note(1, "pay", "503 busy", 0.050),
            note(1, PURCHASE, "bought", 0.200),
            note(1, PURCHASE, "gave up"),
        ]
        window = describe_window(notes, seconds=2.0)
        assert (window["purchases"], window["purchases_per_second"]) == (1, 0.5)
        assert (window["requests"], window["errors"], window["error_share"]) == (4, 1, 0.25)
        # Of those inside alone: what a line takes is no part of it.
        assert window["latency"]["max_ms"] == 50.0
        assert window["answers_of_a_purchase"]["mean_ms"] == 200.0
        assert [row["kind"] for row in window["kinds"]] == ["token", "poll", "pay"]

    def test_kinds_and_seconds(self):
        notes = [note(10.2, "pay", "201"), note(11.9, "pay", "500"), note(11.0, PURCHASE, "bought")]
        (pay,) = count_kinds(notes)
        assert (pay["count"], pay["outcomes"]) == (2, {"201": 1, "500": 1})
        assert list_seconds(notes, began=10.0) == [
            {"second": 0, "purchases": 0, "requests": 1, "errors": 0},
            {"second": 1, "purchases": 1, "requests": 1, "errors": 1},
        ]

    def test_processor_time_counts_processes_that_came_meanwhile_and_none_that_were_before(self):
        before = Usage(
            processes={("web", 1, 0.0): (5.0, 1.0), ("web", 9, 0.0): (50.0, 50.0)},
            machine={"user": 10.0, "system": 1.0, "idle": 3.0, "guest": 5.0},
        )
        after = Usage(
            # Number 9 is another process by now.
            processes={("web", 1, 0.0): (7.0, 1.5), ("web", 9, 77.0): (1.0, 0.5)},
            machine={"user": 14.0, "system": 2.0, "idle": 6.0, "guest": 6.0},
        )
        assert compare(before, after, seconds=2.0) == {
            "web": {"user": 1.5, "system": 0.5},
            "machine": {"user": 2.0, "system": 0.5},
        }


class TestJourney:
    def ask(self, *answers):
        """Play with these answers; return what was asked, and what it came to."""
        journey = play(Ticket(number=1, access="a"), 7)
        asked = [next(journey)]
        for answer in answers:
            try:
                asked.append(journey.send(answer))
            except StopIteration as end:
                return asked, end.value
        return asked, "goes on"

    admitted = Answer(status=201, data={"status": "admitted", "token": "t"}, took_s=9.0)
    dates = Answer(status=200, data={"results": [{"date": "2026-12-24"}]}, took_s=0.1)
    seats = Answer(status=200, data={"results": [{"id": 5}, {"id": 6}]}, took_s=0.1)
    done = Answer(status=201, data={"id": 3}, took_s=0.1)

    def test_from_line_to_payment(self):
        waiting = {"status": "waiting", "token": "t", "poll_after_seconds": 4}
        asked, took_s = self.ask(
            Answer(status=201, data=waiting),
            Answer(status=200, data={"status": "admitted"}, took_s=8.0),
            self.dates, self.seats, self.done, self.done, self.done,
        )  # fmt: skip
        assert [ask.kind for ask in asked] == [
            "token", "poll", "dates", "seats", "hold", "reserve", "pay",
        ]  # fmt: skip
        assert asked[1].after_s == 4
        assert asked[1].headers["X-Queue-Token"] == "t"
        assert asked[4].body == {"seat_ids": [5, 6]}
        assert asked[6].headers["Idempotency-Key"] == "pay"
        assert took_s == pytest.approx(0.5)

    def test_takes_what_is_offered_where_somebody_was_faster(self):
        faster = Answer(status=409, code="seat_unavailable", data={"alternatives": [[8, 9]]})
        asked, _ = self.ask(self.admitted, self.dates, self.seats, faster)
        assert asked[-1].body == {"seat_ids": [8, 9]}
        assert asked[-1].headers["Idempotency-Key"] != asked[-2].headers["Idempotency-Key"]

    def test_asks_again_with_the_same_key_where_the_server_was_busy_or_silent(self):
        busy = Answer(status=503, code="busy", headers={"Retry-After": "2"})
        inside = (self.admitted, self.dates, self.seats)
        asked, _ = self.ask(*inside, busy, Answer(status=0))
        first, second, third = asked[-3:]
        assert (second.after_s, third.after_s) == (2.0, 1.0)
        assert first.headers == second.headers == third.headers
        asked, _ = self.ask(*inside, busy, busy, busy)
        assert asked[-1].kind == "leave"

    def test_leaves_where_it_is_refused_and_bought_nothing(self):
        refused = Answer(status=403, code="queue_token_expired")
        asked, bought = self.ask(self.admitted, refused, Answer(status=204))
        assert [ask.kind for ask in asked] == ["token", "dates", "leave"]
        assert bought is None
        assert self.ask(Answer(status=401))[1] is None


def step(people, per_second, mean_ms, **more):
    return {
        "people": people,
        "purchases_per_second": per_second,
        "answers_of_a_purchase": {"mean_ms": mean_ms},
        "error_share": 0.0,
        "inside_mean_s": 2.0,
        "latency": {"p95_ms": 100.0},
        "waited_for_a_thread_p95_ms": 0.0,
        "kinds": [],
        "processors": {},
        **more,
    }


class TestWords:
    def test_the_proposal_is_told_with_its_numbers(self):
        course = Course(
            steps=[step(32, 10, 1_000), step(64, 30, 2_000), step(128, 40, 4_000)], ended="limit"
        )
        found = describe_course(course, think_s=90)
        assert found["knee"]["people"] == 64.0
        # 30 × 0.7 × 60, and as many as enter in 92 s.
        assert found["proposal"]["admit_per_minute"] == 1_260
        assert found["proposal"]["capacity"] == 1_932
        told = " ".join(found["words"])
        for number in ("64 people inside", "30.0 purchases", "1,260", "1,932", "32, 64, 128"):
            assert number in told

    def test_nothing_is_proposed_from_nothing(self):
        found = describe_course(Course(), think_s=90)
        assert (found["knee"], found["proposal"]) == (None, None)
        assert "nothing is proposed" in found["words"][-1]

    @pytest.mark.parametrize(
        ("more", "warning"),
        [
            ({"kinds": [{"outcomes": {"429 too_many_requests": 3}}]}, "3 requests were refused"),
            ({"kinds": [{"outcomes": {"none TimeoutError": 2}}]}, "2 requests were not answered"),
            ({"kinds": [{"outcomes": {"503 busy": 1, "200": 5}}]}, "1 requests were answered with"),
            ({"waited_for_a_thread_p95_ms": 21.0}, "With 8 people inside, requests waited"),
            (
                {"processors": {"web": {"user": 1.0}, "players": {"user": 0.3, "system": 0.1}}},
                "up to 0.40 of its 2 processors",
            ),
        ],
    )
    def test_what_makes_the_figures_less_than_they_seem(self, more, warning):
        report = {"steps": [step(8, 1, 1, **more)], "machine": {"processors": 2}}
        (told,) = list_warnings(report)
        assert warning in told

    def test_good_figures_need_no_warning(self):
        quiet = {"web": {"user": 1.0}, "players": {"user": 0.1, "system": 0.05}}
        report = {
            "steps": [step(8, 1, 1, processors=quiet, waited_for_a_thread_p95_ms=19.0)],
            "machine": {"processors": 2},
        }
        assert list_warnings(report) == []


class TestCommand:
    def call(self, *arguments):
        out = StringIO()
        call_command("rehearse_onsale", *arguments, stdout=out, stderr=StringIO())
        return out.getvalue()

    @pytest.mark.django_db
    def test_a_dry_run_says_what_would_be_made_and_makes_nothing(self):
        arguments = ("--customers", "1000", "--seats", "500", "--steps", "3", "--dry-run")
        told = json.loads(self.call(*arguments, "--json"))
        assert (told["customers"], told["performances"], told["seats"]) == (1_000, 5, 2_500)
        assert told["people_inside"] == [1, 2, 4]
        assert "nothing was made" in self.call(*arguments)
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--server", "example.org"], "--server must be an address such as"),
            (["--server", "http://a:b"], "--server must be an address such as"),
            (["--customers", "0"], "--customers must be a whole number from 1"),
            (["--seats", "1"], "--seats must be a whole number from 2"),
            (["--steps", "16"], "--steps must be a whole number from 1 to 15"),
            (["--think-seconds", "-1"], "--think-seconds must be a whole number from 0"),
            (["--customers", "100000", "--seats", "2"], "give more --seats or fewer --customers"),
            (["--customers", "200000", "--seats", "90000"], "give fewer --seats"),
        ],
    )
    def test_what_cannot_be_is_refused(self, arguments, message):
        with pytest.raises(CommandError, match=message):
            self.call(*arguments, "--dry-run")

    @pytest.mark.django_db(transaction=True)
    def test_a_server_that_is_not_there_is_told_before_anything_is_made(self):
        with pytest.raises(CommandError, match=r"does not answer \(ConnectionRefusedError\)"):
            self.call("--server", "http://127.0.0.1:9")
        assert not StaffAction.objects.exists()

    @pytest.mark.parametrize(
        ("status", "exists", "message"),
        [
            (404, True, "it has another database"),
            (400, False, "ALLOWED_HOSTS"),
            (301, True, "It redirects"),
            (500, True, "which is no Encore"),
        ],
    )
    def test_a_server_that_is_another_is_told(self, monkeypatch, status, exists, message):
        monkeypatch.setattr(run.Client, "ask", lambda *_a, **_k: Answer(status=status))
        with pytest.raises(CommandError, match=message):
            run.require_server("http://a.example", "r", exists=exists)
