"""What beat runs over the line: in batches, past locked rows, twice without harm, errors logged."""

import json
import logging
from contextlib import closing
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections

from apps.core.models import Heartbeat
from apps.queue import limits, services, tasks
from apps.queue.models import Dispenser, QueueEntry, WaitingRoom
from apps.queue.selectors import get_room
from tests.core.contents import read_contents
from tests.factories import NOW, QueueEntryFactory, RoomFactory
from tests.queue.support import keep_calling, poll, stand_in_line, states, turnstile_of

LATER = NOW + timedelta(seconds=60)


def count_ended():
    return QueueEntry.objects.filter(state="ended").count()


def run_command(name, *options):
    out = StringIO()
    call_command(name, *options, stdout=out)
    return out.getvalue().strip()


@pytest.mark.django_db
class TestExpireQueue:
    def test_it_goes_on_in_batches_until_all_are_done(self, room, monkeypatch):
        monkeypatch.setattr(limits, "SWEEP_BATCH", 2)
        monkeypatch.setattr(limits, "SWEEP_SEGMENTS", 1)
        QueueEntryFactory.create_batch(5, room=room, admitted=True)
        stand_in_line(room, 2 * limits.SEGMENT_PLACES)
        people = 5 + 2 * limits.SEGMENT_PLACES
        assert services.expire_queue(now=LATER) == count_ended() == people

    def test_a_run_is_bounded_by_people_inside(self, room, monkeypatch):
        monkeypatch.setattr(limits, "SWEEP_BATCH", 1)
        monkeypatch.setattr(limits, "SWEEP_BATCHES_PER_RUN", 2)
        QueueEntryFactory.create_batch(3, room=room, admitted=True)
        assert [services.expire_queue(now=LATER) for _run in range(3)] == [2, 1, 0]

    def test_a_run_is_bounded_by_segments_of_the_line(self, room, monkeypatch):
        monkeypatch.setattr(limits, "SWEEP_SEGMENTS", 1)
        Dispenser.objects.update(last_number=limits.SEGMENT_PLACES - 1)
        stand_in_line(room, 3 * limits.SEGMENT_PLACES)
        monkeypatch.setattr(limits, "SWEEP_BATCHES_PER_RUN", 2)
        ended = [services.expire_queue(now=LATER) for _run in range(2)]
        assert ended == [2 * limits.SEGMENT_PLACES, limits.SEGMENT_PLACES]

    def test_a_second_run_changes_nothing(self, room):
        stand_in_line(room, 1)
        QueueEntryFactory(room=room, admitted=True)
        assert services.expire_queue(now=LATER) == 2
        before = list(QueueEntry.objects.order_by("pk").values())
        assert services.expire_queue(now=LATER + timedelta(days=1)) == 0
        assert list(QueueEntry.objects.order_by("pk").values()) == before

    def test_every_room_has_its_own_limits(self, room):
        patient = RoomFactory(slug="patient", idle_seconds=61)
        stand_in_line(room, 1)
        stand_in_line(patient, 1)
        assert services.expire_queue(now=LATER) == 1
        assert QueueEntry.objects.exclude(state="ended").get().room == patient

    def test_over_long_sessions_end_with_their_own_reason_and_time(self, room):
        entry = QueueEntryFactory(room=room, admitted=True)
        keep_calling(entry, now=NOW + timedelta(seconds=590))
        assert services.expire_queue(now=NOW + timedelta(seconds=700)) == 1
        entry.refresh_from_db()
        assert entry.end_reason == "session_over"
        assert entry.ended_at == entry.session_expires_at

    def test_nothing_is_deleted(self, room):
        stand_in_line(room, 3)
        assert services.expire_queue(now=LATER) == 3
        assert QueueEntry.objects.count() == 3


