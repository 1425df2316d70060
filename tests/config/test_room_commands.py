"""`manage.py room` and `remove_from_queue`."""

import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from apps.core.errors import Busy
from apps.core.models import StaffAction
from apps.queue import services, steering
from apps.queue.models import QueueEntry, WaitingRoom
from config.management.commands import remove_from_queue, room
from tests.factories import NOW, QueueEntryFactory, RoomFactory, UserFactory
from tests.queue.support import at, stand_in_line, states

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock_at_now", "main")]


@pytest.fixture
def main(room):
    """The room `main`, under another name than the command's module."""
    return room


def run(*arguments):
    """Run a command and return what it printed."""
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


def read_all():
    return [list(model.objects.values()) for model in (WaitingRoom, QueueEntry, StaffAction)]


class TestSteering:
    @pytest.mark.parametrize(
        ("word", "state"),
        [("pause", "paused"), ("drain", "draining"), ("close", "closed")],
    )
    def test_a_word_sets_a_state(self, word, state):
        told = run("room", "main", word, "--reason", "the doors stick")
        assert told.splitlines()[0] == f"main: state open → {state}"
        assert WaitingRoom.objects.get().state == state
        action = StaffAction.objects.get()
        assert (action.action, action.reason) == ("steer_room", "the doors stick")
        assert action.actor_name.startswith("terminal: ")

    def test_limits_change_with_it_and_the_next_enter(
        self, main, django_capture_on_commit_callbacks
    ):
        people = stand_in_line(main, 3)
        clerk = UserFactory(email="clerk@encore.example", is_staff=True)
        with django_capture_on_commit_callbacks(execute=True):
            told = run(
                *("room", "main", "open", "--capacity", 2, "--per-minute", 600),
                *("--reason", "x", "--by", "Clerk@encore.example"),
            )
        assert told.startswith("main: capacity 500 → 2, admit_per_minute 0 → 600\n")
        assert states(*people) == ["admitted", "admitted", "waiting"]
        assert StaffAction.objects.get().actor == clerk

    def test_times_and_the_opening_change_with_it(self, main):
        told = run(
            *("room", "main", "open", "--session-seconds", 900, "--idle-seconds", 30),
            *("--opens-at", "2026-11-01T20:00", "--reason", "x"),
        )
        # By TIME_ZONE, Asia/Seoul.
        opens_at = datetime(2026, 11, 1, 11, tzinfo=UTC)
        assert told.splitlines()[0] == (
            "main: session_seconds 600 → 900, idle_seconds 60 → 30, "
            "opens_at none → 2026-11-01T20:00:00+09:00"
        )
        main.refresh_from_db()
        assert (main.session_seconds, main.idle_seconds) == (900, 30)
        assert main.opens_at == opens_at
        action = StaffAction.objects.get()
        assert action.before == {"session_seconds": 600, "idle_seconds": 60, "opens_at": None}
        told = json.loads(
            run("room", "main", "open", "--opens-at", "none", "--reason", "x", "--json")
        )
        assert told["before"] == {"opens_at": "2026-11-01T11:00:00+00:00"}
        assert told["after"] == {"opens_at": None}
        main.refresh_from_db()
        assert main.opens_at is None

    def test_a_program_reads_what_was_and_what_will_be(self, main):
        WaitingRoom.objects.update(capacity=1)
        people = stand_in_line(main, 4)
        services.admit_queue(now=at(-2))
        services.leave_line(entry_id=people[0].pk, now=at(-1))
        services.admit_queue(now=NOW)
        told = json.loads(run("room", "main", "pause", "--capacity", 3, "--reason", "x", "--json"))
        forecast_before = told.pop("forecast_before")
        assert told == {
            "room": "main",
            "before": {"state": "open", "capacity": 1},
            "after": {"state": "paused", "capacity": 3},
            "waiting": 2,
            "inside": 1,
            "forecast_after": {
                "known": True,
                "starts_after_seconds": None,
                "first_minute": None,
                "per_minute": None,
                "line_empty_after_seconds": None,
            },
            "dry_run": False,
        }
        assert forecast_before["known"]
        assert forecast_before["line_empty_after_seconds"] > 0

    def test_a_dry_run_forecasts_and_changes_nothing(self, main):
        WaitingRoom.objects.update(capacity=1)
        stand_in_line(main, 4)
        services.admit_queue(now=NOW)
        before = read_all()
        told = run("room", "main", "open", "--capacity", 2, "--reason", "x", "--dry-run")
        assert read_all() == before
        assert told.splitlines() == [
            "main: would change: capacity 1 → 2",
            "waiting 3, inside 1",
            "as it was: unknown yet, as nobody has been seen to leave; at the least 0 enter in the "
            "first minute and 0 a minute afterwards, the first after 0 s; all who wait now are in "
            "after at the most 1,800 s",
            "from now on: unknown yet, as nobody has been seen to leave; at the least 1 enter in the "
            "first minute and 0 a minute afterwards, the first after 0 s; all who wait now are in "
            "after at the most 600 s",
        ]

    def test_running_it_again_changes_nothing(self):
        run("room", "main", "pause", "--reason", "x")
        before = read_all()
        told = run("room", "main", "pause", "--reason", "x", "--dry-run")
        assert told.startswith("main: nothing to change\n")
        assert "from now on: nobody enters" in told
        run("room", "main", "pause", "--reason", "x")
        assert read_all() == before

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nowhere", "open", "--reason", "x"], "There is no room 'nowhere'."),
            (["no\0where", "open", "--reason", "x"], "There is no room"),
            (["main", "ajar", "--reason", "x"], "invalid choice"),
            (["main", "open"], "--reason"),
            (["main", "pause", "--reason", " "], "--reason"),
            (["main", "open", "--reason", "x", "--capacity", "0"], "--capacity must be"),
            (["main", "open", "--reason", "x", "--capacity", "1000001"], "--capacity must be"),
            (["main", "open", "--reason", "x", "--per-minute=-1"], "--per-minute must be"),
            (["main", "open", "--reason", "x", "--per-minute", "many"], "--per-minute must be"),
            (["main", "open", "--reason", "x", "--session-seconds", "9"], "--session-seconds must"),
            (["main", "open", "--reason", "x", "--idle-seconds", "2"], "--idle-seconds must be"),
            (["main", "open", "--reason", "x", "--opens-at", "soon"], "--opens-at must be a day"),
            (["main", "open", "--reason", "x", "--opens-at", "2026-10-31"], "--opens-at: "),
            (["main", "pause", "--reason", "x", "--by", "fan@x.example"], "--by must be"),
        ],
    )
    def test_what_cannot_be_is_said(self, arguments, message):
        UserFactory(email="fan@x.example")
        before = read_all()
        with pytest.raises(CommandError, match=message):
            run("room", *arguments)
        assert read_all() == before

    def test_a_busy_database_is_said(self, monkeypatch):
        def busy(**_options):
            raise Busy

        monkeypatch.setattr(room, "steer_room", busy)
        with pytest.raises(CommandError, match=r"main: .* Nothing was changed\."):
            run("room", "main", "pause", "--reason", "x")


