"""`manage.py queue_status`: the lines and the sale at a glance, whatever else is going on."""

import fcntl
import io
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from psycopg.errors import QueryCanceled
from rich.cells import cell_len
from rich.console import Console

from apps.core.heartbeats import record_failure, record_heartbeat
from apps.core.models import IntegrityFinding
from apps.queue import services
from apps.queue.models import WaitingRoom
from apps.reservations.services import expire_holds
from config.management.commands import queue_status
from config.status import reader, screen
from config.status.reader import StatusReader
from tests.config.processes import manage, managing
from tests.factories import (
    NOW,
    ConcertFactory,
    PerformanceFactory,
    RoomFactory,
    UserFactory,
    make_seats,
)
from tests.queue.support import at, stand_in_line
from tests.reservations.support import make_hold, make_paid, make_reservation

SWEEPS = ["admit_queue", "expire_queue", "expire_holds", "refund_called_off", "guard_integrity"]


@pytest.fixture
def main(room):
    """The room `main`, under another name than the command's argument."""
    return room


@pytest.fixture
def line(main):
    """Two inside since half a minute, three who wait, and the one ahead of them for a minute."""
    WaitingRoom.objects.update(capacity=2, admit_per_minute=7)
    people = [*stand_in_line(main, 3, seen=at(-60)), *stand_in_line(main, 2, seen=at(-5))]
    services.admit_queue(now=at(-30))
    return people


@pytest.fixture
def sale(performance):
    """Seats in each state, of a concert on sale; of one that is over, and one still to come, more."""
    seats = make_seats(performance, 10)
    make_paid(UserFactory(), seats[:2], at=NOW - timedelta(seconds=50))
    make_paid(UserFactory(), seats[2:3], at=NOW - timedelta(seconds=90))
    make_reservation(UserFactory(), seats[3:4], at=NOW)
    make_hold(UserFactory(), seats[4:6], at=NOW)
    make_hold(UserFactory(), seats[6:7], at=NOW - timedelta(seconds=330))
    make_hold(UserFactory(), seats[7:8], at=NOW - timedelta(seconds=420))
    performance.seats.filter(pk=seats[8].pk).update(blocked=True, blocked_reason="x")
    make_seats(PerformanceFactory(concert=performance.concert, starts_at=NOW), 3)
    for sold_at in (NOW - timedelta(days=90), NOW + timedelta(days=90)):
        make_seats(PerformanceFactory(concert=ConcertFactory(at=sold_at)), 1)
    return performance.concert


def read(**options):
    return StatusReader(**options).read(now=NOW)


def run(*arguments):
    out = io.StringIO()
    call_command("queue_status", *map(str, arguments), stdout=out)
    return out.getvalue()


def draw(reading, width=80):
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(screen.draw(reading))
    return out.getvalue()