@pytest.mark.django_db
class TestEachAlone:
    """Either of the two sweeps does its own work while the other stands still."""

    def test_expiring_counts_the_line_itself_and_lets_nobody_in(self, room):
        silent, calling = stand_in_line(room, 2)
        keep_calling(calling, now=LATER)
        assert services.expire_queue(now=LATER) == 1
        assert states(silent, calling) == ["ended", "waiting"]
        turnstile = turnstile_of(room)
        assert (turnstile.waiting, turnstile.admitted, turnstile.now_serving) == (2, 0, 0)
        assert services.expire_queue(now=LATER) == 0
        assert turnstile_of(room).waiting == 1

    def test_expiring_does_not_hide_that_admission_stands_still(self, room):
        stand_in_line(room, 1)
        services.expire_queue(now=NOW)
        assert turnstile_of(room).counted_at is None
        assert services.is_count_overdue(get_room("main"), now=NOW)

    def test_expiring_finds_those_who_joined_since_admission_stood_still(self, room):
        WaitingRoom.objects.update(capacity=1)
        QueueEntryFactory(room=room, admitted=True)
        services.admit_queue(now=NOW)
        silent = stand_in_line(room, limits.SEGMENT_PLACES)
        assert services.expire_queue(now=LATER) == len(silent) + 1

    def test_admitting_passes_over_the_silent_and_fills_their_places(self, room):
        WaitingRoom.objects.update(capacity=1)
        inside, silent, calling = stand_in_line(room, 3)
        services.admit_queue(now=NOW)
        keep_calling(calling, now=LATER)
        assert services.admit_queue(now=LATER) == 1
        assert states(inside, silent, calling) == ["ended", "ended", "admitted"]
        assert turnstile_of(room).waiting == 0

    def test_admitting_ends_the_silent_further_back_too(self, room):
        WaitingRoom.objects.update(capacity=1)
        inside, silent, calling = stand_in_line(room, 3)
        services.admit_queue(now=NOW)
        keep_calling(inside, calling, now=LATER)
        assert services.admit_queue(now=LATER) == 0
        assert states(inside, silent, calling) == ["admitted", "ended", "waiting"]
        assert services.get_entry(calling.pk).ahead == 0

    def test_admitting_ends_no_more_of_them_than_it_has_time_for(self, room, monkeypatch):
        monkeypatch.setattr(limits, "SWEEP_SEGMENTS", 1)
        monkeypatch.setattr(limits, "SWEEP_BATCHES_PER_LOOK", 1)
        WaitingRoom.objects.update(state="paused")
        stand_in_line(room, 3 * limits.SEGMENT_PLACES)
        services.admit_queue(now=NOW)
        services.admit_queue(now=LATER)
        assert 0 < count_ended() <= limits.SEGMENT_PLACES


@pytest.mark.django_db(transaction=True)
class TestBesideAnotherConnection:
    """Rows that somebody else has locked are passed over, never waited for."""

    @pytest.fixture
    def elsewhere(self, db):
        with closing(connections.create_connection("default")) as other:
            other.set_autocommit(False)
            yield other
            other.rollback()
            other.set_autocommit(True)

    @pytest.fixture
    def room(self):
        return RoomFactory(capacity=2)

    def lock(self, elsewhere, row):
        table = row._meta
        with elsewhere.cursor() as cursor:
            cursor.execute(
                f"SELECT 1 FROM {table.db_table} WHERE {table.pk.column} = %s FOR UPDATE", [row.pk]
            )

    def test_expire_queue_passes_over_locked_entries(self, room, elsewhere):
        locked, free = stand_in_line(room, 2)
        self.lock(elsewhere, locked)
        assert services.expire_queue(now=LATER) == 1
        assert QueueEntry.objects.get(state="ended") == free
        elsewhere.rollback()
        assert services.expire_queue(now=LATER) == 1

    def test_expire_queue_goes_on_behind_a_segment_with_locked_entries(
        self, room, elsewhere, monkeypatch
    ):
        monkeypatch.setattr(limits, "SWEEP_SEGMENTS", 1)
        Dispenser.objects.filter(room=room).update(last_number=limits.SEGMENT_PLACES - 2)
        locked, in_the_next_segment = stand_in_line(room, 2)
        self.lock(elsewhere, locked)
        assert services.expire_queue(now=LATER) == 1
        assert QueueEntry.objects.get(state="ended") == in_the_next_segment

    def test_admit_queue_passes_over_a_locked_room(self, room, elsewhere):
        other_room = RoomFactory(slug="first-snow")
        (waiting,) = stand_in_line(room, 1)
        stand_in_line(other_room, 1)
        self.lock(elsewhere, room.turnstile)
        assert services.admit_queue(now=NOW) == 1
        assert QueueEntry.objects.get(state="waiting") == waiting
        elsewhere.rollback()
        assert services.admit_queue(now=NOW) == 1

    def test_a_poll_does_not_wait_for_somebody_who_admits(self, room, elsewhere):
        (entry,) = stand_in_line(room, 1)
        self.lock(elsewhere, room.turnstile)
        assert poll(entry).position == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("clock_at_now")