class TestRemoving:
    @pytest.fixture
    def entries(self, main, customer):
        """The places of one customer in two rooms; inside the second."""
        other = RoomFactory(slug="iu", name="아이유")
        return [
            QueueEntryFactory(room=main, customer=customer),
            QueueEntryFactory(room=other, customer=customer, admitted=True),
        ]

    def test_out_of_every_room(self, customer, entries):
        told = run("remove_from_queue", customer.email.upper(), "--reason", "resale")
        assert told.splitlines() == [
            f"{customer.email}: taken out of {entry.room.slug}, place {entry.place}"
            for entry in entries
        ]
        assert states(*entries) == ["ended", "ended"]
        assert {action.reason for action in StaffAction.objects.all()} == {"resale"}

    def test_out_of_one_as_json(self, customer, entries):
        told = run(
            *("remove_from_queue", customer.email, "--reason", "resale", "--room", "iu", "--json")
        )
        assert json.loads(told) == {
            "customer": customer.pk,
            "removed": [
                {
                    "entry": entries[1].pk,
                    "room": "iu",
                    "place": entries[1].place,
                    "was": "admitted",
                }
            ],
            "dry_run": False,
        }
        assert states(*entries) == ["waiting", "ended"]

    def test_a_dry_run_changes_nothing(self, customer, entries):
        before = read_all()
        told = run("remove_from_queue", customer.email, "--reason", "x", "--dry-run")
        assert told.count("would be taken out of") == 2
        assert read_all() == before

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nobody@x.example", "--reason", "x"], "There is no customer"),
            (["no address", "--reason", "x"], "EMAIL must be"),
            (["{email}", "--reason", " "], "--reason"),
            (["{email}"], "--reason"),
            (["{email}", "--reason", "x", "--room", "snow"], "not in the line of 'snow'"),
            (["idle@x.example", "--reason", "x"], "not in any line"),
            (["{email}", "--reason", "x", "--by", "idle@x.example"], "--by must be"),
        ],
    )
    def test_what_cannot_be_is_said(self, customer, entries, arguments, message):
        UserFactory(email="idle@x.example")
        before = read_all()
        filled = [text.format(email=customer.email) for text in arguments]
        with pytest.raises(CommandError, match=message):
            run("remove_from_queue", *filled)
        assert read_all() == before

    def test_half_is_never_done(self, customer, entries, monkeypatch):
        """Where the second place cannot be ended, the first has not been."""
        really, ended = steering.end_entry, []

        def end_one(entry, **options):
            if ended:
                raise Busy
            ended.append(entry)
            really(entry, **options)

        monkeypatch.setattr(steering, "end_entry", end_one)
        before = read_all()
        with pytest.raises(CommandError, match="Nothing was changed"):
            run("remove_from_queue", customer.email, "--reason", "x")
        assert ended
        assert read_all() == before


@pytest.mark.parametrize("command", [room.Command, remove_from_queue.Command])
def test_the_help_has_an_example(command):
    assert "Example: manage.py" in command.help