@pytest.mark.django_db
class TestReading:
    def test_a_room(self, line):
        (told,) = read().rooms
        assert (told.slug, told.state, told.waiting, told.inside, told.capacity) == (
            *("main", "open", 3),
            *(2, 2),
        )
        assert (told.admitted_last_minute, told.admit_per_minute) == (2, 7)
        assert told.longest_wait_seconds == 60
        assert told.new_wait_seconds > 0
        assert told.line_empty_after_seconds > 0
        assert not told.known
        assert told.counted_at == at(-30)

    def test_an_empty_and_a_closed_room(self, main):
        (told,) = read().rooms
        assert (told.waiting, told.longest_wait_seconds, told.new_wait_seconds) == (0, None, 0)
        assert told.line_empty_after_seconds == 0
        WaitingRoom.objects.update(state="closed")
        (told,) = read().rooms
        assert (told.new_wait_seconds, told.line_empty_after_seconds) == (None, None)

    def test_seats_by_state(self, sale):
        (told,) = read().concerts
        assert (told.slug, told.room, told.stopped) == (sale.slug, "main", False)
        assert (told.free, told.held, told.reserved, told.sold, told.blocked, told.total) == (
            *(3, 2, 1),
            *(3, 1, 10),
        )

    def test_the_last_minute_before_a_sweep_and_after(self, sale):
        before = read()
        (paid,) = before.paid_last_minute
        assert (paid.currency, paid.payments, paid.amount) == ("KRW", 1, 20_000)
        # Of the two that lapsed, one more than a minute ago.
        assert before.holds_lapsed_last_minute == 1
        expire_holds(now=NOW)
        assert read().holds_lapsed_last_minute == 1
        assert StatusReader().read(now=NOW + timedelta(minutes=5)).paid_last_minute == []

    def test_the_machinery(self, sale):
        record_heartbeat(name="admit_queue", now=at(-0.4), seconds=0.25)
        record_failure(name="expire_holds", seconds=1)
        IntegrityFinding.objects.bulk_create(
            IntegrityFinding(
                invariant=2, subject=f"wallet:{n}", detail="x", found_at=NOW, seen_at=NOW
            )
            for n in range(3)
        )
        type(sale).objects.filter(pk=sale.pk).update(
            sale_stopped_at=NOW, sale_stopped_reason="seat 17 is sold twice"
        )
        told = read()
        assert [work.name for work in told.work] == SWEEPS
        admit, holds = told.work[0], told.work[2]
        assert (admit.state, admit.ran_seconds_ago, admit.last_seconds) == ("on_time", 0.4, 0.25)
        assert (holds.state, holds.ran_seconds_ago, holds.failures) == ("late", None, 1)
        assert told.broken == {2: 3}
        assert [(it.slug, it.reason) for it in told.stopped] == [
            (sale.slug, "seat 17 is sold twice")
        ]
        assert told.concerts[0].stopped

    def test_some_rooms_alone_with_what_they_serve(self, sale, line):
        RoomFactory(slug="iu")
        mine = PerformanceFactory(concert__room="iu")
        told = read(slugs=["iu"])
        assert [room.slug for room in told.rooms] == ["iu"]
        assert [concert.slug for concert in told.concerts] == [mine.concert.slug]
        assert len(read().rooms) == 2

    def test_the_longest_lines_first_and_the_rest_counted(self, line, monkeypatch):
        monkeypatch.setattr(reader, "ROOMS_MAX", 2)
        monkeypatch.setattr(reader, "CONCERTS_MAX", 1)
        for number in range(3):
            RoomFactory(slug=f"empty-{number}")
            ConcertFactory()
        told = read()
        assert ([room.slug for room in told.rooms], told.rooms_more) == (["main", "empty-0"], 2)
        assert (len(told.concerts), told.concerts_more) == (1, 2)

    def test_it_costs_the_same_however_long_the_line_and_writes_nothing(self, main, sale):
        def count():
            with CaptureQueriesContext(connection) as captured:
                read()
            assert not [
                query["sql"]
                for query in captured
                if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))
            ]
            return len(captured)

        before = count()
        stand_in_line(main, 50)
        services.admit_queue(now=NOW)
        assert count() == before

    def test_seats_are_not_counted_again_and_again_where_that_takes_long(self, sale, monkeypatch):
        clock = iter([0.0, 1.0, 5.0, 5.1])
        monkeypatch.setattr(reader.time, "monotonic", lambda: next(clock))
        watcher = StatusReader()
        assert watcher.read(now=NOW).seats_at == NOW
        for seconds in (1, 19.9):
            told = watcher.read(now=at(seconds))
            assert (told.seats_at, told.at) == (NOW, at(seconds))
            assert told.concerts[0].total == 10
        assert "seats as of 20s ago" in draw(told)
        assert watcher.read(now=at(20)).seats_at == at(20)

    def test_seats_that_take_too_long_leave_the_rest(self, sale, line, monkeypatch):
        def cancel(*_args, **_options):
            raise OperationalError from QueryCanceled("too long")

        monkeypatch.setattr(reader, "_read_concerts", cancel)
        told = read()
        assert (told.seats_at, told.concerts, told.rooms[0].waiting) == (None, (), 3)
        assert "the seats are too many to be counted at the moment" in draw(told)


@pytest.mark.django_db
class TestPicture:
    def test_all_of_it_in_80_columns(self, main, line, sale):
        WaitingRoom.objects.update(
            slug="a-room-with-a-name-that-is-far-too-long", capacity=1_000_000
        )
        RoomFactory(slug="opens", opens_at=NOW + timedelta(hours=30), state="paused")
        name = "a-concert-with-a-name-that-is-far-too-long-for-a-line-of-a-terminal-of-old"
        type(sale).objects.filter(pk=sale.pk).update(slug=name)
        told = draw(read())
        lines = told.splitlines()
        assert max(map(cell_len, lines)) <= 80
        assert lines[0] == "2026-11-01 10:00:00 KST"
        assert "…" in told
        assert "2/1000000" in told
        assert "in 30h00m" in told
        assert "last minute: 1 payments of ₩20,000; 1 holds lapsed" in lines
        assert f"LATE  {SWEEPS[0]}: never" in lines

    def test_what_is_wrong_goes_first(self, main, sale):
        for name in SWEEPS:
            record_heartbeat(name=name, now=NOW)
        assert draw(read()).splitlines()[1].startswith("ROOM")
        IntegrityFinding.objects.create(
            invariant=1, subject="seat:1", detail="x", found_at=NOW, seen_at=NOW
        )
        type(sale).objects.filter(pk=sale.pk).update(sale_stopped_at=NOW, sale_stopped_reason="x")
        assert draw(read()).splitlines()[1:3] == [
            f"SALE STOPPED  {sale.slug}: x",
            "BROKEN  invariant 1: 1 rows (check_integrity)",
        ]

    def test_without_a_terminal_there_is_nothing_but_text(self, main, sale, clock_at_now):
        told = run()
        assert "\x1b" not in told
        assert told.splitlines()[0] == "2026-11-01 10:00:00 KST"
        assert sale.slug in told

    def test_times(self):
        times = {0: "0s", 59.6: "1m00s", 3_599: "59m59s", 3_600: "1h00m", 1_000_000: "11d"}
        assert {seconds: screen._time(timedelta(seconds=seconds)) for seconds in times} == times