class TestTasks:
    @pytest.fixture(autouse=True)
    def _logs(self, caplog):
        caplog.set_level(logging.DEBUG)

    def test_admit_queue_says_how_many_entered(self, room, caplog):
        QueueEntryFactory.create_batch(2, room=room)
        assert tasks.admit_queue() == 2
        assert "sweep admit_queue touched 2 rows" in caplog.text
        assert Heartbeat.objects.get(name="admit_queue").beat_at == NOW

    def test_expire_queue_says_how_many_ended(self, room, clock_at_now, caplog):
        stand_in_line(room, 2)
        clock_at_now.move(minutes=1)
        assert tasks.expire_queue() == 2
        assert "sweep expire_queue touched 2 rows" in caplog.text
        assert Heartbeat.objects.get(name="expire_queue").beat_at == LATER

    def test_a_run_that_touched_nothing_is_no_line_in_the_log(self, room, caplog):
        assert tasks.expire_queue() == 0
        (record,) = [record for record in caplog.records if "expire_queue" in record.getMessage()]
        assert record.levelno == logging.DEBUG
        assert Heartbeat.objects.filter(name="expire_queue").exists()

    @pytest.mark.parametrize("name", ["admit_queue", "expire_queue"])
    def test_8_3_1_an_error_is_logged_and_the_next_run_goes_on(
        self, room, caplog, monkeypatch, name
    ):
        (entry,) = stand_in_line(
            room, 1, seen=NOW - timedelta(seconds=60 * (name == "expire_queue"))
        )
        with monkeypatch.context() as broken:
            broken.setattr(services, name, fail)
            with pytest.raises(OperationalError):
                getattr(tasks, name)()
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert record.getMessage() == f"sweep {name} failed"
        assert "the database is away" in caplog.text
        assert not Heartbeat.objects.beaten().exists()
        assert Heartbeat.objects.get(name=name).failures == 1
        entry.refresh_from_db()
        assert entry.state == "waiting"
        assert getattr(tasks, name)() == 1


def fail(*, now):
    raise OperationalError("the database is away")


@pytest.mark.django_db
@pytest.mark.usefixtures("clock_at_now")
class TestCommands:
    def test_admit_queue(self, room):
        QueueEntryFactory.create_batch(2, room=room)
        assert run_command("admit_queue") == "admit_queue: 2 rows"
        assert QueueEntry.objects.filter(state="admitted").count() == 2

    def test_expire_queue(self, room, clock_at_now):
        stand_in_line(room, 1)
        clock_at_now.move(minutes=1)
        assert json.loads(run_command("expire_queue", "--json")) == {
            "sweep": "expire_queue",
            "touched": 1,
            "dry_run": False,
        }
        assert count_ended() == 1

    @pytest.mark.parametrize("name", ["admit_queue", "expire_queue"])
    def test_a_dry_run_counts_and_changes_nothing(self, room, name):
        stand_in_line(room, 1, seen=NOW - timedelta(seconds=60 * (name == "expire_queue")))
        before = read_contents()
        assert json.loads(run_command(name, "--json", "--dry-run"))["touched"] == 1
        assert read_contents() == before

    @pytest.mark.parametrize("name", ["admit_queue", "expire_queue"])
    def test_help_shows_an_example(self, name, capsys):
        with pytest.raises(SystemExit) as end:
            call_command(name, "--help")
        assert end.value.code == 0
        assert f"manage.py {name}" in " ".join(capsys.readouterr().out.split())