@pytest.fixture
def looks(monkeypatch):
    """Let somebody watch for so many looks, and then press Ctrl-C; the pauses are written down."""

    def watch(*arguments, count=3):
        pauses = []

        def pause(seconds):
            pauses.append(seconds)
            if len(pauses) == count:
                raise KeyboardInterrupt

        monkeypatch.setattr(queue_status.time, "sleep", pause)
        return run("--watch", *arguments), pauses

    return watch


@pytest.mark.django_db
@pytest.mark.usefixtures("clock_at_now")
class TestTheCommand:
    def test_json_for_programs(self, line, sale):
        told = json.loads(run("--json"))
        assert told["database"] == "up"
        assert told["at"] == told["seats_at"] == "2026-11-01T01:00:00Z"
        assert told["rooms"][0]["waiting"] == 3
        assert told["concerts"][0]["sold"] == 3
        assert told["paid_last_minute"] == [{"currency": "KRW", "payments": 1, "amount": 20_000}]
        assert told["broken"] == {}

    def test_watching_as_json_is_an_object_a_line(self, main, looks):
        told, pauses = looks("--json", "--interval", 7)
        assert [json.loads(line)["database"] for line in told.splitlines()] == ["up"] * 3
        assert pauses == [7, 7, 7]

    def test_watching_without_a_terminal_writes_one_picture_below_the_other(self, main, looks):
        told, pauses = looks()
        assert told.count("ROOM ") == 3
        assert pauses == [2, 2, 2]

    def test_a_database_that_is_away_is_told_and_comes_back(self, main, looks, monkeypatch):
        answers = iter([None, OperationalError("the server\nis gone"), None])
        real = StatusReader.read

        def read(self, *, now):
            if error := next(answers):
                raise error
            return real(self, now=now)

        # The tests' own connection must stay.
        monkeypatch.setattr(queue_status.connection, "close", lambda: None)
        monkeypatch.setattr(StatusReader, "read", read)
        told = [json.loads(line) for line in looks("--json")[0].splitlines()]
        assert [look["database"] for look in told] == ["up", "away", "up"]
        assert told[1]["error"] == "The database did not answer: the server is gone"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nowhere"], "There is no such room among nowhere"),
            (["main", "nowhere", "--watch"], "There is no such room among main, nowhere"),
            (["--interval", "0.4"], "--interval must be 0.5 to 3,600 seconds"),
            (["--interval", "nan"], "--interval must be"),
            (["--interval", "soon"], "--interval must be"),
        ],
    )
    def test_what_cannot_be_is_said(self, main, arguments, message):
        with pytest.raises(CommandError, match=message):
            run(*arguments)


# Nobody listens on port 9.
AWAY = {"DATABASE_URL": "postgresql://encore:secret@127.0.0.1:9/encore"}


@pytest.mark.django_db(transaction=True)
class TestTheProcess:
    def test_once(self, main):
        done = manage("queue_status")
        assert (done.returncode, done.stderr) == (0, "")
        assert "main" in done.stdout

    def test_once_without_a_database(self):
        done = manage("queue_status", "--json", **AWAY)
        assert done.returncode == 1
        assert json.loads(done.stdout)["database"] == "away"
        assert done.stderr.startswith("CommandError: The database did not answer: ")
        assert "secret" not in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("variables", [{}, AWAY], ids=["up", "away"])
    def test_watching_ends_quietly(self, main, number, variables):
        arguments = ("queue_status", "--watch", "--json", "--interval", "0.5")
        with managing(*arguments, variables=variables) as process:
            told = [json.loads(process.stdout.readline()) for _look in range(2)]
            assert {look["database"] for look in told} == {"away" if variables else "up"}
            process.send_signal(number)
            _out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")

    def test_on_a_terminal_until_ctrl_c(self, main):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        streams = {"stdin": theirs, "stdout": theirs, "stderr": subprocess.PIPE}
        variables = {"TERM": "xterm-256color"}
        # In a session of its own, whose terminal this is: the key goes to it as from a keyboard.
        with managing(
            *("queue_status", "--watch", "--interval", "0.5"),
            variables=variables,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
            **streams,
        ) as process:
            seen = read_terminal(ours, until=b"ROOM")
            os.write(ours, b"\x03")
            assert process.wait(timeout=30) == 0
            os.close(theirs)
            seen += read_terminal(ours)
            assert process.stderr.read() == ""
        # The terminal is as it was: its other screen left, its cursor shown.
        assert b"\x1b[?1049h" in seen
        assert seen.rindex(b"\x1b[?1049l") > seen.rindex(b"ROOM")
        assert b"\x1b[?25h" in seen


def read_terminal(terminal, until=None):
    """Return what is written to a terminal, to a word of it or to its end."""
    seen, deadline = b"", time.monotonic() + 30
    while until is None or until not in seen:
        assert time.monotonic() < deadline, seen
        try:
            part = os.read(terminal, 65_536)
        except OSError:
            break
        seen += part
        if not part:
            break
    return seen
